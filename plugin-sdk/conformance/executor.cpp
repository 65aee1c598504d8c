// SPDX-License-Identifier: Apache-2.0
#include "conformance/executor.hpp"

#include <algorithm>

namespace attnrt::conformance {

Pool::Pool(uint32_t workers) {
  executor_.struct_size = sizeof(executor_);
  executor_.num_workers = std::max(1u, workers);
  executor_.self = this;
  executor_.parallel_for = [](void* self, int64_t n, int64_t grain, attnrt_task task, void* arg) {
    static_cast<Pool*>(self)->parallel_for(n, grain, task, arg);
  };
  for (uint32_t worker = 1; worker < executor_.num_workers; ++worker)
    threads_.emplace_back([this, worker] { serve(worker); });
}

Pool::~Pool() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Pool::parallel_for(int64_t n, int64_t grain, attnrt_task task, void* arg) {
  if (n <= 0) return;
  {
    const std::lock_guard lock(mutex_);
    n_ = n;
    grain_ = std::max<int64_t>(1, grain);
    task_ = task;
    arg_ = arg;
    next_ = 0;
    busy_ = executor_.num_workers - 1;
    ++round_;
  }
  wake_.notify_all();
  take_pieces(0);
  std::unique_lock lock(mutex_);
  done_.wait(lock, [this] { return busy_ == 0; });
}

void Pool::take_pieces(uint32_t worker) {
  for (int64_t begin = next_.fetch_add(grain_); begin < n_; begin = next_.fetch_add(grain_))
    task_(arg_, begin, std::min(n_, begin + grain_), worker);
}

void Pool::serve(uint32_t worker) {
  uint64_t seen = 0;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return stop_ || round_ != seen; });
      if (stop_) return;
      seen = round_;
    }
    take_pieces(worker);
    const std::lock_guard lock(mutex_);
    if (--busy_ == 0) done_.notify_all();
  }
}

}  // namespace attnrt::conformance
