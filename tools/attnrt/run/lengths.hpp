// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_CLI_RUN_LENGTHS_HPP
#define ATTNRT_CLI_RUN_LENGTHS_HPP
#include "run/file.hpp"
#include "run/reader.hpp"

namespace attnrt::cli {

/// What looks at positions, and how the last or the first query and key are aligned.
struct Alignment {
  bool causal, top_left;
  bool counts;  ///< causality, a window or ALiBi slopes look at positions
};

/// Reads where each request's queries and keys lie, how many it has and where they stand; q, k and the cache were read
/// before. Throws Failure.
void read_lengths(RunReader& reader, const Alignment& align, RunFile& run);

}  // namespace attnrt::cli
#endif
