// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "choice.hpp"
#include "result.hpp"

namespace attnrt::core {

/// Backends that an engine's own code asks for: one for all threads, and a stack for each thread, whose top is stronger.
/// Names are not judged here. [thread-safe]
class Forces {
 public:
  Forces();
  /// For all threads; "" takes it back.
  void set(const std::string& backend);
  /// For the calling thread, until the matching pop(); "" hides what lies below.
  void push(const std::string& backend);
  /// INVALID: this thread has pushed nothing.
  Status pop();
  /// What holds for the calling thread.
  std::optional<Override> strongest() const;

 private:
  uint64_t id_;         ///< for the stack of each thread; never used again
  std::string global_;  ///< under the StateLock
};

}  // namespace attnrt::core
