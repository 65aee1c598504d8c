// SPDX-License-Identifier: Apache-2.0
//
// attnrt/fork.hpp: what is made once in a process, so that a fork at any moment leaves a child that can go on. The
// child has one thread: a lock or a static local that another thread was busy with would stay so for ever. Header-only,
// C++17.
#ifndef ATTNRT_FORK_HPP
#define ATTNRT_FORK_HPP
#include <pthread.h>

#include <atomic>
#include <mutex>

namespace attnrt::sdk {

/// Held while a library is loaded or a device is opened: a fork waits until nobody holds it, so a child never finds
/// such work half done. One lock for each library that includes this header; a thread may take it again while it holds
/// it, and may fork while it holds it. Take no other lock that a thread could hold while it forks. [thread-safe]
class LoadLock {
 public:
  LoadLock() {
    (void)registered_;
    enter();
    ++depth_;
  }
  ~LoadLock() {
    --depth_;
    leave();
  }
  LoadLock(const LoadLock&) = delete;
  LoadLock& operator=(const LoadLock&) = delete;

 private:
  static void enter() {
    if (depth_ == 0) mutex_.lock();
  }
  static void leave() {
    if (depth_ == 0) mutex_.unlock();
  }
  static inline std::mutex mutex_;
  static inline thread_local int depth_ = 0;
  // Registered when the library is loaded, not at first use: no fork may come before it.
  static inline const int registered_ = pthread_atfork(&enter, &leave, &leave);
};

/// A value that the first call makes and that lives as long as the process. Unlike a static local it can be used in the
/// child of a fork that came while another thread made it. What `make` throws goes to the caller, and the next call
/// tries again. At namespace scope or as a static member; constant-initialised. [thread-safe]
template <class T>
class Once {
 public:
  constexpr Once() = default;
  Once(const Once&) = delete;
  Once& operator=(const Once&) = delete;

  template <class Make>
  const T& get(Make&& make) {
    if (const T* made = value_.load(std::memory_order_acquire)) return *made;
    const LoadLock lock;
    if (!value_.load(std::memory_order_relaxed)) value_.store(new T(make()), std::memory_order_release);
    return *value_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<const T*> value_{nullptr};
};

}  // namespace attnrt::sdk
#endif
