// SPDX-License-Identifier: Apache-2.0
#include "executor.hpp"

#include <algorithm>
#include <new>
#include <system_error>

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

Executor::Executor(uint32_t num_workers) : generation_(fork_generation()) {
  num_workers = std::max(1u, num_workers);
  threads_.reserve(num_workers - 1);
  try {
    for (uint32_t worker = 1; worker < num_workers; ++worker) threads_.emplace_back([this, worker] { serve(worker); });
  } catch (const std::system_error& e) {  // those that were had are used
    refusal_ = e.code().message();
  } catch (const std::bad_alloc&) {
    refusal_ = "out of memory";
  }
  face_.struct_size = sizeof face_;
  face_.num_workers = static_cast<uint32_t>(threads_.size()) + 1;
  face_.self = this;
  face_.parallel_for = [](void* self, int64_t n, int64_t grain, attnrt_task task, void* arg) {
    static_cast<Executor*>(self)->parallel_for(n, grain, task, arg);
  };
}

Executor::~Executor() {
  if (!forked())
    stop();
  else
    new std::vector<std::thread>(std::move(threads_));  // they run in the parent: nobody here could wait for them
}

void Executor::stop() {
  stop_ = true;
  epoch_.fetch_add(1);
  epoch_.notify_all();
  for (std::thread& t : threads_) t.join();
}

void Executor::work(uint32_t worker) {
  const uint32_t before = fork_generation();
  for (;;) {
    const int64_t begin = next_.fetch_add(grain_, std::memory_order_relaxed);
    if (begin >= n_) return;
    task_(arg_, begin, std::min(begin + grain_, n_), worker);
    if (fork_generation() != before) return;
  }
}

void Executor::parallel_for(int64_t n, int64_t grain, attnrt_task task, void* arg) {
  if (n <= 0) return;
  const Turn turn(loops_);
  task_ = task;
  arg_ = arg;
  n_ = n;
  grain_ = std::clamp<int64_t>(grain, 1, n);  // so that the counter cannot run over
  next_.store(0, std::memory_order_relaxed);
  const bool alone = threads_.empty() || forked();
  if (!alone) {
    busy_.store(static_cast<uint32_t>(threads_.size()), std::memory_order_relaxed);
    epoch_.fetch_add(1);
    epoch_.notify_all();
  }
  work(0);
  if (alone || forked()) return;
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
    if (forked()) return;  // a task forked: nobody in the child has a use for this thread
    if (busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) busy_.notify_all();
  }
}

}  // namespace attnrt::core
