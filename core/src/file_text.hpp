// SPDX-License-Identifier: Apache-2.0
//
// Whole files by the system's calls. The streams of the standard library ask the global C++ locale, which is the
// host's: it is behind a lock that a forked child may find held, and it may write numbers with separators.
#pragma once
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace attnrt::core {

/// The bytes of a file; empty where it cannot be read. [thread-safe]
std::optional<std::string> read_text(const std::filesystem::path& file);

/// Hands over the bytes of a file piece by piece; false where it cannot be read to its end. [thread-safe]
bool read_pieces(const std::filesystem::path& file, const std::function<void(std::string_view)>& take);

/// Makes or replaces a file; false where it could not be written whole. [thread-safe]
bool write_text(const std::filesystem::path& file, const std::string& text);

}  // namespace attnrt::core
