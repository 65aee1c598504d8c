// SPDX-License-Identifier: Apache-2.0
#include "bench/timing.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <fstream>
#include <string>

namespace attnrt::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMostReps = 200;

double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// CPU seconds of the whole machine, and of this process.
struct CpuUse {
  double busy = 0, steal = 0, own = 0;

  CpuUse() {
    std::ifstream file("/proc/stat");
    std::string name;
    std::array<double, 8> ticks{};  // user nice system idle iowait irq softirq steal
    file >> name;
    for (double& t : ticks) file >> t;
    const auto hertz = static_cast<double>(::sysconf(_SC_CLK_TCK));
    busy = (ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6]) / hertz;
    steal = ticks[7] / hertz;
    timespec t{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    own = static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
  }
};

}  // namespace

double seconds_of(const std::function<void()>& call) {
  const auto start = Clock::now();
  call();
  return since(start);
}

BenchTimes measure_times(const std::function<double()>& once, const BenchEffort& effort, bool warm_up) {
  BenchTimes times;
  const auto repeat = [&] { return times.seconds.emplace_back(once()); };
  const CpuUse before;
  const auto start = Clock::now();
  double sum = 0;
  if (warm_up && repeat() < effort.max_time) times.seconds.clear();
  if (times.seconds.empty()) {
    const auto least = static_cast<std::size_t>(effort.min_reps);
    while ((times.seconds.size() < least || sum < effort.min_time) && times.seconds.size() < kMostReps &&
           (times.seconds.size() < std::min<std::size_t>(2, least) || since(start) < effort.max_time))
      sum += repeat();
  }
  const double wall = since(start);
  const CpuUse after;
  times.other_cpus = std::max(0.0, after.busy - before.busy - (after.own - before.own)) / wall;
  times.steal = (after.steal - before.steal) / wall;
  std::sort(times.seconds.begin(), times.seconds.end());
  return times;
}

}  // namespace attnrt::cli
