// SPDX-License-Identifier: Apache-2.0
//
// bench_limits.hpp: what this machine can do at most, measured: multiply-adds, bf16 dots, reading memory.
#ifndef ATTNRT_CLI_BENCH_LIMITS_HPP
#define ATTNRT_CLI_BENCH_LIMITS_HPP
#include <cstdint>

#include "attnrt/runtime.hpp"

namespace attnrt::cli {

/// Of a number of threads together; the best of several short bursts.
struct BenchLimits {
  uint32_t threads = 1;
  double fma_gflops = 0;       ///< fp32 multiply-adds in registers, the widest vectors here
  double bf16_dot_gflops = 0;  ///< vdpbf16ps in registers; 0 where the machine has none
  double read_gbs = 0;         ///< a sum over memory far larger than the caches

  /// What arithmetic on this dtype is measured against.
  double compute_gflops(uint32_t dtype) const noexcept {
    return dtype == ATTNRT_BF16 && bf16_dot_gflops > 0 ? bf16_dot_gflops : fma_gflops;
  }
};

/// Takes about a second.
BenchLimits measure_limits(const attnrt_executor* pool);

}  // namespace attnrt::cli
#endif
