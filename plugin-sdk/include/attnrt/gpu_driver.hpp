// SPDX-License-Identifier: Apache-2.0
//
// attnrt/gpu_driver.hpp: the functions of a GPU's driver that a plugin and the conformance kit need, as one table, so
// that a library which links nothing of CUDA or HIP loads everywhere, and so that a test can put another driver in its
// place. load_cuda() and load_hip() fill the table by dlopen. Types, values and the names behind "Gpu" are those of
// NVIDIA's cuda.h; no header of a toolkit is needed. What the two drivers do differently (contexts, attribute numbers,
// the end of a launch's arguments, the architecture's name) is data of the table or is evened out behind its entries,
// so that a caller is written once. Header-only, C++17.
#ifndef ATTNRT_GPU_DRIVER_HPP
#define ATTNRT_GPU_DRIVER_HPP
#include <dlfcn.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

namespace attnrt::sdk {

using GpuResult = int;  ///< 0 = success
using GpuDevice = int;
using GpuPointer = uint64_t;  ///< an address in device memory
using GpuContext = struct GpuContextObject*;
using GpuModule = struct GpuModuleObject*;
using GpuFunction = struct GpuFunctionObject*;
using GpuStream = struct GpuStreamObject*;
using GpuEvent = struct GpuEventObject*;
using GpuGraph = struct GpuGraphObject*;
using GpuGraphExec = struct GpuGraphExecObject*;

/// CUresult; hipError_t has the same values for all that both have.
constexpr GpuResult kGpuInvalidValue = 1, kGpuOutOfMemory = 2, kGpuNotInitialized = 3, kGpuDevicesUnavailable = 46,
                    kGpuNoDevice = 100, kGpuInvalidDevice = 101, kGpuInvalidImage = 200, kGpuInvalidContext = 201,
                    kGpuNoBinaryForGpu = 209, kGpuUnsupportedPtx = 222, kGpuInvalidHandle = 400, kGpuNotFound = 500,
                    kGpuIllegalAddress = 700, kGpuLaunchOutOfResources = 701, kGpuLaunchTimeout = 702,
                    kGpuIllegalInstruction = 715, kGpuMisalignedAddress = 716, kGpuLaunchFailed = 719,
                    kGpuSystemNotReady = 802, kGpuSystemDriverMismatch = 803, kGpuCompatNotSupported = 804,
                    kGpuMpsConnectionFailed = 805, kGpuMpsClientTerminated = 810, kGpuCaptureUnsupported = 900,
                    kGpuCaptureInvalidated = 901, kGpuUnknown = 999;
/// True for errors of kernels after which every call in this process answers the same (CUresult's comments).
constexpr bool ends_context(GpuResult error) {
  return error == kGpuIllegalAddress || error == kGpuLaunchTimeout || error == 709 || error == 710 ||
         (error >= 714 && error <= kGpuLaunchFailed) || error == 721;
}
constexpr int kGpuFuncMaxDynamicShared = 8;
constexpr int kGpuFuncStaticShared = 1;
constexpr int kGpuCaptureGlobal = 0, kGpuCaptureThreadLocal = 1, kGpuCaptureRelaxed = 2;
constexpr unsigned kGpuStreamNonBlocking = 1;
inline void* const kGpuLaunchBuffer = reinterpret_cast<void*>(1);      ///< CU_LAUNCH_PARAM_BUFFER_POINTER, HIP's too
inline void* const kGpuLaunchBufferSize = reinterpret_cast<void*>(2);  ///< CU_LAUNCH_PARAM_BUFFER_SIZE, HIP's too

// X(member, name in libcuda.so.1, name in libamdhip64.so, arguments)
#define ATTNRT_GPU_FUNCTIONS(X)                                                                                       \
  X(init, "cuInit", "hipInit", (unsigned flags))                                                                      \
  X(error_name, "cuGetErrorName", "hipGetErrorName", (GpuResult error, const char** name))                            \
  X(device_count, "cuDeviceGetCount", "hipGetDeviceCount", (int* count))                                              \
  X(device_get, "cuDeviceGet", "hipDeviceGet", (GpuDevice * device, int ordinal))                                     \
  X(device_name, "cuDeviceGetName", "hipDeviceGetName", (char* name, int bytes, GpuDevice device))                    \
  X(device_attribute, "cuDeviceGetAttribute", "hipDeviceGetAttribute",                                                \
    (int* value, int attribute, GpuDevice device))                                                                    \
  X(context_retain, "cuDevicePrimaryCtxRetain", "hipGetDevice", (GpuContext * context, GpuDevice device))             \
  X(context_release, "cuDevicePrimaryCtxRelease_v2", "hipGetDevice", (GpuDevice device))                              \
  X(context_push, "cuCtxPushCurrent_v2", "hipSetDevice", (GpuContext context))                                        \
  X(context_pop, "cuCtxPopCurrent_v2", "hipSetDevice", (GpuContext * context))                                        \
  X(context_set, "cuCtxSetCurrent", "hipSetDevice", (GpuContext context))                                             \
  X(context_current, "cuCtxGetCurrent", "hipGetDevice", (GpuContext * context))                                       \
  X(capture_mode, "cuThreadExchangeStreamCaptureMode", "hipThreadExchangeStreamCaptureMode", (int* mode))             \
  X(module_load, "cuModuleLoadData", "hipModuleLoadData", (GpuModule * module, const void* image))                    \
  X(module_unload, "cuModuleUnload", "hipModuleUnload", (GpuModule module))                                           \
  X(module_function, "cuModuleGetFunction", "hipModuleGetFunction",                                                   \
    (GpuFunction * function, GpuModule module, const char* name))                                                     \
  X(launch, "cuLaunchKernel", "hipModuleLaunchKernel",                                                                \
    (GpuFunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y,     \
     unsigned block_z, unsigned shared_bytes, GpuStream stream, void** arguments, void** extra))                      \
  X(copy_device_async, "cuMemcpyDtoDAsync_v2", "hipMemcpyAsync",                                                      \
    (GpuPointer to, GpuPointer from, std::size_t bytes, GpuStream stream))                                            \
  X(copy_2d_async, "cuMemcpy2DAsync_v2", "hipMemcpy2DAsync",                                                          \
    (GpuPointer to, std::size_t to_pitch, GpuPointer from, std::size_t from_pitch, std::size_t width_bytes,           \
     std::size_t height, GpuStream stream))                                                                           \
  X(fill_8_async, "cuMemsetD8Async", "hipMemsetD8Async",                                                              \
    (GpuPointer to, unsigned char value, std::size_t count, GpuStream stream))                                        \
  X(fill_32_async, "cuMemsetD32Async", "hipMemsetD32Async",                                                           \
    (GpuPointer to, unsigned value, std::size_t count, GpuStream stream))                                             \
  X(copy_to_device, "cuMemcpyHtoD_v2", "hipMemcpy", (GpuPointer to, const void* from, std::size_t bytes))             \
  X(copy_to_host, "cuMemcpyDtoH_v2", "hipMemcpy", (void* to, GpuPointer from, std::size_t bytes))                     \
  X(copy_to_device_async, "cuMemcpyHtoDAsync_v2", "hipMemcpyAsync",                                                   \
    (GpuPointer to, const void* from, std::size_t bytes, GpuStream stream))                                           \
  X(copy_to_host_async, "cuMemcpyDtoHAsync_v2", "hipMemcpyAsync",                                                     \
    (void* to, GpuPointer from, std::size_t bytes, GpuStream stream))                                                 \
  X(allocate, "cuMemAlloc_v2", "hipMalloc", (GpuPointer * data, std::size_t bytes))                                   \
  X(release, "cuMemFree_v2", "hipFree", (GpuPointer data))                                                            \
  X(memory_info, "cuMemGetInfo_v2", "hipMemGetInfo", (std::size_t * free, std::size_t* total))                        \
  X(stream_create, "cuStreamCreate", "hipStreamCreateWithFlags", (GpuStream * stream, unsigned flags))                \
  X(stream_destroy, "cuStreamDestroy_v2", "hipStreamDestroy", (GpuStream stream))                                     \
  X(stream_finish, "cuStreamSynchronize", "hipStreamSynchronize", (GpuStream stream))                                 \
  X(stream_wait, "cuStreamWaitEvent", "hipStreamWaitEvent", (GpuStream stream, GpuEvent event, unsigned flags))       \
  X(capture_begin, "cuStreamBeginCapture_v2", "hipStreamBeginCapture", (GpuStream stream, int mode))                  \
  X(capture_end, "cuStreamEndCapture", "hipStreamEndCapture", (GpuStream stream, GpuGraph* graph))                    \
  X(graph_instantiate, "cuGraphInstantiateWithFlags", "hipGraphInstantiate",                                          \
    (GpuGraphExec * exec, GpuGraph graph, unsigned long long flags))                                                  \
  X(graph_launch, "cuGraphLaunch", "hipGraphLaunch", (GpuGraphExec exec, GpuStream stream))                           \
  X(graph_exec_destroy, "cuGraphExecDestroy", "hipGraphExecDestroy", (GpuGraphExec exec))                             \
  X(graph_destroy, "cuGraphDestroy", "hipGraphDestroy", (GpuGraph graph))                                             \
  X(event_create, "cuEventCreate", "hipEventCreateWithFlags", (GpuEvent * event, unsigned flags))                     \
  X(event_record, "cuEventRecord", "hipEventRecord", (GpuEvent event, GpuStream stream))                              \
  X(event_finish, "cuEventSynchronize", "hipEventSynchronize", (GpuEvent event))                                      \
  X(event_elapsed, "cuEventElapsedTime", "hipEventElapsedTime", (float* milliseconds, GpuEvent begin, GpuEvent end))  \
  X(event_destroy, "cuEventDestroy_v2", "hipEventDestroy", (GpuEvent event))                                          \
  X(host_allocate, "cuMemHostAlloc", "hipHostMalloc", (void** data, std::size_t bytes, unsigned flags))               \
  X(host_release, "cuMemFreeHost", "hipHostFree", (void* data))                                                       \
  X(driver_version, "cuDriverGetVersion", "hipDriverGetVersion", (int* version))

/// The numbers by which a driver knows what may be asked of a device.
struct GpuAttributes {
  int multiprocessors;
  int shared_bytes;  ///< of shared memory or LDS that a block may ask for
  int warp_size;
  int compute_major, compute_minor;
};
constexpr GpuAttributes kCudaAttributes{16, 97, 10, 75, 76}, kHipAttributes{63, 74, 87, 23, 61};

/// The driver's own name of each function, for messages.
struct GpuCallNames {
#define ATTNRT_GPU_NAME_(member, cuda, hip, arguments) const char* member;
  ATTNRT_GPU_FUNCTIONS(ATTNRT_GPU_NAME_)
#undef ATTNRT_GPU_NAME_
};
#define ATTNRT_GPU_NAME_(member, cuda, hip, arguments) cuda,
inline constexpr GpuCallNames kCudaCallNames{ATTNRT_GPU_FUNCTIONS(ATTNRT_GPU_NAME_)};
#undef ATTNRT_GPU_NAME_
#define ATTNRT_GPU_NAME_(member, cuda, hip, arguments) hip,
inline constexpr GpuCallNames kHipCallNames{ATTNRT_GPU_FUNCTIONS(ATTNRT_GPU_NAME_)};
#undef ATTNRT_GPU_NAME_

/// The table. Every function is set but those that say otherwise; what is not set by a driver of one's own is CUDA's.
/// [thread-safe as the driver is]
struct GpuDriver {
#define ATTNRT_GPU_MEMBER_(member, cuda, hip, arguments) GpuResult(*member) arguments = nullptr;
  ATTNRT_GPU_FUNCTIONS(ATTNRT_GPU_MEMBER_)
#undef ATTNRT_GPU_MEMBER_
  /// What a kernel must be told before it is launched with much dynamic shared memory (kGpuFuncMaxDynamicShared). NULL:
  /// nothing (HIP, whose function of that name takes no function of a module).
  GpuResult (*function_set)(GpuFunction function, int attribute, int value) = nullptr;
  /// What is known of a kernel (kGpuFuncStaticShared, kGpuFuncMaxDynamicShared). NULL where function_set is.
  GpuResult (*function_get)(int* value, int attribute, GpuFunction function) = nullptr;
  /// The name of a device's architecture, "gfx942:sramecc+:xnack-". NULL: compute_major and compute_minor tell it.
  GpuResult (*arch_name)(char* name, int bytes, GpuDevice device) = nullptr;

  const char* platform = "CUDA";
  const GpuCallNames* call_names = &kCudaCallNames;
  GpuAttributes attributes = kCudaAttributes;
  void* launch_end = nullptr;  ///< what ends the list `extra` of a launch: CU_LAUNCH_PARAM_END is 0, HIP's is 3
  const char* library = "libcuda.so.1";
  int least_version = 12000;  ///< of driver_version, that plugins here are written for
  int major_unit = 1000, minor_unit = 10;  ///< of a version's number

  /// "CUDA_ERROR_OUT_OF_MEMORY".
  std::string name_of(GpuResult error) const {
    const char* name = nullptr;
    return error_name(error, &name) == 0 && name ? name : std::string(platform) + " error " + std::to_string(error);
  }
  /// "12.4" of 12040.
  std::string version_name(int version) const {
    return std::to_string(version / major_unit) + "." + std::to_string(version % major_unit / minor_unit);
  }
};

namespace detail {

template <class Entry>
bool find_in(void* library, const char* name, Entry& entry) {
  void* symbol = dlsym(library, name);
  std::memcpy(&entry, &symbol, sizeof symbol);
  return symbol != nullptr;
}

/// CUDA_MEMCPY2D.
struct CudaCopy2d {
  std::size_t src_x, src_y;
  unsigned src_type;
  const void* src_host;
  GpuPointer src_device;
  void* src_array;
  std::size_t src_pitch;
  std::size_t dst_x, dst_y;
  unsigned dst_type;
  void* dst_host;
  GpuPointer dst_device;
  void* dst_array;
  std::size_t dst_pitch;
  std::size_t width_bytes, height;
};
inline GpuResult (*cuda_copy_2d)(const CudaCopy2d* copy, GpuStream stream) = nullptr;

inline GpuResult copy_2d_by_cuda(GpuPointer to, std::size_t to_pitch, GpuPointer from, std::size_t from_pitch,
                                 std::size_t width_bytes, std::size_t height, GpuStream stream) {
  CudaCopy2d copy{};
  copy.src_type = copy.dst_type = 2;  // CU_MEMORYTYPE_DEVICE
  copy.src_device = from;
  copy.src_pitch = from_pitch;
  copy.dst_device = to;
  copy.dst_pitch = to_pitch;
  copy.width_bytes = width_bytes;
  copy.height = height;
  return cuda_copy_2d(&copy, stream);
}

/// The functions of libamdhip64 whose arguments are not those of the table.
struct HipFunctions {
  const char* (*error_name)(GpuResult error) = nullptr;
  GpuResult (*get_device)(int* device) = nullptr;
  GpuResult (*set_device)(int device) = nullptr;
  GpuResult (*copy)(void* to, const void* from, std::size_t bytes, int kind) = nullptr;
  GpuResult (*copy_async)(void* to, const void* from, std::size_t bytes, int kind, GpuStream stream) = nullptr;
  GpuResult (*copy_2d_async)(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch,
                             std::size_t width_bytes, std::size_t height, int kind, GpuStream stream) = nullptr;
  GpuResult (*fill_8_async)(void* to, unsigned char value, std::size_t count, GpuStream stream) = nullptr;
  GpuResult (*fill_32_async)(void* to, int value, std::size_t count, GpuStream stream) = nullptr;
  GpuResult (*allocate)(void** data, std::size_t bytes) = nullptr;
  GpuResult (*release)(void* data) = nullptr;
  GpuResult (*graph_instantiate)(GpuGraphExec* exec, GpuGraph graph, void** node, char* log, std::size_t bytes) =
      nullptr;
  GpuResult (*properties)(void* properties, int device) = nullptr;
};
inline HipFunctions hip;

constexpr int kHipToDevice = 1, kHipToHost = 2, kHipWithinDevice = 3;  ///< hipMemcpyKind
/// hipDeviceProp_tR0600 of ROCm 6.0 to 7.1: 1,472 bytes, with gcnArchName at byte 1,160.
constexpr std::size_t kHipPropertiesBytes = 4096, kHipArchNameAt = 1160, kHipArchNameBytes = 256;

inline void* at(GpuPointer data) { return reinterpret_cast<void*>(data); }

/// HIP has a current device for each thread in the place of a stack of contexts: a context here is a device, and the
/// devices that were current before are kept for as long as another one is pushed.
struct HipDeviceStack {
  int before[16];
  int depth = 0;
};
inline HipDeviceStack& hip_devices() {
  thread_local HipDeviceStack stack;
  return stack;
}
inline GpuContext hip_context(int device) {
  return reinterpret_cast<GpuContext>(static_cast<std::intptr_t>(device) + 1);  // NULL is no context
}
inline int hip_device(GpuContext context) { return static_cast<int>(reinterpret_cast<std::intptr_t>(context) - 1); }

inline GpuResult hip_push(GpuContext context) {
  HipDeviceStack& stack = hip_devices();
  if (stack.depth == 16 || !context) return kGpuInvalidContext;
  if (const GpuResult error = hip.get_device(&stack.before[stack.depth])) return error;
  if (const GpuResult error = hip.set_device(hip_device(context))) return error;
  ++stack.depth;
  return 0;
}
inline GpuResult hip_pop(GpuContext* context) {
  HipDeviceStack& stack = hip_devices();
  int current = 0;
  if (stack.depth == 0) return kGpuInvalidContext;
  if (const GpuResult error = hip.get_device(&current)) return error;
  *context = hip_context(current);
  return hip.set_device(stack.before[--stack.depth]);
}
inline GpuResult hip_arch_name(char* name, int bytes, GpuDevice device) {
  alignas(16) static thread_local char properties[kHipPropertiesBytes];
  if (const GpuResult error = hip.properties(properties, device)) return error;
  if (bytes <= 0) return kGpuInvalidValue;
  const std::size_t room = static_cast<std::size_t>(bytes) - 1;
  const std::size_t length = strnlen(properties + kHipArchNameAt, kHipArchNameBytes);
  std::memcpy(name, properties + kHipArchNameAt, length < room ? length : room);
  name[length < room ? length : room] = 0;
  return 0;
}

}  // namespace detail

/// A library that stands in for libcuda.so.1, or for libamdhip64.so, in this process and its children: the SDK's
/// emulators. Not believed where the process has more rights than its caller.
constexpr const char* kCudaDriverVariable = "ATTNRT_CUDA_DRIVER";
constexpr const char* kHipDriverVariable = "ATTNRT_HIP_DRIVER";

/// Fills the table from libcuda.so.1, or from the library that ATTNRT_CUDA_DRIVER names; it stays loaded. "" where that
/// was possible, else what is missing. [thread-safe]
inline std::string load_cuda(GpuDriver& driver) {
  const char* const stand_in = secure_getenv(kCudaDriverVariable);
  const bool given = stand_in && *stand_in;
  void* library = dlopen(given ? stand_in : "libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library && given) return std::string(kCudaDriverVariable) + " is " + stand_in + ", which cannot be loaded";
  if (!library) return "libcuda.so.1 not found";
#define ATTNRT_GPU_FIND_(member, cuda, hip, arguments) \
  if (!detail::find_in(library, cuda, driver.member)) \
    return "libcuda.so.1 has no " cuda ", wanted a driver for CUDA 12 or later";
  ATTNRT_GPU_FUNCTIONS(ATTNRT_GPU_FIND_)
#undef ATTNRT_GPU_FIND_
  if (!detail::find_in(library, "cuFuncSetAttribute", driver.function_set) ||
      !detail::find_in(library, "cuFuncGetAttribute", driver.function_get))
    return "libcuda.so.1 has no cuFuncSetAttribute or cuFuncGetAttribute, wanted a driver for CUDA 12 or later";
  detail::find_in(library, kCudaCallNames.copy_2d_async, detail::cuda_copy_2d);
  driver.copy_2d_async = &detail::copy_2d_by_cuda;
  return {};
}

/// The same from libamdhip64.so of ROCm 6 or later, or from the library that ATTNRT_HIP_DRIVER names. [thread-safe]
inline std::string load_hip(GpuDriver& driver) {
  const char* const stand_in = secure_getenv(kHipDriverVariable);
  const bool given = stand_in && *stand_in;
  void* library = given ? dlopen(stand_in, RTLD_NOW | RTLD_LOCAL) : nullptr;
  if (!library && given) return std::string(kHipDriverVariable) + " is " + stand_in + ", which cannot be loaded";
  for (const char* file : {"libamdhip64.so.7", "libamdhip64.so.6", "libamdhip64.so"})
    if (!library) library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
  if (!library) return "libamdhip64.so.7 and libamdhip64.so.6 not found";
#define ATTNRT_GPU_FIND_(member, cuda, hip, arguments) \
  if (!detail::find_in(library, hip, driver.member)) return "libamdhip64.so has no " hip ", wanted ROCm 6.0 or later";
  ATTNRT_GPU_FUNCTIONS(ATTNRT_GPU_FIND_)
#undef ATTNRT_GPU_FIND_
  detail::HipFunctions& hip = detail::hip;
  if (!detail::find_in(library, "hipGetDevicePropertiesR0600", hip.properties))
    return "libamdhip64.so has no hipGetDevicePropertiesR0600, wanted ROCm 6.0 or later";
  detail::find_in(library, "hipGetErrorName", hip.error_name);
  detail::find_in(library, "hipGetDevice", hip.get_device);
  detail::find_in(library, "hipSetDevice", hip.set_device);
  detail::find_in(library, "hipMemcpy", hip.copy);
  detail::find_in(library, "hipMemcpyAsync", hip.copy_async);
  detail::find_in(library, "hipMemcpy2DAsync", hip.copy_2d_async);
  detail::find_in(library, "hipMemsetD8Async", hip.fill_8_async);
  detail::find_in(library, "hipMemsetD32Async", hip.fill_32_async);
  detail::find_in(library, "hipMalloc", hip.allocate);
  detail::find_in(library, "hipFree", hip.release);
  detail::find_in(library, "hipGraphInstantiate", hip.graph_instantiate);

  using namespace detail;
  driver.error_name = [](GpuResult error, const char** name) {
    *name = detail::hip.error_name(error);
    return 0;
  };
  driver.context_retain = [](GpuContext* context, GpuDevice device) {
    *context = hip_context(device);
    return 0;
  };
  driver.context_release = [](GpuDevice) { return 0; };
  driver.context_push = &hip_push;
  driver.context_pop = &hip_pop;
  driver.context_current = [](GpuContext* context) {
    int device = 0;
    const GpuResult error = detail::hip.get_device(&device);
    *context = hip_context(device);
    return error;
  };
  driver.context_set = [](GpuContext context) { return context ? detail::hip.set_device(hip_device(context)) : 0; };
  driver.copy_device_async = [](GpuPointer to, GpuPointer from, std::size_t bytes, GpuStream stream) {
    return detail::hip.copy_async(at(to), at(from), bytes, kHipWithinDevice, stream);
  };
  driver.copy_2d_async = [](GpuPointer to, std::size_t to_pitch, GpuPointer from, std::size_t from_pitch,
                            std::size_t width_bytes, std::size_t height, GpuStream stream) {
    return detail::hip.copy_2d_async(at(to), to_pitch, at(from), from_pitch, width_bytes, height, kHipWithinDevice,
                                     stream);
  };
  driver.fill_8_async = [](GpuPointer to, unsigned char value, std::size_t count, GpuStream stream) {
    return detail::hip.fill_8_async(at(to), value, count, stream);
  };
  driver.fill_32_async = [](GpuPointer to, unsigned value, std::size_t count, GpuStream stream) {
    return detail::hip.fill_32_async(at(to), static_cast<int>(value), count, stream);
  };
  driver.copy_to_device = [](GpuPointer to, const void* from, std::size_t bytes) {
    return detail::hip.copy(at(to), from, bytes, kHipToDevice);
  };
  driver.copy_to_host = [](void* to, GpuPointer from, std::size_t bytes) {
    return detail::hip.copy(to, at(from), bytes, kHipToHost);
  };
  driver.copy_to_device_async = [](GpuPointer to, const void* from, std::size_t bytes, GpuStream stream) {
    return detail::hip.copy_async(at(to), from, bytes, kHipToDevice, stream);
  };
  driver.copy_to_host_async = [](void* to, GpuPointer from, std::size_t bytes, GpuStream stream) {
    return detail::hip.copy_async(to, at(from), bytes, kHipToHost, stream);
  };
  driver.allocate = [](GpuPointer* data, std::size_t bytes) {
    void* memory = nullptr;
    const GpuResult error = detail::hip.allocate(&memory, bytes);
    *data = reinterpret_cast<GpuPointer>(memory);
    return error;
  };
  driver.release = [](GpuPointer data) { return detail::hip.release(at(data)); };
  driver.graph_instantiate = [](GpuGraphExec* exec, GpuGraph graph, unsigned long long) {
    return detail::hip.graph_instantiate(exec, graph, nullptr, nullptr, 0);
  };
  driver.function_set = nullptr;
  driver.function_get = nullptr;
  driver.arch_name = &hip_arch_name;
  driver.platform = "HIP";
  driver.call_names = &kHipCallNames;
  driver.attributes = kHipAttributes;
  driver.launch_end = reinterpret_cast<void*>(3);  // HIP_LAUNCH_PARAM_END
  driver.library = "libamdhip64.so";
  driver.least_version = 60000000;
  driver.major_unit = 10000000;
  driver.minor_unit = 100000;
  return {};
}

/// What a GPU plugin gives for extension(kTestDriver): a way for a test in the same process to put a table of its own
/// before the system's, and the kernels that will be loaded, in the plugin's own form.
constexpr const char* kTestDriver = "attnrt.test.driver/1";
struct TestDriverHook {
  uint32_t struct_size;
  uint32_t num_kernels;
  const void* kernels;
  void (*use)(const GpuDriver* driver);  ///< NULL = the system's again; ops that exist keep theirs
};

}  // namespace attnrt::sdk
#endif
