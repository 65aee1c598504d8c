// SPDX-License-Identifier: Apache-2.0
#include "fork.hpp"

#include <pthread.h>

#include <mutex>

namespace attnrt::core {
namespace {

enum Held : uint32_t { kFree, kHeld, kAwaited };  // the low bits of Turns' word

constinit std::atomic<uint32_t> generation{0};
constinit std::mutex state;

void before_fork() { state.lock(); }
void after_fork_in_parent() { state.unlock(); }
void after_fork_in_child() {
  state.unlock();
  generation.fetch_add(1, std::memory_order_relaxed);  // which frees every Turns
}

// When the library is loaded, not at first use: no fork may come before it.
[[maybe_unused]] const int registered = pthread_atfork(&before_fork, &after_fork_in_parent, &after_fork_in_child);

}  // namespace

uint32_t fork_generation() noexcept { return generation.load(std::memory_order_relaxed); }

StateLock::StateLock() noexcept { state.lock(); }
StateLock::~StateLock() { state.unlock(); }

uint32_t Turns::enter() noexcept {
  const uint32_t own = fork_generation() << 2;
  uint32_t wanted = own | kHeld, seen = word_.load(std::memory_order_relaxed);
  for (;;) {
    if ((seen & ~3u) != own || (seen & 3u) == kFree) {
      if (word_.compare_exchange_weak(seen, wanted, std::memory_order_acquire, std::memory_order_relaxed))
        return own >> 2;
      continue;
    }
    if ((seen & 3u) == kHeld && !word_.compare_exchange_weak(seen, own | kAwaited, std::memory_order_relaxed)) continue;
    word_.wait(own | kAwaited, std::memory_order_relaxed);
    wanted = own | kAwaited;  // others may wait, too
    seen = word_.load(std::memory_order_relaxed);
  }
}

void Turns::leave(uint32_t generation) noexcept {
  if (generation != fork_generation()) return;
  const uint32_t own = generation << 2;
  if ((word_.exchange(own | kFree, std::memory_order_release) & 3u) == kAwaited) word_.notify_one();
}

}  // namespace attnrt::core
