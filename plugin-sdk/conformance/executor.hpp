// SPDX-License-Identifier: Apache-2.0
//
// A thread pool behind attnrt_executor.
#ifndef ATTNRT_CONFORMANCE_EXECUTOR_HPP
#define ATTNRT_CONFORMANCE_EXECUTOR_HPP
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "attnrt/plugin.h"

namespace attnrt::conformance {

/// `workers` threads, the caller's included. Pieces go to whoever is free, so two runs cut the work differently.
/// [parallel_for: one thread at a time]
class Pool {
 public:
  explicit Pool(uint32_t workers);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  /// The stream of CPU calls; lives as long as the pool.
  attnrt_stream stream() const noexcept { return &executor_; }
  uint32_t num_workers() const noexcept { return executor_.num_workers; }
  /// Runs task(arg, begin, end, worker) over [0, n) in pieces of `grain`; returns when all are done.
  void parallel_for(int64_t n, int64_t grain, attnrt_task task, void* arg);

 private:
  void serve(uint32_t worker);
  void take_pieces(uint32_t worker);

  attnrt_executor executor_{};
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  uint64_t round_ = 0;
  uint32_t busy_ = 0;
  bool stop_ = false;
  std::atomic<int64_t> next_{0};
  int64_t n_ = 0, grain_ = 1;
  attnrt_task task_ = nullptr;
  void* arg_ = nullptr;
  std::vector<std::thread> threads_;
};

}  // namespace attnrt::conformance
#endif
