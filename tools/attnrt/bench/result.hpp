// SPDX-License-Identifier: Apache-2.0
//
// bench_result.hpp: what was measured, and what was not.
#ifndef ATTNRT_CLI_BENCH_RESULT_HPP
#define ATTNRT_CLI_BENCH_RESULT_HPP
#include <string>
#include <vector>

#include "bench/case.hpp"
#include "bench/limits.hpp"
#include "bench/timing.hpp"

namespace attnrt::cli {

/// One variant on one case, dtype and number of threads.
struct BenchResult {
  BenchCase shape;
  uint32_t dtype = 0, kv_dtype = 0, threads = 1, block_size = 0;
  std::string device;                    ///< "cuda:0"; "" = the CPU, whose threads count
  std::string variant;                   ///< "CPU_ATTN/avx512"
  std::string layout;                    ///< its id
  BenchUnit unit = BenchUnit::baseline;  ///< what its products run on
  BenchTimes times;
  double error = 0;     ///< RMS over RMS, against float64 on sampled rows
  std::string refusal;  ///< why there is none of the above

  /// What computed: "2 threads", "cuda:0".
  std::string workers() const;
  double gflops() const { return shape.flops() / times.median() * 1e-9; }
  double gbs() const;
  /// Percent of what this machine's unit, or its memory, was measured to do; 0 where it was not.
  double percent_compute(const BenchLimits& limits) const;
  double percent_read(const BenchLimits& limits) const;
  /// Percent of the limit that bounds this work: reading memory for a decode, the unit for the rest.
  double percent(const BenchLimits& limits) const;
  /// That limit's name: "read", "AVX2 FMA"; of a device "copy".
  const char* limit() const noexcept;
};

/// A variant that was not measured on a case though nobody excluded it.
struct BenchLeftOut {
  std::string shape;  ///< the case's id
  uint32_t dtype = 0;
  std::string variant, reason;
  bool operator==(const BenchLeftOut&) const = default;
};

/// All that one call of `attnrt bench` has to tell.
struct BenchReport {
  std::string device_name;          ///< "NVIDIA H200"; "" = the CPU
  std::vector<BenchLimits> limits;  ///< empty: nobody measured
  std::vector<BenchResult> results;
  std::vector<BenchLeftOut> left_out;

  /// Those of that number of threads; all zero where nobody measured.
  BenchLimits limits_for(uint32_t threads) const;
  /// Is it the fastest of its case, dtype and number of threads?
  bool is_fastest(const BenchResult& result) const;
};

/// Of the same case, dtype and number of threads?
bool same_work(const BenchResult& a, const BenchResult& b);

/// The machine's name for its processor, "" where it has none.
std::string processor_name();

boost::json::value bench_json(const BenchReport& report);

}  // namespace attnrt::cli
#endif
