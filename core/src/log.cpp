// SPDX-License-Identifier: Apache-2.0
#include "log.hpp"

#include <cstdint>

#include "fork.hpp"
#include "words.hpp"

namespace attnrt::core {

void Log::write(int32_t level, const std::string& text) const {
  if (callback_) callback_(self_, level, printable(text, SIZE_MAX).c_str());
}

void Log::once(int32_t level, const std::string& text, const std::string& key) const {
  if (!callback_) return;
  {
    const StateLock lock;
    if (!seen_.insert(key).second) return;
  }
  write(level, text);
}

}  // namespace attnrt::core
