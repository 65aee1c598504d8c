// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "attnrt/plugin.h"
#include "fork.hpp"

namespace attnrt::core {

/// A pool of threads behind an attnrt_executor. The caller of parallel_for works too, as worker 0; pieces are handed
/// out by a counter. One loop at a time: a second caller waits. Threads spin briefly for the next loop, then sleep.
///
/// In the child of a fork the pool has no threads: the caller of a loop works alone, whatever the parent's threads were
/// doing. A loop in which a task forked is not finished in the child, where nobody has the other workers' pieces.
class Executor {
 public:
  /// At least 1 worker, the caller. face()->num_workers is less than num_workers where the system refuses threads.
  explicit Executor(uint32_t num_workers);
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  const attnrt_executor* face() const noexcept { return &face_; }
  /// Why there are fewer workers than were wanted, in the system's words; "" = there are as many.
  const std::string& refusal() const noexcept { return refusal_; }
  void parallel_for(int64_t n, int64_t grain, attnrt_task task, void* arg);

 private:
  bool forked() const noexcept { return fork_generation() != generation_; }
  void work(uint32_t worker);
  void stop();
  void serve(uint32_t worker);

  attnrt_executor face_{};
  std::string refusal_;
  Turns loops_;
  attnrt_task task_ = nullptr;
  void* arg_ = nullptr;
  int64_t n_ = 0, grain_ = 1;
  alignas(64) std::atomic<int64_t> next_{0};
  alignas(64) std::atomic<uint32_t> epoch_{0};
  alignas(64) std::atomic<uint32_t> busy_{0};
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
  uint32_t generation_;  ///< of the process that has the threads
};

}  // namespace attnrt::core
