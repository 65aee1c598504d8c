// SPDX-License-Identifier: Apache-2.0
//
// bench/limits.hpp: what this machine can do at most, measured: the units that multiply, and reading memory.
#ifndef ATTNRT_CLI_BENCH_LIMITS_HPP
#define ATTNRT_CLI_BENCH_LIMITS_HPP
#include <array>
#include <cstdint>
#include <string>

#include "attnrt/runtime.hpp"
#include "bench/unit.hpp"
#include "conformance/memory.hpp"

namespace attnrt::cli {

/// Of a number of threads together; the best of several short bursts.
struct BenchLimits {
  uint32_t threads = 1;
  std::string device;                        ///< "cuda:0"; "" = the CPU
  std::array<double, kBenchUnits> gflops{};  ///< of each unit, products of registers; 0 where the machine lacks it
  /// A sum over memory far larger than the caches; of a device copying within its memory, bytes read and written.
  double read_gbs = 0;

  double of(BenchUnit unit) const noexcept { return gflops[static_cast<std::size_t>(unit)]; }
  /// fp32 multiply-adds with the widest vectors here.
  double widest_fma() const noexcept;
};

/// Takes about a second.
BenchLimits measure_limits(const attnrt_executor* pool);
/// Of a device. Throws Failure with what went wrong there.
BenchLimits measure_limits(conformance::Memory& memory, const std::string& device);

}  // namespace attnrt::cli
#endif
