// SPDX-License-Identifier: Apache-2.0
//
// bench_serve.hpp: a worker that a program on the other end of a pipe asks for one measurement at a time, so that
// several engines take turns within the same seconds.
#ifndef ATTNRT_CLI_BENCH_SERVE_HPP
#define ATTNRT_CLI_BENCH_SERVE_HPP
#include <iosfwd>

#include "bench/setup.hpp"

namespace attnrt::cli {

/// Writes {"ready": "attnrt", "version"}, then answers each line of `in`,
///   {"case", "seqs": [[queries, keys], ...], "hq", "hkv", "d", "causal", "kind", "dtype", "threads", "min_time",
///    "max_time", "min_reps"},
/// by a line with ms_best, ms_median, reps, gflops, kv_gbs, err, variant, other_cpus and steal; by "unsupported" where
/// the library refuses the case; by "error" where the line is not understood. Cache and plan are kept while case, dtype
/// and threads stay the same. Ends with the input.
void serve_bench(Runtime& runtime, const BenchWish& wish, std::istream& in, std::ostream& out);

}  // namespace attnrt::cli
#endif
