// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_CONFORMANCE_SHORTAGE_HPP
#define ATTNRT_CONFORMANCE_SHORTAGE_HPP
#include <string>

#include "conformance/memory.hpp"

namespace attnrt::conformance {

/// The sentence for pieces that could not be had: the driver's own, or "there is not enough memory for WHAT".
inline std::string shortage(Memory& memory, const char* what) {
  const std::string trouble = memory.trouble();
  return trouble.empty() ? std::string("there is not enough memory for ") + what : trouble;
}

}  // namespace attnrt::conformance
#endif
