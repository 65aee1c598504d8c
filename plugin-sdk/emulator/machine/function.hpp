// SPDX-License-Identifier: Apache-2.0
//
// Functions of a module (manual 11.1.2, .func). A call is assembled as the function's body in the caller's code, with
// the names of its parameters bound to the caller's: lanes part and meet there as anywhere. So there is no recursion.
#ifndef ATTNRT_EMULATOR_FUNCTION_HPP
#define ATTNRT_EMULATOR_FUNCTION_HPP
#include <map>
#include <string_view>
#include <vector>

#include "text.hpp"

namespace attnrt::emulator {

struct DeviceFunction {
  std::vector<std::string_view> results, parameters;
  const Token* body = nullptr;  ///< behind its opening brace; NULL = a prototype alone
};
using Functions = std::map<std::string_view, DeviceFunction>;

/// Finds the functions of a module, wherever it defines them. Throws TextFault.
Functions find_functions(const std::vector<Token>& tokens);
/// Steps over a function at module level; the cursor is behind `.func`.
void skip_function(Cursor& cursor);

/// How deep calls go, how many a kernel has, and how many instructions with all of them: the limits of a text that is
/// read.
constexpr std::size_t kDeepestCall = 32, kMostCalls = 4096, kMostInstructions = std::size_t{1} << 18;

}  // namespace attnrt::emulator
#endif
