// SPDX-License-Identifier: Apache-2.0
//
// Calls of functions: of llvm.amdgcn, and of llvm itself.
#include <algorithm>
#include <iterator>
#include <map>

#include "translator.hpp"

namespace attnrt::emulator::amd {

void Translator::call(const Tokens& tokens, std::size_t at, const std::string& result) {
  while (at < tokens.size() && !begins_type(tokens, at))
    at = at + 1 < tokens.size() && tokens[at + 1].is("(") ? behind_closing(tokens, at + 1) : at + 1;
  const Type type = take_type(tokens, at);
  if (at + 1 >= tokens.size() || tokens[at].kind != Token::global || !tokens[at + 1].is("("))
    throw TextFault("a call of what is no function's name");
  const std::string_view name = tokens[at].text.substr(1);
  const std::size_t close = behind_closing(tokens, at + 1) - 1;
  std::vector<Operand> operands;
  for (std::size_t begin = at + 2; begin < close;) {
    const std::size_t end = next_comma(tokens, begin, close);
    operands.push_back(operand(tokens, begin, end));
    begin = end + 1;
  }
  constexpr std::string_view own = "llvm.amdgcn.";
  if (name.substr(0, own.size()) == own) {
    const std::string_view rest = name.substr(own.size());
    if (call_special(rest, type, operands, result)) return;
  }
  if (const Rule* const rule = rule_of(name)) return call_machine(*rule, type, operands, result);
  if (is_plain_function(name)) {
    std::string types, values;
    for (const Operand& one : operands) {
      types += (types.empty() ? "" : ", ") + one.type.text;
      values += (values.empty() ? "" : ", ") + one.type.text + " " + one.text;
    }
    declared_.insert(say("declare ", type.text, " @", name, "(", types, ")\n"));
    put(result.empty() ? "" : result + " = ", "call ", type.text, " @", name, "(", values, ")");
    return;
  }
  throw TextFault(say("function ", name, " is not known to the emulator"));
}

// Functions that need no operands in memory.
bool Translator::call_special(std::string_view name, const Type& type, const std::vector<Operand>& operands,
                              const std::string& result) {
  static const std::map<std::string_view, Position> positions = {{"workitem.id.x", Position::lane},
                                                                 {"workgroup.id.x", Position::group_x},
                                                                 {"workgroup.id.y", Position::group_y},
                                                                 {"workgroup.id.z", Position::group_z},
                                                                 {"implicitarg.ptr", Position::implicit_arguments}};
  if (const auto found = positions.find(name); found != positions.end()) {
    const std::string value = fresh();
    put(value, " = ", service(Service::position, "i64"), ", i32 ", static_cast<uint32_t>(found->second), ")");
    put(result, type.text == "ptr" ? " = inttoptr i64 " : " = trunc i64 ", value, " to ", type.text);
    return true;
  }
  if (name == "workitem.id.y" || name == "workitem.id.z") {
    put(result, " = add i32 0, 0");
    return true;
  }
  if (name == "exp2.f32") {
    put(result, " = ", service(Service::exp2, "float"), ", float ", operands.at(0).text, ")");
    return true;
  }
  if (is_one_of(name, {"sched.barrier", "sched.group.barrier", "s.setprio", "iglp.opt", "s.waitcnt", "s.sleep"}))
    return true;  // time alone
  constexpr std::string_view load = "raw.ptr.buffer.load.", store = "raw.ptr.buffer.store.";
  if (name.substr(0, load.size()) == load && name.find("lds") == std::string_view::npos) {
    call_buffer(false, type, operands, result);
    return true;
  }
  if (name.substr(0, store.size()) == store) {
    call_buffer(true, type, operands, result);
    return true;
  }
  return false;
}

void Translator::call_buffer(bool writes, const Type& type, const std::vector<Operand>& operands,
                             const std::string& result) {
  const Operand* at = operands.data();
  if (operands.size() != (writes ? 5u : 4u))
    throw TextFault("a buffer access with another number of operands than is known");
  const Operand* const value = writes ? at++ : nullptr;
  const Type& data = writes ? value->type : type;
  if (!data.bytes || at[0].type.space != Space::resource) throw TextFault("a buffer access that is not understood");
  const std::string host = fresh();
  put("store i128 ", at[0].text, ", ptr %in, align 1");
  put(host, " = ", service(writes ? Service::write_buffer : Service::read_buffer, "ptr"), ", ptr %in, i32 ", at[1].text,
      ", i32 ", at[2].text, ", ", site(data.bytes, 1), ")");
  if (writes)
    put("store ", data.text, " ", value->text, ", ptr ", host, ", align 1");
  else
    put(result, " = load ", data.text, ", ptr ", host, ", align 1");
}

// Operands and result go through memory, for no calling convention passes all their types.
void Translator::call_machine(const Rule& rule, const Type& type, const std::vector<Operand>& operands,
                              const std::string& result) {
  if (operands.size() > kMostOperands) throw TextFault("a function of too many operands");
  for (std::size_t i = 0; i < operands.size(); ++i) {
    if (!operands[i].type.bytes || operands[i].type.bytes > kOperandBytes)
      throw TextFault(say("an operand of type ", operands[i].type.text));
    std::string place = "%in";
    if (i) {
      place = fresh();
      put(place, " = getelementptr i8, ptr %in, i64 ", i * kOperandBytes);
    }
    const bool bit = operands[i].type.text == "i1";
    std::string value = operands[i].text;
    if (bit) {
      value = fresh();
      put(value, " = zext i1 ", operands[i].text, " to i8");
    }
    put("store ", bit ? "i8" : operands[i].type.text, " ", value, ", ptr ", place, ", align 1");
  }
  const uint32_t bytes = operands.empty() ? 0 : operands[0].type.bytes;
  put(service(Service::call, "void"), ", ", site(bytes, 1, &rule), ", ptr %in, ptr %out)");
  if (!result.empty()) put(result, " = load ", type.text, ", ptr %out, align 1");
}

}  // namespace attnrt::emulator::amd
