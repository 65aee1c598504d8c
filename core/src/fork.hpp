// SPDX-License-Identifier: Apache-2.0
//
// What a lock is worth in the child of a fork: the child has one thread, and nobody there ever lets go of what the
// parent's other threads held. See attnrt/fork.hpp for work that a fork must wait for.
#pragma once
#include <atomic>
#include <cstdint>

namespace attnrt::core {

/// How many forks lie between this process and the one that loaded this library. An object that remembers the number
/// knows from it whether its threads and locks still are. [thread-safe]
uint32_t fork_generation() noexcept;

/// Held for a few instructions on memory that several threads see: one lock for the whole process, so that a fork can
/// wait until nobody holds it. A child finds that memory whole and the lock free. While it is held nothing that locks,
/// waits or calls out of the core may be called.
class StateLock {
 public:
  StateLock() noexcept;
  ~StateLock();
  StateLock(const StateLock&) = delete;
  StateLock& operator=(const StateLock&) = delete;
};

/// Orders long work, one thread after the other, in the order in which they came: a thread that begins again at once does
/// not pass those that wait. At most 4,095 threads may wait. A fork does not wait for it: the child finds it free,
/// whoever held it in the parent, so what it orders must be begun anew in the child. [thread-safe]
class Turns {
 public:
  Turns() = default;
  Turns(const Turns&) = delete;
  Turns& operator=(const Turns&) = delete;

  /// Waits for its turn; answers what `leave` wants to know.
  uint32_t enter() noexcept;
  /// Does nothing in the child of a fork that happened since `enter`.
  void leave(uint32_t generation) noexcept;

 private:
  std::atomic<uint32_t> word_{0};  ///< generation and tickets; of another generation = free
};

/// A turn for the life of the object.
class Turn {
 public:
  explicit Turn(Turns& turns) noexcept : turns_(turns), generation_(turns.enter()) {}
  ~Turn() { turns_.leave(generation_); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  Turns& turns_;
  uint32_t generation_;
};

}  // namespace attnrt::core
