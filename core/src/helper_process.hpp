// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <sys/types.h>

#include <filesystem>
#include <span>
#include <string>

namespace attnrt::core {

/// Starts the helper program in a process group of its own, so that `kill(-pid)` ends its children, too. It gets this
/// process's environment and, as descriptor 3, `answers`, for what it loads may print: everything else is closed or
/// /dev/null. Signals are as a new program has them. "" or the system's words. [thread-safe]
std::string start_helper(const std::filesystem::path& program, std::span<const std::string> arguments, int answers,
                         pid_t& pid);

}  // namespace attnrt::core
