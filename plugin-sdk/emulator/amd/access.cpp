// SPDX-License-Identifier: Apache-2.0
//
// Loads, stores and divisions: what a device does of itself and what is checked here.
#include <algorithm>
#include <cstdlib>

#include "translator.hpp"

namespace attnrt::emulator::amd {
namespace {

/// ", align 16" at the end.
uint32_t alignment_of(const Tokens& tokens) {
  const std::size_t n = tokens.size();
  if (n < 2 || !tokens[n - 2].is("align")) return 1;
  return static_cast<uint32_t>(std::strtoul(std::string(tokens[n - 1].text).c_str(), nullptr, 10));
}

}  // namespace

void Translator::load(const Tokens& tokens, std::size_t at, const std::string& result) {
  if (tokens[at].is("volatile")) ++at;  // each access is made as it stands
  if (tokens[at].is("atomic")) throw TextFault(say("a ", tokens[at].text, " load is not known to the emulator"));
  const Type type = take_type(tokens, at);
  const Operand address = operand(tokens, at + 1, next_comma(tokens, at + 1, tokens.size()));
  if (!type.bytes) throw TextFault(say("a load of ", type.text));
  const Space space = address.type.space;
  const Service which = space == Space::global     ? Service::read_global
                        : space == Space::lds      ? Service::read_lds
                        : space == Space::constant ? Service::read_constant
                                                   : throw TextFault("a load without an address space that is known");
  const std::string number = fresh(), host = fresh();
  put(number, " = ptrtoint ptr ", address.text, " to i64");
  put(host, " = ", service(which, "ptr"), ", i64 ", number, ", ", site(type.bytes, alignment_of(tokens)), ")");
  put(result, " = load ", type.text, ", ptr ", host, ", align 1");
}

void Translator::store(const Tokens& tokens, std::size_t at) {
  if (tokens[at].is("volatile")) ++at;
  if (tokens[at].is("atomic")) throw TextFault(say("a ", tokens[at].text, " store is not known to the emulator"));
  const std::size_t comma = next_comma(tokens, at, tokens.size());
  const Operand value = operand(tokens, at, comma);
  const Operand address = operand(tokens, comma + 1, next_comma(tokens, comma + 1, tokens.size()));
  if (!value.type.bytes) throw TextFault(say("a store of ", value.type.text));
  const std::string number = fresh();
  put(number, " = ptrtoint ptr ", address.text, " to i64");
  const std::string where = site(value.type.bytes, alignment_of(tokens));
  if (address.type.space == Space::lds) {
    put("store ", value.type.text, " ", value.text, ", ptr %in, align 1");
    put(service(Service::write_lds, "void"), ", i64 ", number, ", ", where, ", ptr %in)");
  } else if (address.type.space == Space::global) {
    const std::string host = fresh();
    put(host, " = ", service(Service::write_global, "ptr"), ", i64 ", number, ", ", where, ")");
    put("store ", value.type.text, " ", value.text, ", ptr ", host, ", align 1");
  } else {
    throw TextFault("a store without an address space that is known");
  }
}

// What a device answers for a division by zero no language says, and this CPU would stop the process.
void Translator::division(const Tokens& tokens, std::size_t at, const std::string& result) {
  const std::string_view opcode = tokens[at].text;
  std::size_t begin = at + 1;
  while (begin < tokens.size() && !begins_type(tokens, begin)) ++begin;
  std::size_t behind = begin;
  const Type type = take_type(tokens, behind);
  const std::size_t comma = next_comma(tokens, behind, tokens.size());
  const std::string dividend = plain(tokens, behind, comma), divisor = plain(tokens, comma + 1, tokens.size());
  if (divisor.find('%') == std::string::npos && divisor != "0" && divisor != "-1") {  // a constant
    put(result, " = ", plain(tokens, at, tokens.size()));
    return;
  }
  if (type.scalar) return divide(opcode, type, dividend, divisor, result);
  // A vector's elements one by one.
  std::size_t first = begin + 3;
  if (!tokens[begin].is("<") || !tokens[begin + 2].is("x")) throw TextFault(say("a division of ", type.text));
  const Type element = take_type(tokens, first);
  const uint32_t count = type.bytes / std::max(1u, element.bytes);
  std::string so_far = "poison";
  for (uint32_t i = 0; i < count; ++i) {
    const std::string a = fresh(), b = fresh(), quotient = fresh(), next = i + 1 == count ? result : fresh();
    put(a, " = extractelement ", type.text, " ", dividend, ", i32 ", i);
    put(b, " = extractelement ", type.text, " ", divisor, ", i32 ", i);
    divide(opcode, element, a, b, quotient);
    put(next, " = insertelement ", type.text, " ", so_far, ", ", element.text, " ", quotient, ", i32 ", i);
    so_far = next;
  }
}

void Translator::divide(std::string_view opcode, const Type& type, const std::string& dividend,
                        const std::string& divisor, const std::string& result) {
  if (type.text[0] != 'i' || !type.bytes || type.bytes > 8) throw TextFault(say("a division of ", type.text));
  const bool narrow = type.bytes < 8;
  std::string wide[2] = {dividend, divisor};
  for (std::string& value : wide)
    if (narrow) {
      const std::string name = fresh();
      put(name, " = ", opcode[0] == 's' ? "sext " : "zext ", type.text, " ", value, " to i64");
      value = name;
    }
  std::string checked = fresh();
  put(checked, " = ", service(Service::divisor, "i64"), ", i64 ", wide[0], ", i64 ", wide[1], ", ", site(type.bytes, 1),
      ")");
  if (narrow) {
    const std::string name = fresh();
    put(name, " = trunc i64 ", checked, " to ", type.text);
    checked = name;
  }
  put(result, " = ", opcode, " ", type.text, " ", dividend, ", ", checked);
}

}  // namespace attnrt::emulator::amd
