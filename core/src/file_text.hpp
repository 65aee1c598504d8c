// SPDX-License-Identifier: Apache-2.0
//
// Whole files of the kernel's (/proc, /sys) by the system's calls. The streams of the standard library ask the global C++
// locale, which is the host's: it is behind a lock that a forked child may find held, and it may write numbers with
// separators. Files that a user can name are read by regular_file.hpp, which has limits.
#pragma once
#include <filesystem>
#include <optional>
#include <string>

namespace attnrt::core {

/// The bytes of a file; empty where it cannot be read. [thread-safe]
std::optional<std::string> read_text(const std::filesystem::path& file);

}  // namespace attnrt::core
