// SPDX-License-Identifier: Apache-2.0
//
// The driver of this system for a type of device, and how ledgers name what stands behind it.
#ifndef ATTNRT_CONFORMANCE_SYSTEM_DRIVER_HPP
#define ATTNRT_CONFORMANCE_SYSTEM_DRIVER_HPP
#include <string>

#include "attnrt/gpu_driver.hpp"
#include "attnrt/plugin.h"

namespace attnrt::conformance {

/// The driver for ATTNRT_DEVICE_CUDA or ATTNRT_DEVICE_ROCM, loaded at the first question and kept for the life of the
/// process; an emulator where a variable of the SDK names one. NULL where there is none: `why` says what is missing.
/// [thread-safe]
const sdk::GpuDriver* system_driver(int32_t device_type, std::string& why);

/// Whether an emulator stands in for the driver of this type of device: results are those of no hardware, and times say
/// nothing. [thread-safe]
bool is_emulated(int32_t device_type);

/// A kind of device as ledgers name it: "cpu", "cuda:9.0", "rocm:gfx942".
std::string device_kind(int32_t device_type, uint32_t arch);

}  // namespace attnrt::conformance
#endif
