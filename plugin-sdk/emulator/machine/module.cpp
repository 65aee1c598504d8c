// SPDX-License-Identifier: Apache-2.0
//
// The outermost level of a module (manual 11): directives, variables, entries.
#include "module.hpp"

#include <algorithm>
#include <cstring>

#include "assembler.hpp"
#include "fault.hpp"

namespace attnrt::emulator {
namespace {

// What an initialiser of numbers says, `bytes` for each (manual 5.4.4).
std::string read_initial(Cursor& cursor, Type type) {
  std::string bytes;
  const auto one = [&] {
    const bool negative = cursor.skip("-");
    const Token& token = cursor.take();
    if (token.kind != TokenKind::number)
      throw TextFault(say("line ", token.line, ": '", token.text, "' in an initialiser, wanted a number"));
    const uint64_t value = bits_of_literal(token.text, negative, type, token.line);
    char raw[8];
    std::memcpy(raw, &value, 8);
    bytes.append(raw, bytes_of(type));
  };
  if (!cursor.skip("{")) {
    one();
    return bytes;
  }
  if (cursor.skip("}")) return bytes;
  do one();
  while (cursor.skip(","));
  cursor.want("}");
  return bytes;
}

constexpr uint64_t kMostVariableBytes = uint64_t{1} << 30;

}  // namespace

Declaration read_declaration(Cursor& cursor) {
  Declaration result;
  const uint32_t line = cursor.peek().line;
  result.space = cursor.take().text;
  uint64_t vector = 1;
  for (; cursor.peek().kind == TokenKind::word && cursor.peek().text[0] == '.';) {
    const std::string_view word = cursor.take().text;
    if (word == ".align") {
      result.align = static_cast<uint32_t>(std::min<uint64_t>(cursor.want_unsigned(), 1u << 20));
      if (result.align == 0 || (result.align & (result.align - 1))) cursor.fail("an alignment that is a power of two");
    } else if (word == ".v2" || word == ".v4") {
      vector = word[2] == '2' ? 2 : 4;
    } else if (word == ".ptr") {  // of a parameter: what it points at
      while (cursor.at(".global") || cursor.at(".const") || cursor.at(".shared") || cursor.at(".local")) cursor.take();
      if (cursor.skip(".align")) cursor.want_unsigned();
    } else if (const Type type = type_named(word.substr(1)); type != Type::none) {
      result.type = type;
    } else {
      throw TextFault(say("line ", line, ": ", word, " in a declaration is not known"));
    }
  }
  if (bytes_of(result.type) == 0) throw TextFault(say("line ", line, ": a declaration without a type"));
  const uint64_t element = bytes_of(result.type) * vector;
  result.align = std::max(result.align, static_cast<uint32_t>(element));
  if (cursor.peek().kind != TokenKind::word) cursor.fail("a name");
  result.name = cursor.take().text;
  result.bytes = element;
  bool unsized = false;
  while (cursor.skip("[")) {
    if (cursor.skip("]")) {
      unsized = true;
      continue;
    }
    const uint64_t count = cursor.want_unsigned();
    if (count > kMostVariableBytes || result.bytes * count > kMostVariableBytes) cursor.fail("at most 1 GiB");
    result.bytes *= count;
    cursor.want("]");
  }
  if (cursor.skip("=")) {
    result.initial = read_initial(cursor, result.type);
    if (unsized) result.bytes = result.initial.size();
    if (result.initial.size() > result.bytes)
      throw TextFault(say("line ", line, ": more values than ", result.name, " has"));
    result.initial.resize(result.bytes);
  } else if (unsized) {
    result.bytes = 0;
  }
  if (cursor.at(",") && result.space != ".param") cursor.fail("one variable a declaration");
  cursor.skip(";");
  return result;
}

class ModuleReader {
 public:
  ModuleReader(Module& module, uint32_t arch, Placement& placement)
      : module_(module), placement_(placement), tokens_(tokens_of(module.source_)), cursor_(tokens_) {
    environment_.arch = arch;
    environment_.functions = find_functions(tokens_);
  }

  void run() {
    bool has_target = false;
    while (!cursor_.at_end()) {
      const Token& token = cursor_.peek();
      if (cursor_.skip(".version")) {
        cursor_.take();
      } else if (cursor_.skip(".target")) {
        has_target = true;
        do read_target();
        while (cursor_.skip(","));
      } else if (cursor_.skip(".address_size")) {
        if (cursor_.want_unsigned() != 64) cursor_.fail(".address_size 64");
      } else if (cursor_.skip(".visible") || cursor_.skip(".weak") || cursor_.skip(".extern") ||
                 cursor_.skip(".common") || cursor_.skip(";")) {
        is_external_ = token.text == ".extern";
        continue;
      } else if (cursor_.skip(".entry")) {
        read_entry();
      } else if (token.text == ".global" || token.text == ".const" || token.text == ".shared") {
        read_variable();
      } else if (cursor_.skip(".section")) {
        skip_section();
      } else if (cursor_.skip(".pragma")) {
        while (!cursor_.at_end() && !cursor_.skip(";")) cursor_.take();
      } else if (cursor_.skip(".func")) {
        skip_function(cursor_);
      } else {
        cursor_.fail("a directive at module level");
      }
      is_external_ = false;
    }
    if (!has_target) throw TextFault("line 1: the text has no .target, wanted a PTX module");
  }

 private:
  // sm_80, sm_90a, compute_...: code for a newer architecture is not for this device, and of the suffixed ones each is
  // for its own alone.
  void read_target() {
    const Token& token = cursor_.take();
    std::string_view name = token.text;
    if (name == "texmode_unified" || name == "texmode_independent" || name == "debug") return;
    if (name.substr(0, 3) != "sm_") cursor_.fail("a target such as sm_80");
    name.remove_prefix(3);
    const bool specific = !name.empty() && (name.back() == 'a' || name.back() == 'f');
    if (specific) name.remove_suffix(1);
    uint64_t arch = 0;
    if (!read_integer(name, arch)) cursor_.fail("a target such as sm_80");
    if (arch > environment_.arch || (specific && arch != environment_.arch))
      throw TextFault(
          say("line ", token.line, ": the module is for ", token.text, ", the device is sm_", environment_.arch));
  }

  void read_entry() {
    auto kernel = std::make_unique<Kernel>();
    kernel->name = std::string(cursor_.take().text);
    if (cursor_.skip("(") && !cursor_.skip(")")) {
      do read_parameter(*kernel);
      while (cursor_.skip(","));
      cursor_.want(")");
    }
    if (kernel->parameter_bytes > 32764) cursor_.fail("at most 32764 bytes of parameters");
    while (!cursor_.at("{")) read_performance_directive(*kernel);
    cursor_.want("{");
    Assembler(*kernel, environment_).read_body(cursor_);
    module_.kernels_.push_back(std::move(kernel));
  }

  void read_parameter(Kernel& kernel) {
    if (!cursor_.at(".param")) cursor_.fail(".param");
    const Declaration declaration = read_declaration(cursor_);
    const uint32_t offset = (kernel.parameter_bytes + declaration.align - 1) / declaration.align * declaration.align;
    if (declaration.bytes > 32764) cursor_.fail("at most 32764 bytes of parameters");
    kernel.parameters.push_back({std::string(declaration.name), offset, static_cast<uint32_t>(declaration.bytes)});
    kernel.parameter_bytes = offset + static_cast<uint32_t>(declaration.bytes);
  }

  void read_performance_directive(Kernel& kernel) {
    const Token& token = cursor_.take();
    uint64_t values[3] = {1, 1, 1};
    const auto read = [&] {
      int at = 0;
      do values[at++] = cursor_.want_unsigned();
      while (at < 3 && cursor_.skip(","));
    };
    if (token.text == ".maxntid" || token.text == ".reqntid") {
      read();
      if (values[0] > 1024 || values[1] > 1024 || values[2] > 1024) cursor_.fail("at most 1024 threads");
      const bool required = token.text == ".reqntid";
      kernel.most_threads = static_cast<uint32_t>(std::min<uint64_t>(values[0] * values[1] * values[2], 1024));
      for (int i = 0; i < 3 && required; ++i) kernel.required_threads[i] = static_cast<uint32_t>(values[i]);
    } else if (token.text == ".minnctapersm" || token.text == ".maxnreg" || token.text == ".maxnctapersm") {
      read();
    } else if (token.text == ".pragma") {
      while (!cursor_.at_end() && !cursor_.skip(";")) cursor_.take();
    } else {
      throw TextFault(say("line ", token.line, ": '", token.text, "' in front of a kernel's body is not known"));
    }
  }

  void read_variable() {
    const uint32_t line = cursor_.peek().line;
    const Declaration declaration = read_declaration(cursor_);
    if (declaration.space == ".shared") {
      environment_.shared.push_back(declaration);
      return;
    }
    if (!declaration.bytes || is_external_)
      throw TextFault(
          say("line ", line, ": ", declaration.name, " is defined in another module, wanted one that stands alone"));
    std::string initial = declaration.initial;
    initial.resize(declaration.bytes);  // variables without an initialiser are zero
    const uint64_t address =
        placement_.place(std::string(declaration.name), declaration.bytes, declaration.align, initial);
    environment_.globals[std::string(declaration.name)] = address;
    module_.variables_.push_back({std::string(declaration.name), address, declaration.bytes, std::move(initial)});
  }

  // Debug information.
  void skip_section() {
    while (!cursor_.at_end() && !cursor_.at("{")) cursor_.take();
    int depth = 0;
    do {
      if (cursor_.at_end()) cursor_.fail("'}' at the end of a section");
      const std::string_view text = cursor_.take().text;
      depth += text == "{" ? 1 : text == "}" ? -1 : 0;
    } while (depth);
  }

  Module& module_;
  Placement& placement_;
  std::vector<Token> tokens_;
  Cursor cursor_;
  Environment environment_;
  bool is_external_ = false;
};

Module::Module(std::string source, uint32_t arch, Placement& placement) : source_(std::move(source)) {
  ModuleReader(*this, arch, placement).run();
}

const Kernel* Module::kernel(std::string_view name) const {
  for (const auto& kernel : kernels_)
    if (kernel->name == name) return kernel.get();
  return nullptr;
}

std::string_view Module::line(uint32_t number) const {
  std::string_view rest = source_;
  for (uint32_t i = 1; i < number && !rest.empty(); ++i) take_word(rest, '\n');
  std::string_view line = take_word(rest, '\n');
  while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
  while (!line.empty() && (line.back() == ' ' || line.back() == '\r')) line.remove_suffix(1);
  return line;
}

Coverage coverage_of(const Kernel& kernel) {
  Coverage coverage;
  for (std::size_t i = 0; i + 1 < kernel.code.size(); ++i) {  // the last one is the end of the body
    ++coverage.instructions;
    if (kernel.executed[i].load(std::memory_order_relaxed))
      ++coverage.executed;
    else
      coverage.missed_lines.push_back(kernel.code[i].line);
    const uint64_t wavefronts = kernel.wavefronts[i].load(std::memory_order_relaxed),
                   ideal = kernel.ideal_wavefronts[i].load(std::memory_order_relaxed);
    coverage.wavefronts += wavefronts;
    coverage.ideal_wavefronts += ideal;
    if (wavefronts > ideal) coverage.conflicts.push_back({kernel.code[i].line, wavefronts, ideal});
  }
  return coverage;
}

}  // namespace attnrt::emulator
