// SPDX-License-Identifier: Apache-2.0
//
// bench/timing.hpp: how long a call takes, and what else the machine did meanwhile.
#ifndef ATTNRT_CLI_BENCH_TIMING_HPP
#define ATTNRT_CLI_BENCH_TIMING_HPP
#include <cstdint>
#include <functional>
#include <vector>

namespace attnrt::cli {

/// When to stop repeating: after min_reps that take min_time together, at the latest after max_time or 200.
struct BenchEffort {
  double min_time = 0.4, max_time = 6.0;  ///< seconds
  int64_t min_reps = 5;
};

struct BenchTimes {
  std::vector<double> seconds;  ///< of each repetition, ascending
  double other_cpus = 0;        ///< CPUs that other processes had meanwhile, on average
  double steal = 0;             ///< CPUs that the hypervisor gave to others
  double best() const { return seconds.front(); }
  double median() const { return seconds[seconds.size() / 2]; }
};

/// Repeats `once`, which returns the seconds that it took, after a first time that does not count where `warm_up` says
/// so; one that outlasts max_time counts and is not repeated.
BenchTimes measure_times(const std::function<double()>& once, const BenchEffort& effort, bool warm_up);

/// Seconds of one call by the host's clock.
double seconds_of(const std::function<void()>& call);

}  // namespace attnrt::cli
#endif
