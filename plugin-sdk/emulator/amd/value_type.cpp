// SPDX-License-Identifier: Apache-2.0
#include "value_type.hpp"

#include <cstdlib>

#include "fault.hpp"

namespace attnrt::emulator::amd {
namespace {

bool is_integer(std::string_view word, uint32_t& bits) {
  if (word.size() < 2 || word[0] != 'i') return false;
  bits = 0;
  for (const char c : word.substr(1)) {
    if (c < '0' || c > '9' || bits > 1024) return false;
    bits = bits * 10 + static_cast<uint32_t>(c - '0');
  }
  return bits != 0;
}
uint32_t bytes_of_float(std::string_view word) {
  return word == "half" || word == "bfloat" ? 2 : word == "float" ? 4 : word == "double" ? 8 : 0;
}
const Token& want(const Tokens& tokens, std::size_t at) {
  if (at >= tokens.size()) throw TextFault("the line ends where a type is expected");
  return tokens[at];
}
void want_mark(const Tokens& tokens, std::size_t& at, std::string_view mark) {
  if (!want(tokens, at).is(mark)) throw TextFault(say("'", tokens[at].text, "', wanted '", mark, "'"));
  ++at;
}

Type take_pointer(const Tokens& tokens, std::size_t& at) {
  Type type{"ptr", 8, Space::none, true};
  if (at >= tokens.size() || !tokens[at].is("addrspace")) return type;
  ++at;
  want_mark(tokens, at, "(");
  const std::string_view space = want(tokens, at).text;
  ++at;
  want_mark(tokens, at, ")");
  if (space == "1")
    type.space = Space::global;
  else if (space == "3")
    type.space = Space::lds;
  else if (space == "4")
    type.space = Space::constant;
  else if (space == "8")
    type = {"i128", 16, Space::resource, true};
  else
    throw TextFault(say("address space ", space, ", wanted 1, 3, 4 or 8"));
  return type;
}

}  // namespace

bool begins_type(const Tokens& tokens, std::size_t at) {
  if (at >= tokens.size()) return false;
  const Token& token = tokens[at];
  uint32_t bits = 0;
  if (token.kind == Token::mark) return token.is("<") || token.is("{") || token.is("[");
  return token.kind == Token::word &&
         (token.is("ptr") || token.is("void") || bytes_of_float(token.text) || is_integer(token.text, bits));
}

Type take_type(const Tokens& tokens, std::size_t& at) {
  const Token& token = want(tokens, at);
  ++at;
  uint32_t bits = 0;
  if (token.is("void")) return {"void", 0, Space::none, false};
  if (token.is("ptr")) return take_pointer(tokens, at);
  if (const uint32_t bytes = bytes_of_float(token.text)) return {std::string(token.text), bytes, Space::none, true};
  if (is_integer(token.text, bits)) return {std::string(token.text), bits == 1 ? 1 : bits / 8, Space::none, true};
  if (token.is("<") || token.is("[")) {
    const uint32_t count = static_cast<uint32_t>(std::strtoul(std::string(want(tokens, at).text).c_str(), nullptr, 10));
    ++at;
    want_mark(tokens, at, "x");
    const Type element = take_type(tokens, at);
    want_mark(tokens, at, token.is("<") ? ">" : "]");
    const bool packed = token.is("<") && element.text == "i1";  // bits
    return {say(token.text, count, " x ", element.text, token.is("<") ? ">" : "]"), packed ? 0 : count * element.bytes,
            Space::none, false};
  }
  if (token.is("{")) {
    Type all{"{ ", 0, Space::none, false};
    for (bool first = true; !want(tokens, at).is("}"); first = false) {
      if (!first) want_mark(tokens, at, ",");
      const Type member = take_type(tokens, at);
      all.text += (first ? "" : ", ") + member.text;
      if (member.bytes && all.bytes % member.bytes) throw TextFault("a struct with gaps");
      all.bytes += member.bytes;
    }
    ++at;
    all.text += " }";
    return all;
  }
  throw TextFault(say("'", token.text, "' is no type that is known"));
}

}  // namespace attnrt::emulator::amd
