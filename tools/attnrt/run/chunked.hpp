// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_CLI_RUN_CHUNKED_HPP
#define ATTNRT_CLI_RUN_CHUNKED_HPP
#include "run/compute.hpp"

namespace attnrt::cli {

/// Throws Failure where a file cannot be computed in chunks: it has a cache, is not causal, or is not of a decoder.
void check_chunked(const RunFile& run, const attnrt_problem& problem);

/// Computes a causal file without a cache as a serving engine would: in each step up to `chunk` tokens of every request
/// that has some left are written to a paged cache of the op's own layout, then attention runs for their queries.
/// Blocks are handed out in scattered order and the cache is NaN where nothing was written. Context, keys before a
/// request's first query, is written before the first step.
Computed compute_chunked(const Op& op, const Choice& choice, const RunFile& run, float scale, int64_t chunk,
                         const Effort& effort);

}  // namespace attnrt::cli
#endif
