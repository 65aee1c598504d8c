// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

#include "../result.hpp"

namespace attnrt::core {

/// The bytes of a regular file of at most `limit` bytes. Whatever else the path names (a FIFO, a device, a folder) is
/// refused at once: nothing waits and nothing without an end is read. [thread-safe]
Result<std::string> read_regular_file(const std::filesystem::path& file, uint64_t limit);
/// The same of a descriptor that is open for reading; `name` stands in the sentence.
Result<std::string> read_regular_file(int descriptor, const std::string& name, uint64_t limit);

}  // namespace attnrt::core
