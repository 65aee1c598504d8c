// SPDX-License-Identifier: Apache-2.0
//
// tune/grid.hpp: what `attnrt tune` measures: one shape for each class of problems that the library tells apart.
#ifndef ATTNRT_CLI_TUNE_GRID_HPP
#define ATTNRT_CLI_TUNE_GRID_HPP
#include <cstdint>
#include <string>
#include <vector>

#include "bench/case.hpp"

namespace attnrt::cli {

/// A shape and how it is asked for.
struct TuneCase {
  BenchCase shape;
  uint32_t phase = 0, dtype = 0;
  std::string name;  ///< "decode, bf16, head size 128, 4 query heads a KV head"
};

/// Prefill, decode and a mixed batch of decoders with head sizes 64, 128 and 256 and 1, 4 and 8 query heads a KV head,
/// and the decode of MLA, for each of these dtypes and phases (ATTNRT_PHASE_*). The work of one shape takes some
/// milliseconds of one core.
std::vector<TuneCase> tune_grid(const std::vector<uint32_t>& dtypes, const std::vector<uint32_t>& phases);

}  // namespace attnrt::cli
#endif
