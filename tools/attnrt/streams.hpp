// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_CLI_STREAMS_HPP
#define ATTNRT_CLI_STREAMS_HPP
#include <string_view>

namespace attnrt::cli {

/// Gives the descriptors 0 to 2 a place where the caller closed them: a file that is opened later would else get the
/// number 1 or 2, and what is printed would land in it. Call first in main.
void open_missing_streams() noexcept;

/// Writes text to standard error. Where that is closed or full the text is lost and nothing else happens: the exit
/// status still tells. [thread-safe]
void tell(std::string_view text) noexcept;

/// The exit status where standard output cannot be written.
constexpr int kUnwritable = 3;

/// Writes out what was printed; false where standard output did not take all of it since the program began.
bool flush_output() noexcept;

}  // namespace attnrt::cli
#endif
