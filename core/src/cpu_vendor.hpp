// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include "device.hpp"

namespace attnrt::core {

/// attnrt_problem.device_id of a CPU that is not here, where it was said whose it is; -1 = nobody said.
inline constexpr int32_t kAskedIntel = -2, kAskedAmd = -3;

/// Whose CPU a problem with this device_id is about, on a machine with a CPU by `machine`.
constexpr CpuVendor vendor_of(int32_t device_id, CpuVendor machine) {
  return device_id == kAskedIntel ? CpuVendor::intel : device_id == kAskedAmd ? CpuVendor::amd : machine;
}

}  // namespace attnrt::core
