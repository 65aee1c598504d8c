// SPDX-License-Identifier: Apache-2.0
#include "fork.hpp"

#include <pthread.h>

#include <mutex>

namespace attnrt::core {
namespace {

/// Turns' word: the generation's low 8 bits, the next ticket and the one whose turn it is, 12 bits each.
constexpr uint32_t kTicket = 0xfff;
constexpr uint32_t generation_in(uint32_t word) { return word >> 24; }
constexpr uint32_t next_in(uint32_t word) { return word >> 12 & kTicket; }
constexpr uint32_t served_in(uint32_t word) { return word & kTicket; }
constexpr uint32_t word_of(uint32_t generation, uint32_t next, uint32_t served) {
  return (generation & 0xff) << 24 | (next & kTicket) << 12 | (served & kTicket);
}

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
  const uint32_t own = fork_generation();
  uint32_t seen = word_.load(std::memory_order_relaxed), mine = 0;
  for (;;) {
    const bool other = generation_in(seen) != (own & 0xff);  // of a process before a fork: nobody here will leave it
    mine = other ? 0 : next_in(seen);
    const uint32_t wanted = other ? word_of(own, 1, 0) : word_of(own, mine + 1, served_in(seen));
    if (word_.compare_exchange_weak(seen, wanted, std::memory_order_acquire, std::memory_order_relaxed)) break;
  }
  while (served_in(seen = word_.load(std::memory_order_acquire)) != mine) word_.wait(seen, std::memory_order_relaxed);
  return own;
}

void Turns::leave(uint32_t generation) noexcept {
  if (generation != fork_generation()) return;
  uint32_t seen = word_.load(std::memory_order_relaxed), wanted = 0;
  do wanted = word_of(generation, next_in(seen), served_in(seen) + 1);
  while (!word_.compare_exchange_weak(seen, wanted, std::memory_order_release, std::memory_order_relaxed));
  if (next_in(wanted) != served_in(wanted)) word_.notify_all();
}

}  // namespace attnrt::core
