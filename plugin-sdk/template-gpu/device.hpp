// SPDX-License-Identifier: Apache-2.0
//
// The driver and the devices: opened when they are first asked for, so that the plugin loads on every machine and says
// what is missing. Kernels are loaded when an op is created, never in a run: a load would stop the device.
#ifndef EXAMPLE_GPU_ATTN_DEVICE_HPP
#define EXAMPLE_GPU_ATTN_DEVICE_HPP
#include <attnrt/fork.hpp>
#include <attnrt/gpu_driver.hpp>
#include <attnrt/plugin.hpp>
#include <string>

#include "image.hpp"

namespace example_gpu_attn {

using attnrt::sdk::GpuDriver;

/// The driver's table. Throws Error UNAVAILABLE with what is missing. [thread-safe]
inline const GpuDriver& driver() {
  struct Loaded {
    GpuDriver table;
    std::string why;
  };
  static attnrt::sdk::Once<Loaded> once;  // constant-initialised: no guard that a fork could leave locked
  const Loaded& loaded = once.get([] {
    Loaded made;
    made.why = attnrt::sdk::load_cuda(made.table);
    return made;
  });
  if (!loaded.why.empty()) throw attnrt::sdk::Error(ATTNRT_UNAVAILABLE, loaded.why);
  return loaded.table;
}

/// Throws Error with the name of the call and of the driver's error.
inline void want(const char* call, attnrt::sdk::GpuResult error) {
  if (error)
    throw attnrt::sdk::Error(error == attnrt::sdk::kGpuOutOfMemory ? ATTNRT_NO_MEMORY : ATTNRT_FAILED,
                             attnrt::sdk::say(call, " answered ", error, " (", driver().name_of(error), "), wanted 0"));
}

/// The kernels on one device, and its context, for the life of the process.
struct Kernels {
  attnrt::sdk::GpuContext context = nullptr;
  attnrt::sdk::GpuFunction attention = nullptr, write_rows = nullptr;
};

constexpr int kMostDevices = 16;

/// Those of a device. Throws Error. [thread-safe]
inline const Kernels& kernels_of(attnrt_device device) {
  static attnrt::sdk::Once<Kernels> devices[kMostDevices];
  if (device.id < 0 || device.id >= kMostDevices)
    throw attnrt::sdk::Error(ATTNRT_UNAVAILABLE, attnrt::sdk::say("device ", device.id, ", wanted 0 to 15"));
  return devices[device.id].get([&] {
    const GpuDriver& d = driver();
    attnrt::sdk::GpuDevice handle = 0;
    attnrt::sdk::GpuContext popped = nullptr;
    Kernels kernels;
    attnrt::sdk::GpuModule module = nullptr;
    want("cuInit", d.init(0));
    want("cuDeviceGet", d.device_get(&handle, device.id));
    want("cuDevicePrimaryCtxRetain", d.context_retain(&kernels.context, handle));
    want("cuCtxPushCurrent", d.context_push(kernels.context));
    attnrt::sdk::GpuResult error = d.module_load(&module, example_gpu_attn_image);
    if (!error) error = d.module_function(&kernels.attention, module, "attention");
    if (!error) error = d.module_function(&kernels.write_rows, module, "write_rows");
    d.context_pop(&popped);
    want("loading the kernels", error);
    return kernels;
  });
}

/// Enqueues a kernel whose one parameter is this struct. The calling thread may have another context current, or none.
/// Throws Error. [thread-safe]
template <class Arguments>
void launch(const Kernels& kernels, attnrt::sdk::GpuFunction kernel, int64_t grid_x, int64_t grid_y, unsigned threads,
            Arguments arguments, attnrt_stream stream) {
  if (!grid_x || !grid_y) return;
  void* parameters[] = {&arguments};
  const GpuDriver& d = driver();
  attnrt::sdk::GpuContext popped = nullptr;
  want("cuCtxPushCurrent", d.context_push(kernels.context));
  const attnrt::sdk::GpuResult error =
      d.launch(kernel, static_cast<unsigned>(grid_x), static_cast<unsigned>(grid_y), 1, threads, 1, 1, 0,
               static_cast<attnrt::sdk::GpuStream>(const_cast<void*>(stream)), parameters, nullptr);
  d.context_pop(&popped);
  want("cuLaunchKernel", error);
}

}  // namespace example_gpu_attn
#endif
