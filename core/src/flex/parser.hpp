// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "../result.hpp"
#include "attnrt/flex/program.hpp"

namespace attnrt::core {

/// Reads a program's text, the language of docs/flex.md, or its canonical form, which begins with '{'. `declared`:
/// buffers beside those that the text declares. Error: INVALID, "NAME:LINE:COLUMN: ..." with what was seen and what was
/// wanted. [thread-safe]
Result<flex::Program> parse_flex(std::string_view text, const std::string& name, std::vector<flex::Buffer> declared);

/// Reads a declaration as the command line takes it: "doc=i32[num_tokens]". [thread-safe]
Result<flex::Buffer> parse_flex_buffer(std::string_view text, const std::string& name);

}  // namespace attnrt::core
