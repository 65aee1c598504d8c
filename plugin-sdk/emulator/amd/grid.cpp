// SPDX-License-Identifier: Apache-2.0
//
// Workgroups know nothing of each other: threads of the host take them one by one.
#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

#include "workgroup.hpp"

namespace attnrt::emulator::amd {

void run_grid(const Launch& launch) {
  const uint64_t width = launch.grid[0], height = launch.grid[1], groups = width * height * launch.grid[2];
  std::atomic<uint64_t> next{0};
  std::atomic<bool> failed{false};
  std::mutex mutex;
  std::exception_ptr first;
  uint64_t first_group = ~uint64_t{0};
  const auto work = [&] {
    uint64_t i = 0;
    try {
      Workgroup group(launch);
      while (!failed.load(std::memory_order_relaxed) && (i = next.fetch_add(1)) < groups)
        group.run(static_cast<uint32_t>(i % width), static_cast<uint32_t>(i / width % height),
                  static_cast<uint32_t>(i / width / height));
    } catch (...) {
      const std::lock_guard lock(mutex);
      failed = true;
      if (i < first_group) first = std::current_exception(), first_group = i;
    }
  };
  const uint64_t processors =
      std::max(1u, launch.mode.threads ? launch.mode.threads : std::thread::hardware_concurrency());
  std::vector<std::thread> others;
  for (uint64_t i = 1; i < std::min(processors, groups); ++i) others.emplace_back(work);
  work();
  for (std::thread& thread : others) thread.join();
  if (first) std::rethrow_exception(first);
}

}  // namespace attnrt::emulator::amd
