// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "fake_state.hpp"

namespace attnrt::fake::entry {

GpuResult init(unsigned) { return Entry("cuInit", false).error; }
GpuResult driver_version(int* version) {
  *version = 13000;
  return Entry("cuDriverGetVersion", false).error;
}
GpuResult error_name(GpuResult error, const char** name) {
  static const std::map<GpuResult, const char*> names = {
      {0, "CUDA_SUCCESS"},
      {kGpuInvalidValue, "CUDA_ERROR_INVALID_VALUE"},
      {kGpuOutOfMemory, "CUDA_ERROR_OUT_OF_MEMORY"},
      {kGpuNoDevice, "CUDA_ERROR_NO_DEVICE"},
      {kGpuInvalidDevice, "CUDA_ERROR_INVALID_DEVICE"},
      {kGpuInvalidContext, "CUDA_ERROR_INVALID_CONTEXT"},
      {kGpuNoBinaryForGpu, "CUDA_ERROR_NO_BINARY_FOR_GPU"},
      {kGpuNotFound, "CUDA_ERROR_NOT_FOUND"},
      {kGpuIllegalAddress, "CUDA_ERROR_ILLEGAL_ADDRESS"},
      {kGpuLaunchOutOfResources, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES"},
      {kGpuLaunchFailed, "CUDA_ERROR_LAUNCH_FAILED"},
      {kGpuCaptureUnsupported, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"},
      {kGpuCaptureInvalidated, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"}};
  const auto found = names.find(error);
  *name = found == names.end() ? nullptr : found->second;
  return found == names.end() ? kGpuInvalidValue : 0;
}

GpuResult device_count(int* count) {
  const Entry entry("cuDeviceGetCount", false);
  *count = state().model.count;
  return entry.error;
}
GpuResult device_get(GpuDevice* device, int ordinal) {
  const Entry entry("cuDeviceGet", false);
  if (entry.error) return entry.error;
  *device = ordinal;
  return ordinal >= 0 && ordinal < state().model.count ? 0 : kGpuInvalidDevice;
}
GpuResult device_name(char* name, int bytes, GpuDevice) {
  const Entry entry("cuDeviceGetName", false);
  std::snprintf(name, static_cast<std::size_t>(bytes), "fake device %u.%u", state().model.arch / 10,
                state().model.arch % 10);
  return entry.error;
}
GpuResult device_attribute(int* value, int attribute, GpuDevice) {
  const Entry entry("cuDeviceGetAttribute", false);
  const DeviceModel& model = state().model;
  switch (attribute) {
    case kCudaAttributes.compute_major: *value = static_cast<int>(model.arch / 10); break;
    case kCudaAttributes.compute_minor: *value = static_cast<int>(model.arch % 10); break;
    case kCudaAttributes.multiprocessors: *value = static_cast<int>(model.multiprocessors); break;
    case kCudaAttributes.shared_bytes: *value = static_cast<int>(model.shared_bytes); break;
    case kCudaAttributes.warp_size: *value = 32; break;
    default: return refuse(kGpuInvalidValue, say("attribute ", attribute));
  }
  return entry.error;
}

GpuResult context_retain(GpuContext* context, GpuDevice) {
  const Entry entry("cuDevicePrimaryCtxRetain", false);
  *context = the_context();
  return entry.error;
}
GpuResult context_release(GpuDevice) { return Entry("cuDevicePrimaryCtxRelease", false).error; }
GpuResult context_push(GpuContext context) {
  const Entry entry("cuCtxPushCurrent", false);
  if (!entry.error) contexts().push_back(context);
  return entry.error;
}
GpuResult context_pop(GpuContext* context) {
  const Entry entry("cuCtxPopCurrent", false);
  if (contexts().empty()) return kGpuInvalidContext;
  *context = contexts().back();
  contexts().pop_back();
  return 0;
}
GpuResult context_set(GpuContext context) {
  const Entry entry("cuCtxSetCurrent", false);
  if (contexts().empty()) contexts().push_back(nullptr);
  contexts().back() = context;
  return entry.error;
}

GpuResult module_load(GpuModule* module, const void* image) {
  const Entry entry("cuModuleLoadData");
  if (entry.error) return entry.error;
  if (const GpuResult error = outside_capture("a module is loaded")) return error;
  State& s = state();
  for (uint32_t i = 0; i < s.num_kernels; ++i) {
    const gpu::KernelImage& binary = s.kernels[i];
    if (binary.image != image) continue;
    const bool fits = s.model.arch == binary.arch ||
                      (binary.arch < 90 && s.model.arch / 10 == binary.arch / 10 && s.model.arch > binary.arch);
    if (!fits)
      return refuse(kGpuNoBinaryForGpu, say(binary.symbol, " is for ", binary.arch, ", the device is ", s.model.arch));
    auto* loaded = new Module{&binary};
    s.modules.insert(loaded);
    *module = reinterpret_cast<GpuModule>(loaded);
    return 0;
  }
  return refuse(kGpuInvalidValue, "an image that is in no table");
}
GpuResult module_unload(GpuModule module) {
  const Entry entry("cuModuleUnload");
  auto* loaded = reinterpret_cast<Module*>(module);
  if (!state().modules.erase(loaded)) return kGpuInvalidValue;
  delete loaded;
  return entry.error;
}
GpuResult module_function(GpuFunction* function, GpuModule module, const char* name) {
  const Entry entry("cuModuleGetFunction");
  if (entry.error) return entry.error;
  const auto* loaded = reinterpret_cast<Module*>(module);
  if (!state().modules.count(const_cast<Module*>(loaded)) || std::strcmp(name, loaded->binary->symbol) != 0)
    return refuse(kGpuNotFound, say("the module has no function ", name));
  auto& slot = state().functions[loaded->binary];
  if (!slot) slot = std::make_unique<Function>(Function{loaded->binary});
  *function = reinterpret_cast<GpuFunction>(slot.get());
  return 0;
}
GpuResult function_set(GpuFunction function, int attribute, int value) {
  const Entry entry("cuFuncSetAttribute");
  if (entry.error) return entry.error;
  if (attribute != kGpuFuncMaxDynamicShared || value < 0 || static_cast<uint32_t>(value) > state().model.shared_bytes)
    return refuse(kGpuInvalidValue, say("attribute ", attribute, " is ", value));
  reinterpret_cast<Function*>(function)->dynamic_shared = static_cast<uint32_t>(value);
  return 0;
}

GpuResult allocate(GpuPointer* data, std::size_t bytes) {
  const Entry entry("cuMemAlloc");
  if (entry.error) return entry.error;
  if (const GpuResult error = outside_capture("memory is allocated")) return error;
  if (!bytes) return refuse(kGpuInvalidValue, "an allocation of 0 bytes");
  *data = state().memory->allocate(bytes);
  return *data ? 0 : kGpuOutOfMemory;
}
GpuResult release(GpuPointer data) {
  const Entry entry("cuMemFree");
  if (entry.error) return entry.error;
  if (const GpuResult error = outside_capture("memory is freed")) return error;
  if (const GpuResult error = drain_all()) return error;
  return state().memory->release(data) ? 0 : refuse(kGpuInvalidValue, "freed what is not allocated");
}
GpuResult memory_info(std::size_t* free, std::size_t* total) {
  const Entry entry("cuMemGetInfo");
  *total = state().memory->limit;
  *free = *total - state().memory->used();
  return entry.error;
}

// Events tell no time here: what they would measure is the twins.
GpuResult event_create(GpuEvent* event, unsigned) {
  *event = reinterpret_cast<GpuEvent>(&state());
  return Entry("cuEventCreate").error;
}
GpuResult event_record(GpuEvent, GpuStream) { return Entry("cuEventRecord").error; }
GpuResult event_finish(GpuEvent) {
  const Entry entry("cuEventSynchronize");
  return entry.error ? entry.error : drain_all();
}
GpuResult event_elapsed(float* milliseconds, GpuEvent, GpuEvent) {
  *milliseconds = 0;
  return Entry("cuEventElapsedTime").error;
}
GpuResult event_destroy(GpuEvent) { return Entry("cuEventDestroy").error; }

}  // namespace attnrt::fake::entry
