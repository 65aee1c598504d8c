// SPDX-License-Identifier: Apache-2.0
//
// A libamdhip64.so.7 without a device: what attnrt/gpu_driver.hpp calls is written down, with its arguments, for
// hip_driver.cpp, which reads it by hip_test_calls. Signatures are those of HIP's hip_runtime_api.h, ROCm 6.0.
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <string>

#define HIP_TEST_EXPORT extern "C" __attribute__((visibility("default")))

namespace {

std::string calls;
int current = 0;

template <class... Arguments>
int note(const char* form, Arguments... arguments) {
  char line[256];
  std::snprintf(line, sizeof line, form, arguments...);
  calls += line;
  calls += '\n';
  return 0;
}

}  // namespace

/// The calls since the last question, one a line.
HIP_TEST_EXPORT const char* hip_test_calls() {
  static std::string told;
  told = calls;
  calls.clear();
  return told.c_str();
}

HIP_TEST_EXPORT int hipInit(unsigned) { return 0; }
HIP_TEST_EXPORT const char* hipGetErrorName(int error) {
  return error == 2 ? "hipErrorOutOfMemory" : "hipErrorUnknown";
}
HIP_TEST_EXPORT int hipGetDeviceCount(int* count) { return *count = 4, 0; }
HIP_TEST_EXPORT int hipDeviceGet(int* device, int ordinal) { return *device = ordinal, 0; }
HIP_TEST_EXPORT int hipDeviceGetName(char* name, int bytes, int) { return std::snprintf(name, bytes, "test"), 0; }
HIP_TEST_EXPORT int hipDeviceGetAttribute(int* value, int attribute, int) {
  *value = attribute == 63 ? 304 : attribute == 74 ? 65536 : attribute == 87 ? 64 : -1;
  return 0;
}
HIP_TEST_EXPORT int hipGetDevicePropertiesR0600(void* properties, int) {
  std::strcpy(static_cast<char*>(properties) + 1160, "gfx942:sramecc+:xnack-");
  return 0;
}
HIP_TEST_EXPORT int hipGetDevice(int* device) { return *device = current, 0; }
HIP_TEST_EXPORT int hipSetDevice(int device) { return note("device %d", current = device); }
HIP_TEST_EXPORT int hipModuleLoadData(void** module, const void*) { return *module = &current, 0; }
HIP_TEST_EXPORT int hipModuleUnload(void*) { return 0; }
HIP_TEST_EXPORT int hipModuleGetFunction(void** function, void*, const char*) { return *function = &calls, 0; }
HIP_TEST_EXPORT int hipFuncSetAttribute(const void*, int, int) { return note("hipFuncSetAttribute"); }
HIP_TEST_EXPORT int hipModuleLaunchKernel(void*, unsigned x, unsigned y, unsigned z, unsigned block_x, unsigned,
                                          unsigned, unsigned shared, void*, void**, void** extra) {
  return note("launch %u %u %u x %u, shared %u, %zu bytes, end %zu", x, y, z, block_x, shared,
              *static_cast<std::size_t*>(extra[3]), reinterpret_cast<std::size_t>(extra[4]));
}
HIP_TEST_EXPORT int hipMemcpy(void*, const void*, std::size_t bytes, int kind) {
  return note("copy %zu kind %d", bytes, kind);
}
HIP_TEST_EXPORT int hipMemcpyAsync(void* to, const void* from, std::size_t bytes, int kind, void*) {
  return note("copy %p %p %zu kind %d", to, from, bytes, kind);
}
HIP_TEST_EXPORT int hipMemcpy2DAsync(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch,
                                     std::size_t width, std::size_t height, int kind, void*) {
  return note("copy %p %zu %p %zu %zu x %zu kind %d", to, to_pitch, from, from_pitch, width, height, kind);
}
HIP_TEST_EXPORT int hipMemsetD8Async(void* to, unsigned char value, std::size_t count, void*) {
  return note("fill %p %d %zu", to, value, count);
}
HIP_TEST_EXPORT int hipMemsetD32Async(void* to, int value, std::size_t count, void*) {
  return note("fill %p %d %zu", to, value, count);
}
HIP_TEST_EXPORT int hipMalloc(void** data, std::size_t) { return *data = reinterpret_cast<void*>(0x1000), 0; }
HIP_TEST_EXPORT int hipFree(void* data) { return note("free %p", data); }
HIP_TEST_EXPORT int hipMemGetInfo(std::size_t* free, std::size_t* total) { return *free = *total = 1, 0; }
HIP_TEST_EXPORT int hipGraphInstantiate(void** exec, void*, void** node, char* log, std::size_t bytes) {
  *exec = nullptr;
  return note("instantiate %d %zu", !node && !log, bytes);
}
HIP_TEST_EXPORT int hipDriverGetVersion(int* version) { return *version = 70026015, 0; }

#define HIP_TEST_UNUSED(name) \
  HIP_TEST_EXPORT int name() { return note(#name); }
HIP_TEST_UNUSED(hipStreamCreateWithFlags)
HIP_TEST_UNUSED(hipStreamDestroy)
HIP_TEST_UNUSED(hipStreamSynchronize)
HIP_TEST_UNUSED(hipStreamBeginCapture)
HIP_TEST_UNUSED(hipStreamWaitEvent)
HIP_TEST_UNUSED(hipThreadExchangeStreamCaptureMode)
HIP_TEST_UNUSED(hipStreamEndCapture)
HIP_TEST_UNUSED(hipGraphLaunch)
HIP_TEST_UNUSED(hipGraphExecDestroy)
HIP_TEST_UNUSED(hipGraphDestroy)
HIP_TEST_UNUSED(hipEventCreateWithFlags)
HIP_TEST_UNUSED(hipEventRecord)
HIP_TEST_UNUSED(hipEventSynchronize)
HIP_TEST_UNUSED(hipEventElapsedTime)
HIP_TEST_UNUSED(hipEventDestroy)
HIP_TEST_UNUSED(hipHostMalloc)
HIP_TEST_UNUSED(hipHostFree)
