// SPDX-License-Identifier: Apache-2.0
#include "lowering.hpp"

#include <algorithm>
#include <iterator>

#include "literal.hpp"
#include "translator.hpp"

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
bool is_float_type(std::string_view word) { return is_one_of(word, {"half", "bfloat", "float", "double"}); }

}  // namespace

std::size_t next_comma(const Tokens& tokens, std::size_t at, std::size_t end) {
  while (at < end && !tokens[at].is(","))
    at = tokens[at].kind == Token::mark && tokens[at].text.find_first_of("(<[{") == 0 ? behind_closing(tokens, at)
                                                                                      : at + 1;
  return at;
}

std::string Translator::local(std::string_view name) {
  // Unnamed values are numbered in the order of the text, which changes here. Names of the lowering's own begin
  // otherwise.
  if (name.size() < 2 || name[1] == '"') throw TextFault("a quoted name");
  return "%s." + std::string(name.substr(1));
}

std::string Translator::plain(const Tokens& tokens, std::size_t begin, std::size_t end) const {
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

std::string Translator::service(Service which, const char* result) {
  const std::string function = fresh();
  put(function, " = load ptr, ptr getelementptr (i8, ptr @", kServiceTable, ", i64 ", 8 * static_cast<uint32_t>(which),
      ")");
  return say("call ", result, " ", function, "(ptr %lane");
}

std::string Translator::site(uint32_t bytes, uint32_t alignment, const Rule* rule) {
  sites_.push_back({rule, line_, bytes, alignment});
  return say("i32 ", sites_.size() - 1);
}

// Module level: what is known, and the beginning of the kernel.
void Translator::outside(const Tokens& tokens, std::string_view text) {
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

void Translator::define(const Tokens& tokens) {
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

void Translator::line(std::string_view text) {
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

void Translator::instruction(Tokens tokens) {
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

Translator::Operand Translator::operand(const Tokens& tokens, std::size_t begin, std::size_t end) {
  std::size_t at = begin;
  Operand out;
  out.type = take_type(tokens, at);
  // With its type, for that of constants; attributes fall away.
  const std::string whole = plain(tokens, begin, end), type = plain(tokens, begin, at);
  out.text = whole.substr(std::min(whole.size(), type.size() + 1));
  if (out.text.empty()) throw TextFault("an operand is missing");
  return out;
}

Lowered Translator::run() {
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

Lowered lower(const std::string& source, const KernelInfo& kernel) { return Translator(source, kernel).run(); }

}  // namespace attnrt::emulator::amd
