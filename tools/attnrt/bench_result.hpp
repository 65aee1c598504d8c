// SPDX-License-Identifier: Apache-2.0
//
// bench_result.hpp: what was measured, as JSON and as a table.
#ifndef ATTNRT_CLI_BENCH_RESULT_HPP
#define ATTNRT_CLI_BENCH_RESULT_HPP
#include <string>
#include <vector>

#include "bench_case.hpp"
#include "bench_limits.hpp"
#include "bench_timing.hpp"

namespace attnrt::cli {

/// One variant on one case, dtype and number of threads.
struct BenchResult {
  BenchCase shape;
  uint32_t dtype = 0, kv_dtype = 0, threads = 1, block_size = 0;
  std::string variant;  ///< "CPU_ATTN/avx512"
  std::string layout;   ///< its id
  BenchTimes times;
  double error = 0;     ///< RMS over RMS, against float64 on sampled rows
  std::string refusal;  ///< why there is none of the above

  double gflops() const { return shape.flops() / times.median() * 1e-9; }
  double gbs() const;
  /// Percent of what this machine was measured to do; 0 where it was not.
  double percent_compute(const BenchLimits& limits) const;
  double percent_read(const BenchLimits& limits) const;
};

/// Those of that number of threads; all zero where nobody measured.
BenchLimits limits_for(const std::vector<BenchLimits>& limits, uint32_t threads);

/// The machine's name for its processor, "" where it has none.
std::string processor_name();

boost::json::value bench_json(const std::vector<BenchResult>& results, const std::vector<BenchLimits>& limits);
/// A line for each result, variants of a case below each other, the fastest marked.
void print_bench(const std::vector<BenchResult>& results, const std::vector<BenchLimits>& limits);

}  // namespace attnrt::cli
#endif
