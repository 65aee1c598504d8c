// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "attnrt/flex/program.hpp"

namespace attnrt::core {

/// A program as text that parse_flex() reads back to the same program: buffers, a `let` for each part that is used more
/// than once, mask and score. [thread-safe]
std::string print_flex(const flex::Program& program);

}  // namespace attnrt::core
