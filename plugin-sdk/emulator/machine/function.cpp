// SPDX-License-Identifier: Apache-2.0
#include "function.hpp"

#include <utility>

#include "assembler.hpp"
#include "fault.hpp"
#include "memory_map.hpp"

namespace attnrt::emulator {
namespace {

std::vector<std::string_view> read_parameters(Cursor& cursor) {
  std::vector<std::string_view> names;
  if (!cursor.skip("(") || cursor.skip(")")) return names;
  do {
    if (!cursor.at(".param")) cursor.fail(".param; functions with registers as parameters are not known");
    names.push_back(read_declaration(cursor).name);
  } while (cursor.skip(","));
  cursor.want(")");
  return names;
}

// (result) name (parameters) attributes
std::string_view read_head(Cursor& cursor, DeviceFunction& function) {
  if (cursor.skip(".attribute")) cursor.fail("a function without .attribute");
  function.results = read_parameters(cursor);
  if (cursor.peek().kind != TokenKind::word) cursor.fail("the name of a function");
  const std::string_view name = cursor.take().text;
  function.parameters = read_parameters(cursor);
  while (cursor.skip(".noreturn")) {
  }
  return name;
}

void skip_body(Cursor& cursor) {
  for (int depth = 1; depth;) {
    if (cursor.at_end()) cursor.fail("'}' at the end of a function");
    const std::string_view text = cursor.take().text;
    depth += text == "{" ? 1 : text == "}" ? -1 : 0;
  }
}

}  // namespace

void skip_function(Cursor& cursor) {
  DeviceFunction function;
  read_head(cursor, function);
  if (cursor.skip(";")) return;
  cursor.want("{");
  skip_body(cursor);
}

Functions find_functions(const std::vector<Token>& tokens) {
  Functions functions;
  int depth = 0;
  for (Cursor cursor(tokens); !cursor.at_end();) {
    if (depth == 0 && cursor.skip(".func")) {
      DeviceFunction function;
      const std::string_view name = read_head(cursor, function);
      if (cursor.skip("{")) {
        function.body = &cursor.peek();
        skip_body(cursor);
        functions[name] = function;
      } else {
        functions.emplace(name, function);
      }
      continue;
    }
    const std::string_view text = cursor.take().text;
    depth += text == "{" ? 1 : text == "}" ? -1 : 0;
  }
  return functions;
}

// call{.uni} (results), name, (parameters);
void Assembler::read_call(Cursor& cursor, uint32_t line) {
  const auto read_names = [&] {
    std::vector<std::string_view> names;
    cursor.want("(");
    do names.push_back(cursor.take().text);
    while (cursor.skip(","));
    cursor.want(")");
    return names;
  };
  std::vector<std::string_view> results, parameters;
  if (cursor.at("(")) {
    results = read_names();
    cursor.want(",");
  }
  const std::string_view name = cursor.take().text;
  if (cursor.skip(",")) {
    if (!cursor.at("(")) cursor.fail("the parameters of a call; calls through pointers are not known");
    parameters = read_names();
  }
  if (!cursor.at(";")) cursor.fail("';' behind a call; calls through pointers are not known");

  const auto found = environment_.functions.find(name);
  if (found == environment_.functions.end()) throw TextFault(say("line ", line, ": there is no function ", name));
  const DeviceFunction& function = found->second;
  if (name == "__assertfail") return emit_assertion(line);
  if (!function.body) throw TextFault(say("line ", line, ": function ", name, " is defined in no module that is here"));
  if (results.size() != function.results.size() || parameters.size() != function.parameters.size())
    throw TextFault(say("line ", line, ": a call of ", name, " with ", parameters.size(), " parameters and ",
                        results.size(), " results, wanted ", function.parameters.size(), " and ",
                        function.results.size()));
  if (calls_.size() >= kDeepestCall || ++num_calls_ > kMostCalls || kernel_.code.size() > kMostInstructions)
    throw TextFault(say("line ", line, ": calls of ", name, " are too deep or too many; recursion is not known"));

  Scope scope;
  const auto bind = [&](std::string_view inside, std::string_view outside) {
    uint64_t address = 0;
    if (!find_symbol(outside, address) || address < kLocalWindow)
      throw TextFault(say("line ", line, ": ", outside, " is no .param of this scope, wanted one"));
    scope.symbols[inside] = address;
  };
  for (std::size_t i = 0; i < results.size(); ++i) bind(function.results[i], results[i]);
  for (std::size_t i = 0; i < parameters.size(); ++i) bind(function.parameters[i], parameters[i]);
  // The body sees the module's names and its own.
  const auto own = static_cast<uint32_t>(scopes_.size());
  scopes_.push_back(std::move(scope));
  calls_.push_back(std::exchange(open_, {own}));
  Cursor body(function.body);
  read_block(body);
  scopes_[own].labels[kReturn] = static_cast<uint32_t>(kernel_.code.size());
  open_ = std::move(calls_.back());
  calls_.pop_back();
}

void Assembler::emit_assertion(uint32_t line) {
  Assembly assembly(*this, line);
  first_reference_ = program_.references.size();
  assembly.in.run = [](Warp&, const Instruction&, uint32_t) {
    throw Fault(Answer::launch_failed, "an assertion of the kernel failed");
  };
  emit(assembly, {});
}

}  // namespace attnrt::emulator
