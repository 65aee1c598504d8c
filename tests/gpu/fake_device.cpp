// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "fake_state.hpp"

namespace attnrt::fake::entry {

CuResult init(unsigned) { return Entry("cuInit", false).error; }
CuResult driver_version(int* version) {
  *version = 13000;
  return Entry("cuDriverGetVersion", false).error;
}
CuResult error_name(CuResult error, const char** name) {
  static const std::map<CuResult, const char*> names = {
      {0, "CUDA_SUCCESS"},
      {kCuInvalidValue, "CUDA_ERROR_INVALID_VALUE"},
      {kCuOutOfMemory, "CUDA_ERROR_OUT_OF_MEMORY"},
      {kCuNoDevice, "CUDA_ERROR_NO_DEVICE"},
      {kCuInvalidDevice, "CUDA_ERROR_INVALID_DEVICE"},
      {kCuInvalidContext, "CUDA_ERROR_INVALID_CONTEXT"},
      {kCuNoBinaryForGpu, "CUDA_ERROR_NO_BINARY_FOR_GPU"},
      {kCuNotFound, "CUDA_ERROR_NOT_FOUND"},
      {kCuIllegalAddress, "CUDA_ERROR_ILLEGAL_ADDRESS"},
      {kCuLaunchOutOfResources, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES"},
      {kCuLaunchFailed, "CUDA_ERROR_LAUNCH_FAILED"},
      {kCuCaptureUnsupported, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"},
      {kCuCaptureInvalidated, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"}};
  const auto found = names.find(error);
  *name = found == names.end() ? nullptr : found->second;
  return found == names.end() ? kCuInvalidValue : 0;
}

CuResult device_count(int* count) {
  const Entry entry("cuDeviceGetCount", false);
  *count = state().model.count;
  return entry.error;
}
CuResult device_get(CuDevice* device, int ordinal) {
  const Entry entry("cuDeviceGet", false);
  if (entry.error) return entry.error;
  *device = ordinal;
  return ordinal >= 0 && ordinal < state().model.count ? 0 : kCuInvalidDevice;
}
CuResult device_name(char* name, int bytes, CuDevice) {
  const Entry entry("cuDeviceGetName", false);
  std::snprintf(name, static_cast<std::size_t>(bytes), "fake device %u.%u", state().model.arch / 10,
                state().model.arch % 10);
  return entry.error;
}
CuResult device_attribute(int* value, int attribute, CuDevice) {
  const Entry entry("cuDeviceGetAttribute", false);
  const DeviceModel& model = state().model;
  switch (attribute) {
    case kCuComputeMajor: *value = static_cast<int>(model.arch / 10); break;
    case kCuComputeMinor: *value = static_cast<int>(model.arch % 10); break;
    case kCuMultiprocessors: *value = static_cast<int>(model.multiprocessors); break;
    case kCuSharedBytesOptIn: *value = static_cast<int>(model.shared_bytes); break;
    default: return refuse(kCuInvalidValue, say("attribute ", attribute));
  }
  return entry.error;
}

CuResult context_retain(CuContext* context, CuDevice) {
  const Entry entry("cuDevicePrimaryCtxRetain", false);
  *context = the_context();
  return entry.error;
}
CuResult context_release(CuDevice) { return Entry("cuDevicePrimaryCtxRelease", false).error; }
CuResult context_push(CuContext context) {
  const Entry entry("cuCtxPushCurrent", false);
  if (!entry.error) contexts().push_back(context);
  return entry.error;
}
CuResult context_pop(CuContext* context) {
  const Entry entry("cuCtxPopCurrent", false);
  if (contexts().empty()) return kCuInvalidContext;
  *context = contexts().back();
  contexts().pop_back();
  return 0;
}
CuResult context_set(CuContext context) {
  const Entry entry("cuCtxSetCurrent", false);
  if (contexts().empty()) contexts().push_back(nullptr);
  contexts().back() = context;
  return entry.error;
}

CuResult module_load(CuModule* module, const void* image) {
  const Entry entry("cuModuleLoadData");
  if (entry.error) return entry.error;
  if (const CuResult error = outside_capture("a module is loaded")) return error;
  State& s = state();
  for (uint32_t i = 0; i < s.num_kernels; ++i) {
    const triton::Binary& binary = s.kernels[i];
    if (binary.image != image) continue;
    const bool fits = s.model.arch == binary.arch ||
                      (binary.arch < 90 && s.model.arch / 10 == binary.arch / 10 && s.model.arch > binary.arch);
    if (!fits)
      return refuse(kCuNoBinaryForGpu, say(binary.symbol, " is for ", binary.arch, ", the device is ", s.model.arch));
    auto* loaded = new Module{&binary};
    s.modules.insert(loaded);
    *module = reinterpret_cast<CuModule>(loaded);
    return 0;
  }
  return refuse(kCuInvalidValue, "an image that is in no table");
}
CuResult module_unload(CuModule module) {
  const Entry entry("cuModuleUnload");
  auto* loaded = reinterpret_cast<Module*>(module);
  if (!state().modules.erase(loaded)) return kCuInvalidValue;
  delete loaded;
  return entry.error;
}
CuResult module_function(CuFunction* function, CuModule module, const char* name) {
  const Entry entry("cuModuleGetFunction");
  if (entry.error) return entry.error;
  const auto* loaded = reinterpret_cast<Module*>(module);
  if (!state().modules.count(const_cast<Module*>(loaded)) || std::strcmp(name, loaded->binary->symbol) != 0)
    return refuse(kCuNotFound, say("the module has no function ", name));
  auto& slot = state().functions[loaded->binary];
  if (!slot) slot = std::make_unique<Function>(Function{loaded->binary});
  *function = reinterpret_cast<CuFunction>(slot.get());
  return 0;
}
CuResult function_set(CuFunction function, int attribute, int value) {
  const Entry entry("cuFuncSetAttribute");
  if (entry.error) return entry.error;
  if (attribute != kCuFuncMaxDynamicShared || value < 0 || static_cast<uint32_t>(value) > state().model.shared_bytes)
    return refuse(kCuInvalidValue, say("attribute ", attribute, " is ", value));
  reinterpret_cast<Function*>(function)->dynamic_shared = static_cast<uint32_t>(value);
  return 0;
}

CuResult allocate(CuPointer* data, std::size_t bytes) {
  const Entry entry("cuMemAlloc");
  if (entry.error) return entry.error;
  if (const CuResult error = outside_capture("memory is allocated")) return error;
  if (!bytes) return refuse(kCuInvalidValue, "an allocation of 0 bytes");
  *data = state().memory->allocate(bytes);
  return *data ? 0 : kCuOutOfMemory;
}
CuResult release(CuPointer data) {
  const Entry entry("cuMemFree");
  if (entry.error) return entry.error;
  if (const CuResult error = outside_capture("memory is freed")) return error;
  if (const CuResult error = drain_all()) return error;
  return state().memory->release(data) ? 0 : refuse(kCuInvalidValue, "freed what is not allocated");
}
CuResult memory_info(std::size_t* free, std::size_t* total) {
  const Entry entry("cuMemGetInfo");
  *total = state().memory->limit;
  *free = *total - state().memory->used();
  return entry.error;
}

// Events tell no time here: what they would measure is the twins.
CuResult event_create(CuEvent* event, unsigned) {
  *event = reinterpret_cast<CuEvent>(&state());
  return Entry("cuEventCreate").error;
}
CuResult event_record(CuEvent, CuStream) { return Entry("cuEventRecord").error; }
CuResult event_finish(CuEvent) {
  const Entry entry("cuEventSynchronize");
  return entry.error ? entry.error : drain_all();
}
CuResult event_elapsed(float* milliseconds, CuEvent, CuEvent) {
  *milliseconds = 0;
  return Entry("cuEventElapsedTime").error;
}
CuResult event_destroy(CuEvent) { return Entry("cuEventDestroy").error; }

}  // namespace attnrt::fake::entry
