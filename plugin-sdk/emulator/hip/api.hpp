// SPDX-License-Identifier: Apache-2.0
//
// Numbers of HIP's API as AMD's hip_runtime_api.h has them (ROCm 6.0 to 7.1), for the functions that the emulator
// exports.
#ifndef ATTNRT_EMULATOR_HIP_API_HPP
#define ATTNRT_EMULATOR_HIP_API_HPP
#include <cstddef>

#include "handle.hpp"

namespace attnrt::emulator::hip {

/// hipDeviceAttribute_t
enum DeviceAttribute : int {
  kComputeMajor = 23,
  kMaxThreadsPerBlock = 56,
  kComputeMinor = 61,
  kMultiprocessors = 63,
  kLdsPerBlock = 74,
  kWarpSize = 87
};
/// hipFunction_attribute
enum FunctionAttribute : int {
  kFunctionMaxThreads = 0,
  kFunctionLds = 1,
  kFunctionPrivate = 3,
  kFunctionRegisters = 4
};
/// hipMemcpyKind
enum CopyKind : int { kHostToHost = 0, kHostToDevice = 1, kDeviceToHost = 2, kDeviceToDevice = 3 };
/// Of hipModuleLaunchKernel's `extra`. What ends the list is 3, not 0 as CUDA's.
constexpr std::size_t kLaunchBuffer = 1, kLaunchBufferSize = 2, kLaunchEnd = 3;
constexpr Result kInvalidDeviceFunction = 98;

/// hipDeviceProp_tR0600: where its members lie.
constexpr std::size_t kPropertiesBytes = 1472, kPropertiesMemory = 288, kPropertiesLds = 296, kPropertiesWarp = 308,
                      kPropertiesArch = 1160;

constexpr int kVersion = 70100000;  ///< of ROCm 7.1

}  // namespace attnrt::emulator::hip

/// A function of the API, by its name in libamdhip64.so.
#define ATTNRT_HIP_ENTRY extern "C" __attribute__((visibility("default"))) attnrt::emulator::Result

#endif
