// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "attnrt/plugin.h"

namespace attnrt::core {

/// A pool of threads behind an attnrt_executor. The caller of parallel_for works too, as worker 0; pieces are handed
/// out by a counter. One loop at a time: a second caller waits. Threads spin briefly for the next loop, then sleep. In
/// a fork the caller works alone.
class Executor {
 public:
  /// num_workers 0 = one for each CPU that the process may use.
  explicit Executor(uint32_t num_workers);
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  const attnrt_executor* face() const noexcept { return &face_; }
  void parallel_for(int64_t n, int64_t grain, attnrt_task task, void* arg);

 private:
  void work(uint32_t worker);
  void stop();
  void serve(uint32_t worker);

  attnrt_executor face_{};
  std::mutex one_loop_;
  attnrt_task task_ = nullptr;
  void* arg_ = nullptr;
  int64_t n_ = 0, grain_ = 1;
  alignas(64) std::atomic<int64_t> next_{0};
  alignas(64) std::atomic<uint32_t> epoch_{0};
  alignas(64) std::atomic<uint32_t> busy_{0};
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
  pid_t owner_;  ///< threads do not come along into a fork
};

uint32_t usable_cpus();

}  // namespace attnrt::core
