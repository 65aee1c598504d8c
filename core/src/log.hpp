// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <set>
#include <string>

#include "attnrt/plugin.h"

namespace attnrt::core {

/// The engine's log callback, which hears printable lines; silent without one. [thread-safe]
class Log {
 public:
  using Callback = void (*)(void* self, int32_t level, const char* text);
  Log() = default;
  Log(Callback callback, void* self) : callback_(callback), self_(self) {}

  void write(int32_t level, const std::string& text) const;
  /// Writes a line only the first time this key is seen.
  void once(int32_t level, const std::string& text, const std::string& key) const;
  bool silent() const noexcept { return callback_ == nullptr; }

 private:
  Callback callback_ = nullptr;
  void* self_ = nullptr;
  mutable std::set<std::string> seen_;  ///< under the StateLock
};

}  // namespace attnrt::core
