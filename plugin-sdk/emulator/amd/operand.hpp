// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_EMULATOR_AMD_OPERAND_HPP
#define ATTNRT_EMULATOR_AMD_OPERAND_HPP
#include <cstdint>
#include <cstring>

#include "service.hpp"

namespace attnrt::emulator::amd {

/// The i-th operand of a call.
template <class T>
T operand(const char* in, uint32_t i) {
  T value;
  std::memcpy(&value, in + i * kOperandBytes, sizeof value);
  return value;
}
template <class T>
void put(char* out, const T& value) {
  std::memcpy(out, &value, sizeof value);
}

}  // namespace attnrt::emulator::amd
#endif
