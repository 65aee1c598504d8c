// SPDX-License-Identifier: Apache-2.0
#include "executor.hpp"

#include <sched.h>
#include <unistd.h>

#include <algorithm>

namespace attnrt::core {
namespace {

/// Between two layers an engine needs a few microseconds; sleeping and waking costs more than that.
constexpr int kSpins = 4000;

template <class Ready>
bool spin(Ready&& ready) {
  for (int i = 0; i < kSpins; ++i) {
    if (ready()) return true;
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
  return false;
}

}  // namespace

uint32_t usable_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<uint32_t>(std::max(1, CPU_COUNT(&set)));
}

Executor::Executor(uint32_t num_workers) : owner_(getpid()) {
  if (num_workers == 0) num_workers = usable_cpus();
  face_.struct_size = sizeof face_;
  face_.num_workers = num_workers;
  face_.self = this;
  face_.parallel_for = [](void* self, int64_t n, int64_t grain, attnrt_task task, void* arg) {
    static_cast<Executor*>(self)->parallel_for(n, grain, task, arg);
  };
  try {
    for (uint32_t worker = 1; worker < num_workers; ++worker) threads_.emplace_back([this, worker] { serve(worker); });
  } catch (...) {  // those that were had must end before the error may go on
    stop();
    throw;
  }
}

Executor::~Executor() {
  if (getpid() == owner_) stop();
  else new std::vector<std::thread>(std::move(threads_));  // they run in the parent: nobody here could wait for them
}

void Executor::stop() {
  stop_ = true;
  epoch_.fetch_add(1);
  epoch_.notify_all();
  for (std::thread& t : threads_) t.join();
}

void Executor::work(uint32_t worker) {
  for (;;) {
    const int64_t begin = next_.fetch_add(grain_, std::memory_order_relaxed);
    if (begin >= n_) return;
    task_(arg_, begin, std::min(begin + grain_, n_), worker);
  }
}

void Executor::parallel_for(int64_t n, int64_t grain, attnrt_task task, void* arg) {
  if (n <= 0) return;
  const std::lock_guard lock(one_loop_);
  task_ = task;
  arg_ = arg;
  n_ = n;
  grain_ = std::clamp<int64_t>(grain, 1, n);  // so that the counter cannot run over
  next_.store(0, std::memory_order_relaxed);
  const bool alone = threads_.empty() || getpid() != owner_;
  if (!alone) {
    busy_.store(static_cast<uint32_t>(threads_.size()), std::memory_order_relaxed);
    epoch_.fetch_add(1);
    epoch_.notify_all();
  }
  work(0);
  if (alone) return;
  const auto idle = [this] { return busy_.load(std::memory_order_acquire) == 0; };
  if (!spin(idle))
    for (uint32_t busy; (busy = busy_.load(std::memory_order_acquire)) != 0;) busy_.wait(busy);
}

void Executor::serve(uint32_t worker) {
  for (uint32_t seen = 0;;) {
    const auto called = [this, seen] { return epoch_.load(std::memory_order_acquire) != seen; };
    if (!spin(called)) epoch_.wait(seen);
    const uint32_t now = epoch_.load(std::memory_order_acquire);
    if (stop_) return;
    if (now == seen) continue;
    seen = now;
    work(worker);
    if (busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) busy_.notify_all();
  }
}

}  // namespace attnrt::core
