// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_CLI_REGULAR_FILE_HPP
#define ATTNRT_CLI_REGULAR_FILE_HPP
#include <cstdint>
#include <string>

namespace attnrt::cli {

/// The bytes of a regular file of at most `limit` bytes. A FIFO, a device or a folder is refused at once: nothing
/// waits, and nothing without an end is read. Throws Failure; `wanted` says what the file should be, "a model's
/// config.json".
std::string read_regular_file(const std::string& path, uint64_t limit, const char* wanted);

}  // namespace attnrt::cli
#endif
