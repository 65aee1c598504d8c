// SPDX-License-Identifier: Apache-2.0
//
// Blocks know nothing of each other: threads of the host take them one by one.
#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#include "block.hpp"

namespace attnrt::emulator {

void run_grid(const Launch& launch) {
  const uint64_t width = launch.grid[0], height = launch.grid[1];
  const uint64_t blocks = width * height * launch.grid[2];
  std::atomic<uint64_t> next{0};
  std::atomic<bool> failed{false};
  std::mutex mutex;
  std::exception_ptr first;
  uint64_t first_block = ~uint64_t{0};
  const auto work = [&] {
    uint64_t i = 0;
    try {
      Block block(launch);
      while (!failed.load(std::memory_order_relaxed) && (i = next.fetch_add(1)) < blocks) {
        block.run(static_cast<uint32_t>(i % width), static_cast<uint32_t>(i / width % height),
                  static_cast<uint32_t>(i / width / height));
      }
      block.count_executed();
    } catch (...) {
      const std::lock_guard lock(mutex);
      failed = true;
      if (i < first_block) first = std::current_exception(), first_block = i;
    }
  };
  const uint64_t processors =
      std::max(1u, launch.mode.threads ? launch.mode.threads : std::thread::hardware_concurrency());
  // A thread costs more than a small block.
  const uint64_t threads = std::min<uint64_t>(processors, blocks);
  std::vector<std::thread> others;
  for (uint64_t i = 1; i < threads; ++i) others.emplace_back(work);
  work();
  for (std::thread& thread : others) thread.join();
  if (first) std::rethrow_exception(first);
}

}  // namespace attnrt::emulator
