// SPDX-License-Identifier: Apache-2.0
//
// attnrt/cuda_driver.hpp: the functions of the CUDA driver API that a plugin and the conformance kit need, as one
// table, so that a library which links nothing of CUDA loads everywhere, and so that a test can put another driver in
// its place. Types, values and the names behind "cu" are those of NVIDIA's cuda.h; no header of the toolkit is needed.
// Header-only, C++17.
#ifndef ATTNRT_CUDA_DRIVER_HPP
#define ATTNRT_CUDA_DRIVER_HPP
#include <dlfcn.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

namespace attnrt::sdk {

using CuResult = int;  ///< 0 = success
using CuDevice = int;
using CuPointer = uint64_t;  ///< CUdeviceptr
using CuContext = struct CuContextObject*;
using CuModule = struct CuModuleObject*;
using CuFunction = struct CuFunctionObject*;
using CuStream = struct CuStreamObject*;
using CuEvent = struct CuEventObject*;
using CuGraph = struct CuGraphObject*;
using CuGraphExec = struct CuGraphExecObject*;

constexpr CuResult kCuInvalidValue = 1, kCuOutOfMemory = 2, kCuNotInitialized = 3, kCuDevicesUnavailable = 46,
                   kCuNoDevice = 100, kCuInvalidDevice = 101, kCuInvalidImage = 200, kCuInvalidContext = 201,
                   kCuNoBinaryForGpu = 209, kCuUnsupportedPtx = 222, kCuNotFound = 500, kCuIllegalAddress = 700,
                   kCuLaunchOutOfResources = 701, kCuLaunchFailed = 719, kCuSystemDriverMismatch = 803,
                   kCuCompatNotSupported = 804, kCuCaptureUnsupported = 900, kCuCaptureInvalidated = 901;
constexpr int kCuComputeMajor = 75, kCuComputeMinor = 76, kCuMultiprocessors = 16,
              kCuSharedBytesOptIn = 97;  ///< attributes
constexpr int kCuFuncMaxDynamicShared = 8;
constexpr unsigned kCuDeviceMemory = 2;  ///< CU_MEMORYTYPE_DEVICE
constexpr int kCuCaptureThreadLocal = 1;
inline void* const kCuLaunchBuffer = reinterpret_cast<void*>(1);      ///< CU_LAUNCH_PARAM_BUFFER_POINTER
inline void* const kCuLaunchBufferSize = reinterpret_cast<void*>(2);  ///< CU_LAUNCH_PARAM_BUFFER_SIZE

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

// X(member, name in the library, arguments)
#define ATTNRT_CUDA_FUNCTIONS(X)                                                                             \
  X(init, "cuInit", (unsigned flags))                                                                        \
  X(error_name, "cuGetErrorName", (CuResult error, const char** name))                                       \
  X(device_count, "cuDeviceGetCount", (int* count))                                                          \
  X(device_get, "cuDeviceGet", (CuDevice * device, int ordinal))                                             \
  X(device_name, "cuDeviceGetName", (char* name, int bytes, CuDevice device))                                \
  X(device_attribute, "cuDeviceGetAttribute", (int* value, int attribute, CuDevice device))                  \
  X(context_retain, "cuDevicePrimaryCtxRetain", (CuContext * context, CuDevice device))                      \
  X(context_release, "cuDevicePrimaryCtxRelease_v2", (CuDevice device))                                      \
  X(context_push, "cuCtxPushCurrent_v2", (CuContext context))                                                \
  X(context_pop, "cuCtxPopCurrent_v2", (CuContext * context))                                                \
  X(context_set, "cuCtxSetCurrent", (CuContext context))                                                     \
  X(module_load, "cuModuleLoadData", (CuModule * module, const void* image))                                 \
  X(module_unload, "cuModuleUnload", (CuModule module))                                                      \
  X(module_function, "cuModuleGetFunction", (CuFunction * function, CuModule module, const char* name))      \
  X(function_set, "cuFuncSetAttribute", (CuFunction function, int attribute, int value))                     \
  X(launch, "cuLaunchKernel",                                                                                \
    (CuFunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y, \
     unsigned block_z, unsigned shared_bytes, CuStream stream, void** arguments, void** extra))              \
  X(copy_device_async, "cuMemcpyDtoDAsync_v2", (CuPointer to, CuPointer from, std::size_t bytes, CuStream stream)) \
  X(copy_2d_async, "cuMemcpy2DAsync_v2", (const CuCopy2d* copy, CuStream stream))                            \
  X(fill_8_async, "cuMemsetD8Async", (CuPointer to, unsigned char value, std::size_t count, CuStream stream)) \
  X(fill_32_async, "cuMemsetD32Async", (CuPointer to, unsigned value, std::size_t count, CuStream stream))   \
  X(copy_to_device, "cuMemcpyHtoD_v2", (CuPointer to, const void* from, std::size_t bytes))                  \
  X(copy_to_host, "cuMemcpyDtoH_v2", (void* to, CuPointer from, std::size_t bytes))                          \
  X(allocate, "cuMemAlloc_v2", (CuPointer * data, std::size_t bytes))                                        \
  X(release, "cuMemFree_v2", (CuPointer data))                                                               \
  X(memory_info, "cuMemGetInfo_v2", (std::size_t * free, std::size_t* total))                                \
  X(stream_create, "cuStreamCreate", (CuStream * stream, unsigned flags))                                    \
  X(stream_destroy, "cuStreamDestroy_v2", (CuStream stream))                                                 \
  X(stream_finish, "cuStreamSynchronize", (CuStream stream))                                                 \
  X(capture_begin, "cuStreamBeginCapture_v2", (CuStream stream, int mode))                                   \
  X(capture_end, "cuStreamEndCapture", (CuStream stream, CuGraph* graph))                                    \
  X(graph_instantiate, "cuGraphInstantiateWithFlags", (CuGraphExec * exec, CuGraph graph, unsigned long long flags)) \
  X(graph_launch, "cuGraphLaunch", (CuGraphExec exec, CuStream stream))                                      \
  X(graph_exec_destroy, "cuGraphExecDestroy", (CuGraphExec exec))                                            \
  X(graph_destroy, "cuGraphDestroy", (CuGraph graph))                                                        \
  X(event_create, "cuEventCreate", (CuEvent * event, unsigned flags))                                        \
  X(event_record, "cuEventRecord", (CuEvent event, CuStream stream))                                         \
  X(event_finish, "cuEventSynchronize", (CuEvent event))                                                     \
  X(event_elapsed, "cuEventElapsedTime", (float* milliseconds, CuEvent begin, CuEvent end))                  \
  X(event_destroy, "cuEventDestroy_v2", (CuEvent event))                                                     \
  X(host_allocate, "cuMemHostAlloc", (void** data, std::size_t bytes, unsigned flags))                       \
  X(host_release, "cuMemFreeHost", (void* data))                                                             \
  X(driver_version, "cuDriverGetVersion", (int* version))

/// The table. Every entry is set. [thread-safe as the driver is]
struct CudaDriver {
#define ATTNRT_CUDA_MEMBER_(member, name, arguments) CuResult(*member) arguments = nullptr;
  ATTNRT_CUDA_FUNCTIONS(ATTNRT_CUDA_MEMBER_)
#undef ATTNRT_CUDA_MEMBER_

  /// "CUDA_ERROR_OUT_OF_MEMORY".
  std::string name_of(CuResult error) const {
    const char* name = nullptr;
    return error_name(error, &name) == 0 && name ? name : "CUDA error " + std::to_string(error);
  }
};

/// A library that stands in for libcuda.so.1 in this process and its children: the SDK's emulator. Not believed where the
/// process has more rights than its caller.
constexpr const char* kCudaDriverVariable = "ATTNRT_CUDA_DRIVER";

/// Fills the table from libcuda.so.1, or from the library that ATTNRT_CUDA_DRIVER names; it stays loaded. "" where that
/// was possible, else what is missing. [thread-safe]
inline std::string load_cuda_driver(CudaDriver& driver) {
  const char* const stand_in = secure_getenv(kCudaDriverVariable);
  const bool given = stand_in && *stand_in;
  void* library = dlopen(given ? stand_in : "libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library && given) return std::string(kCudaDriverVariable) + " is " + stand_in + ", which cannot be loaded";
  if (!library) return "libcuda.so.1 not found";
  const auto find = [library](const char* name, auto& entry) {
    void* symbol = dlsym(library, name);
    std::memcpy(&entry, &symbol, sizeof symbol);
    return symbol != nullptr;
  };
#define ATTNRT_CUDA_FIND_(member, name, arguments) \
  if (!find(name, driver.member)) return "libcuda.so.1 has no " name ", wanted a driver for CUDA 12 or later";
  ATTNRT_CUDA_FUNCTIONS(ATTNRT_CUDA_FIND_)
#undef ATTNRT_CUDA_FIND_
  return {};
}

/// What a GPU plugin gives for extension(kTestDriver): a way to put another driver in the place of libcuda.so.1 before
/// the first op is created, and the kernels that this driver will be asked for, in the plugin's own form.
constexpr const char* kTestDriver = "attnrt.test.driver/1";
struct TestDriverHook {
  uint32_t struct_size;
  uint32_t num_kernels;
  const void* kernels;
  void (*use)(const CudaDriver* driver);  ///< NULL = libcuda.so.1 again; ops that exist keep theirs
};

/// What a library with a test driver exports as attnrt_test_driver: `use` is told the kernels and gives the driver. The
/// name says in reports and ledgers what stood in for a device.
struct TestDriver {
  uint32_t struct_size;
  uint32_t arch;  ///< of the device that it pretends, 90 = 9.0
  const char* name;
  const CudaDriver* (*use)(const void* kernels, uint32_t num_kernels);
};
using TestDriverQuery = const TestDriver* (*)();
constexpr const char* kTestDriverQuery = "attnrt_test_driver";

}  // namespace attnrt::sdk
#endif
