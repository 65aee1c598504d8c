// SPDX-License-Identifier: Apache-2.0
//
// Types and numbers of the CUDA driver API as NVIDIA's cuda.h has them, for the functions that the emulator exports.
#ifndef ATTNRT_EMULATOR_API_HPP
#define ATTNRT_EMULATOR_API_HPP
#include <cstddef>
#include <cstdint>

#include "handle.hpp"

namespace attnrt::emulator {

using CuResult = Result;
using CuDevice = int;
using CuPointer = Pointer;
using CuContext = struct CuContextObject*;
using CuModule = ModuleHandle;
using CuFunction = FunctionHandle;
using CuStream = StreamHandle;
using CuEvent = EventHandle;
using CuGraph = GraphHandle;
using CuGraphExec = GraphExecHandle;

// X(name, number)
// clang-format off
#define ATTNRT_EMULATOR_ERRORS(X)                                                                                     \
  X(SUCCESS, 0) X(ERROR_INVALID_VALUE, 1) X(ERROR_OUT_OF_MEMORY, 2) X(ERROR_NOT_INITIALIZED, 3)                       \
  X(ERROR_DEINITIALIZED, 4) X(ERROR_STUB_LIBRARY, 34) X(ERROR_CALL_REQUIRES_NEWER_DRIVER, 36)                         \
  X(ERROR_DEVICE_UNAVAILABLE, 46) X(ERROR_NO_DEVICE, 100) X(ERROR_INVALID_DEVICE, 101)                                \
  X(ERROR_DEVICE_NOT_LICENSED, 102) X(ERROR_INVALID_IMAGE, 200) X(ERROR_INVALID_CONTEXT, 201)                         \
  X(ERROR_NO_BINARY_FOR_GPU, 209) X(ERROR_INVALID_PTX, 218) X(ERROR_UNSUPPORTED_PTX_VERSION, 222)                     \
  X(ERROR_INVALID_HANDLE, 400) X(ERROR_NOT_FOUND, 500) X(ERROR_NOT_READY, 600) X(ERROR_ILLEGAL_ADDRESS, 700)          \
  X(ERROR_LAUNCH_OUT_OF_RESOURCES, 701) X(ERROR_LAUNCH_TIMEOUT, 702) X(ERROR_PRIMARY_CONTEXT_ACTIVE, 708)             \
  X(ERROR_CONTEXT_IS_DESTROYED, 709) X(ERROR_ILLEGAL_INSTRUCTION, 715) X(ERROR_MISALIGNED_ADDRESS, 716)               \
  X(ERROR_LAUNCH_FAILED, 719) X(ERROR_NOT_SUPPORTED, 801) X(ERROR_SYSTEM_NOT_READY, 802)                              \
  X(ERROR_SYSTEM_DRIVER_MISMATCH, 803) X(ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE, 804)                                   \
  X(ERROR_MPS_CONNECTION_FAILED, 805) X(ERROR_MPS_RPC_FAILURE, 806) X(ERROR_MPS_SERVER_NOT_READY, 807)                \
  X(ERROR_MPS_MAX_CLIENTS_REACHED, 808) X(ERROR_MPS_MAX_CONNECTIONS_REACHED, 809)                                     \
  X(ERROR_MPS_CLIENT_TERMINATED, 810) X(ERROR_STREAM_CAPTURE_UNSUPPORTED, 900)                                        \
  X(ERROR_STREAM_CAPTURE_INVALIDATED, 901) X(ERROR_STREAM_CAPTURE_MERGE, 902)                                         \
  X(ERROR_STREAM_CAPTURE_UNMATCHED, 903) X(ERROR_STREAM_CAPTURE_UNJOINED, 904)                                        \
  X(ERROR_STREAM_CAPTURE_ISOLATION, 905) X(ERROR_STREAM_CAPTURE_IMPLICIT, 906) X(ERROR_CAPTURED_EVENT, 907)           \
  X(ERROR_STREAM_CAPTURE_WRONG_THREAD, 908) X(ERROR_UNKNOWN, 999)
// clang-format on

enum : CuResult {
#define ATTNRT_EMULATOR_ERROR_(name, number) CUDA_##name = number,
  ATTNRT_EMULATOR_ERRORS(ATTNRT_EMULATOR_ERROR_)
#undef ATTNRT_EMULATOR_ERROR_
};

enum DeviceAttribute : int {
  kMaxThreadsPerBlock = 1,
  kMaxBlockX = 2,
  kMaxBlockY = 3,
  kMaxBlockZ = 4,
  kMaxGridX = 5,
  kMaxGridY = 6,
  kMaxGridZ = 7,
  kSharedPerBlock = 8,
  kConstantBytes = 9,
  kWarpSize = 10,
  kMaxPitch = 11,
  kRegistersPerBlock = 12,
  kClockRate = 13,
  kMultiprocessors = 16,
  kIntegrated = 18,
  kComputeMode = 20,
  kConcurrentKernels = 31,
  kPciBus = 33,
  kPciDevice = 34,
  kUnifiedAddressing = 41,
  kMaxThreadsPerMultiprocessor = 39,
  kComputeMajor = 75,
  kComputeMinor = 76,
  kSharedPerMultiprocessor = 81,
  kRegistersPerMultiprocessor = 82,
  kManagedMemory = 83,
  kSharedOptIn = 97,
  kMaxBlocksPerMultiprocessor = 106,
  kReservedShared = 111
};
enum FunctionAttribute : int {
  kFunctionMaxThreads = 0,
  kFunctionShared = 1,
  kFunctionConst = 2,
  kFunctionLocal = 3,
  kFunctionRegisters = 4,
  kFunctionPtxVersion = 5,
  kFunctionBinaryVersion = 6,
  kFunctionMaxDynamicShared = 8,
  kFunctionCarveout = 9
};
constexpr unsigned kMemoryHost = 1, kMemoryDevice = 2, kMemoryUnified = 4;

/// CUDA_MEMCPY2D.
struct CuCopy2d {
  std::size_t src_x, src_y;
  unsigned src_type;
  const void* src_host;
  CuPointer src_device;
  void* src_array;
  std::size_t src_pitch;
  std::size_t dst_x, dst_y;
  unsigned dst_type;
  void* dst_host;
  CuPointer dst_device;
  void* dst_array;
  std::size_t dst_pitch;
  std::size_t width_bytes, height;
};

}  // namespace attnrt::emulator
#endif
