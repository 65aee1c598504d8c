// SPDX-License-Identifier: Apache-2.0
#include "lowering.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <string_view>

#include "fault.hpp"
#include "intrinsic.hpp"
#include "literal.hpp"
#include "service.hpp"
#include "value_type.hpp"

namespace attnrt::emulator::amd {
namespace {

// Instructions that mean on this CPU what they mean on the device; the others have code of their own below.
constexpr std::string_view kPlain[] = {"ret",           "br",
                                       "switch",        "phi",
                                       "select",        "freeze",
                                       "icmp",          "fcmp",
                                       "add",           "sub",
                                       "mul",           "shl",
                                       "lshr",          "ashr",
                                       "and",           "or",
                                       "xor",           "fadd",
                                       "fsub",          "fmul",
                                       "fdiv",          "fneg",
                                       "trunc",         "zext",
                                       "sext",          "fptrunc",
                                       "fpext",         "fptosi",
                                       "fptoui",        "sitofp",
                                       "uitofp",        "bitcast",
                                       "ptrtoint",      "inttoptr",
                                       "getelementptr", "extractelement",
                                       "insertelement", "shufflevector",
                                       "extractvalue",  "insertvalue",
                                       "unreachable"};

// Attributes of results and arguments that say nothing to this CPU.
bool is_attribute(std::string_view word) {
  static constexpr std::string_view known[] = {
      "inreg",   "noundef", "nofree",   "readonly",  "writeonly", "readnone",        "noalias",
      "nonnull", "immarg",  "signext",  "zeroext",   "captures",  "dereferenceable", "dereferenceable_or_null",
      "range",   "align",   "returned", "nocapture", "convergent"};
  return std::find(std::begin(known), std::end(known), word) != std::end(known);
}
bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}
bool is_float_type(std::string_view word) { return is_one_of(word, {"half", "bfloat", "float", "double"}); }

class Lowering {
 public:
  Lowering(const std::string& source, const KernelInfo& kernel) : source_(source), kernel_(kernel) {}
  Lowered run();

 private:
  void line(std::string_view text);
  void outside(const Tokens& tokens, std::string_view text);
  void define(const Tokens& tokens);
  void instruction(Tokens tokens);
  void load(const Tokens& tokens, std::size_t at, const std::string& result);
  void store(const Tokens& tokens, std::size_t at);
  void call(const Tokens& tokens, std::size_t at, const std::string& result);
  void division(const Tokens& tokens, std::size_t at, const std::string& result);
  void divide(std::string_view opcode, const Type& type, const std::string& dividend, const std::string& divisor,
              const std::string& result);

  struct Operand {
    Type type;
    std::string text;
  };
  Operand operand(const Tokens& tokens, std::size_t begin, std::size_t end);
  void call_machine(const Rule& rule, const Type& type, const std::vector<Operand>& operands,
                    const std::string& result);
  bool call_special(std::string_view name, const Type& type, const std::vector<Operand>& operands,
                    const std::string& result);
  void call_buffer(bool writes, const Type& type, const std::vector<Operand>& operands, const std::string& result);

  /// Tokens in the text of this CPU.
  std::string plain(const Tokens& tokens, std::size_t begin, std::size_t end) const;
  static std::string local(std::string_view name);
  /// A call of the table: "%fn.4(" is ready for arguments.
  std::string service(Service which, const char* result);
  std::string fresh() { return say("%x", next_++); }
  std::string site(uint32_t bytes, uint32_t alignment, const Rule* rule = nullptr);
  template <class... Args>
  void put(const Args&... args) {
    body_ += say("  ", args..., "\n");
  }

  const std::string& source_;
  const KernelInfo& kernel_;
  uint32_t line_ = 0, next_ = 0;
  bool in_switch_ = false;
  enum { before, inside, after } place_ = before;
  std::string body_, head_;
  std::set<std::string> declared_;
  std::vector<Site> sites_;
};

std::string Lowering::local(std::string_view name) {
  // Unnamed values are numbered in the order of the text, which changes here. Names of the lowering's own begin
  // otherwise.
  if (name.size() < 2 || name[1] == '"') throw TextFault("a quoted name");
  return "%s." + std::string(name.substr(1));
}

std::string Lowering::plain(const Tokens& tokens, std::size_t begin, std::size_t end) const {
  std::string out;
  std::string_view float_type;
  for (std::size_t i = begin; i < end;) {
    const Token& token = tokens[i];
    std::string text;
    if (token.is("ptr")) {
      text = take_type(tokens, i).text;
    } else if (token.is("void")) {
      text = "void";
      ++i;
    } else if (token.is("addrspace")) {
      throw TextFault("an address space where none is expected");
    } else if (token.kind == Token::attribute || is_attribute(token.text)) {
      ++i;
      if (i < end && tokens[i].is("(")) i = behind_closing(tokens, i);
      continue;
    } else if (token.kind == Token::number && !float_type.empty() &&
               token.text.find_first_not_of("0123456789-") != std::string_view::npos) {
      text = literal_of(float_type, token.text);
      ++i;
    } else if (token.kind == Token::global) {
      if (!token.is("@global_smem")) throw TextFault(say(token.text, " is no variable that is known"));
      text = say("inttoptr (i64 ", kLdsBase, " to ptr)");
      ++i;
    } else if (token.kind == Token::local) {
      text = local(token.text);
      ++i;
    } else {
      if (is_float_type(token.text)) float_type = token.text;
      text = token.text;
      ++i;
    }
    const bool close = text == "," || text == ")" || text == ">" || text == "]" || text == ":";
    if (!out.empty() && !close) out += ' ';
    out += text;
  }
  return out;
}

std::string Lowering::service(Service which, const char* result) {
  const std::string function = fresh();
  put(function, " = load ptr, ptr getelementptr (i8, ptr @", kServiceTable, ", i64 ", 8 * static_cast<uint32_t>(which),
      ")");
  return say("call ", result, " ", function, "(ptr %lane");
}

std::string Lowering::site(uint32_t bytes, uint32_t alignment, const Rule* rule) {
  sites_.push_back({rule, line_, bytes, alignment});
  return say("i32 ", sites_.size() - 1);
}

// Module level: what is known, and the beginning of the kernel.
void Lowering::outside(const Tokens& tokens, std::string_view text) {
  const Token& first = tokens[0];
  if (first.is("define")) return define(tokens);
  if (first.is("target")) {
    if (tokens.size() > 3 && tokens[1].is("triple") && tokens[3].text.find("amdgpu") == std::string_view::npos &&
        tokens[3].text.find("amdgcn") == std::string_view::npos)
      throw TextFault(say("a module for ", tokens[3].text, ", wanted one for AMD's devices"));
    return;
  }
  if (first.is("source_filename") || first.is("declare") || first.is("attributes") || first.kind == Token::metadata)
    return;
  if (first.is("@global_smem") && text.find("external") != std::string_view::npos &&
      text.find("addrspace(3)") != std::string_view::npos)
    return;
  throw TextFault(say("'", first.text, "' is not known here"));
}

void Lowering::define(const Tokens& tokens) {
  if (place_ != before) throw TextFault("a second function, wanted a kernel alone");
  std::size_t at = 1;
  if (!tokens[at].is("amdgpu_kernel")) throw TextFault("a function that is no kernel");
  ++at;
  take_type(tokens, at);
  if (at >= tokens.size() || tokens[at].text != "@" + kernel_.name)
    throw TextFault(
        say("the kernel is ", tokens[std::min(at, tokens.size() - 1)].text, ", the code object's is ", kernel_.name));
  const std::size_t open = ++at, close = behind_closing(tokens, open) - 1;
  std::size_t index = 0, unnamed = 0;
  for (at = open + 1; at < close; ++index) {
    std::size_t end = at;
    while (end < close && !tokens[end].is(","))
      end = tokens[end].kind == Token::mark && tokens[end].text.find_first_of("(<[{") == 0 ? behind_closing(tokens, end)
                                                                                           : end + 1;
    const Type type = take_type(tokens, at);
    const Token& name = tokens[end - 1];
    if (name.kind != Token::local || !type.scalar) throw TextFault("a parameter that is not understood");
    if (index >= kernel_.parameters.size() || kernel_.parameters[index].bytes != type.bytes)
      throw TextFault(say("parameter ", index, " has ", type.bytes, " bytes, another number than in the code object"));
    const std::string place = fresh();
    put(place, " = getelementptr i8, ptr %arguments, i64 ", kernel_.parameters[index].offset);
    unnamed += name.text[1] >= '0' && name.text[1] <= '9';
    put(local(name.text), " = load ", type.text, ", ptr ", place);
    at = end + 1;
  }
  if (index != kernel_.parameters.size())
    throw TextFault(say(index, " parameters, the code object has ", kernel_.parameters.size()));
  // The block that the text leaves without a label has the number that follows those of the parameters.
  body_ += say("  br label %s.", unnamed, "\ns.", unnamed, ":\n");
  place_ = inside;
}

void Lowering::line(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos || text[first] == ';') return;
  if (place_ != inside && (text[first] == '!' || text.substr(0, 10) == "attributes")) return;
  Tokens tokens = tokens_of(text);
  if (tokens.empty()) return;
  if (place_ != inside) return outside(tokens, text);
  if (tokens[0].is("}")) {
    place_ = after;
    return;
  }
  if (tokens.size() == 2 && tokens[1].is(":")) {
    body_ += say("s.", tokens[0].text, ":\n");
    return;
  }
  if (in_switch_) {  // "i32 5, label %9" up to "]"
    in_switch_ = !tokens.back().is("]");
    return put(plain(tokens, 0, tokens.size()));
  }
  instruction(std::move(tokens));
}

void Lowering::instruction(Tokens tokens) {
  for (std::size_t i = 1; i < tokens.size(); ++i)  // ", !amdgpu.noclobber !4" and what follows
    if (tokens[i].kind == Token::metadata && tokens[i - 1].is(",")) {
      tokens.resize(i - 1);
      break;
    }
  std::string result;
  std::size_t at = 0;
  if (tokens.size() > 2 && tokens[0].kind == Token::local && tokens[1].is("=")) {
    result = local(tokens[0].text);
    at = 2;
  }
  const std::string_view opcode = tokens[at].text;
  if (opcode == "load") return load(tokens, at + 1, result);
  if (opcode == "store") return store(tokens, at + 1);
  if (is_one_of(opcode, {"tail", "musttail", "notail"})) return call(tokens, at + 2, result);
  if (opcode == "call") return call(tokens, at + 1, result);
  if (is_one_of(opcode, {"sdiv", "udiv", "srem", "urem"})) return division(tokens, at, result);
  if (opcode == "fence") return;  // lanes run one at a time; order between waves is the barriers' affair
  if (std::find(std::begin(kPlain), std::end(kPlain), opcode) == std::end(kPlain))
    throw TextFault(say("instruction '", opcode, "' is not known to the emulator"));
  in_switch_ = opcode == "switch" && !tokens.back().is("]");
  if (result.empty())
    put(plain(tokens, at, tokens.size()));
  else
    put(result, " = ", plain(tokens, at, tokens.size()));
}

Lowering::Operand Lowering::operand(const Tokens& tokens, std::size_t begin, std::size_t end) {
  std::size_t at = begin;
  Operand out;
  out.type = take_type(tokens, at);
  // With its type, for that of constants; attributes fall away.
  const std::string whole = plain(tokens, begin, end), type = plain(tokens, begin, at);
  out.text = whole.substr(std::min(whole.size(), type.size() + 1));
  if (out.text.empty()) throw TextFault("an operand is missing");
  return out;
}

namespace {

/// ", align 16" at the end.
uint32_t alignment_of(const Tokens& tokens) {
  const std::size_t n = tokens.size();
  if (n < 2 || !tokens[n - 2].is("align")) return 1;
  return static_cast<uint32_t>(std::strtoul(std::string(tokens[n - 1].text).c_str(), nullptr, 10));
}
/// The place of the next "," that is in no bracket, or `end`.
std::size_t next_comma(const Tokens& tokens, std::size_t at, std::size_t end) {
  while (at < end && !tokens[at].is(","))
    at = tokens[at].kind == Token::mark && tokens[at].text.find_first_of("(<[{") == 0 ? behind_closing(tokens, at)
                                                                                      : at + 1;
  return at;
}

}  // namespace

void Lowering::load(const Tokens& tokens, std::size_t at, const std::string& result) {
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

void Lowering::store(const Tokens& tokens, std::size_t at) {
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
void Lowering::division(const Tokens& tokens, std::size_t at, const std::string& result) {
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

void Lowering::divide(std::string_view opcode, const Type& type, const std::string& dividend,
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

void Lowering::call(const Tokens& tokens, std::size_t at, const std::string& result) {
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
bool Lowering::call_special(std::string_view name, const Type& type, const std::vector<Operand>& operands,
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

void Lowering::call_buffer(bool writes, const Type& type, const std::vector<Operand>& operands,
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
void Lowering::call_machine(const Rule& rule, const Type& type, const std::vector<Operand>& operands,
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

Lowered Lowering::run() {
  for (std::size_t at = 0; at < source_.size();) {
    const std::size_t end = std::min(source_.find('\n', at), source_.size());
    ++line_;
    try {
      line(std::string_view(source_).substr(at, end - at));
    } catch (const TextFault& fault) {
      throw TextFault(say("line ", line_, ": ", fault.what()));
    }
    at = end + 1;
  }
  if (place_ != after)
    throw TextFault(place_ == before ? say("the text defines no kernel ", kernel_.name) : "the kernel does not end");
  Lowered out;
  out.sites = std::move(sites_);
  out.text = say("target triple = \"x86_64-pc-linux-gnu\"\n@", kServiceTable, " = global [",
                 static_cast<uint32_t>(Service::count), " x ptr] zeroinitializer\n");
  for (const std::string& one : declared_) out.text += one;
  // What the compiler calls for conversions to bfloat, by rounding to nearest, ties to even; libgcc has it from 13 on.
  out.text +=
      "define internal bfloat @__truncsfbf2(float %x) {\n  %bits = bitcast float %x to i32\n  %nan = fcmp uno float "
      "%x, %x\n"
      "  %odd = lshr i32 %bits, 16\n  %last = and i32 %odd, 1\n  %half = add i32 %last, 32767\n  %up = add i32 %bits, "
      "%half\n"
      "  %quiet = or i32 %bits, 4194304\n  %chosen = select i1 %nan, i32 %quiet, i32 %up\n  %high = lshr i32 %chosen, "
      "16\n"
      "  %low = trunc i32 %high to i16\n  %result = bitcast i16 %low to bfloat\n  ret bfloat %result\n}\n"
      "@llvm.used = appending global [1 x ptr] [ptr @__truncsfbf2], section \"llvm.metadata\"\n";
  out.text +=
      say("define void @attnrt_kernel(ptr %lane, ptr %arguments) nounwind {\n  %in = alloca [",
          kOperandBytes * kMostOperands, " x i8], align 64\n  %out = alloca [128 x i8], align 64\n", body_, "}\n");
  return out;
}

}  // namespace

Lowered lower(const std::string& source, const KernelInfo& kernel) { return Lowering(source, kernel).run(); }

}  // namespace attnrt::emulator::amd
