// SPDX-License-Identifier: Apache-2.0
//
// device.hpp: one device of the driver with its primary context, and the modules that were loaded into it. Modules are
// loaded when an op is created and stay: a load inside `run` would stop the device, and fail while a graph is captured.
#ifndef ATTNRT_KERNEL_GPU_DEVICE_HPP
#define ATTNRT_KERNEL_GPU_DEVICE_HPP
#include <cstdint>
#include <map>
#include <memory>
#include <utility>

#include "attnrt/fork.hpp"
#include "driver.hpp"

namespace attnrt::gpu {

/// A function on a device, ready to be launched.
struct Function {
  sdk::CuFunction handle = nullptr;
  uint32_t threads = 0;       ///< a block
  uint32_t shared_bytes = 0;  ///< dynamic, a block
};

/// What a module is loaded from.
struct Image {
  const void* data;
  const char* symbol;
  uint32_t threads, shared_bytes;
};

/// [thread-safe]
class Device {
 public:
  /// The device of this ordinal under the driver in use; one object for each pair, for the life of the process.
  /// Throws sdk::Error where there is no such device or no driver.
  static Device& open(int32_t ordinal) {
    const CudaDriver& used = gpu::driver();
    const sdk::LoadLock lock;
    if (!devices_) devices_ = new Devices;
    std::unique_ptr<Device>& device = (*devices_)[{&used, ordinal}];
    if (!device) device.reset(new Device(used, ordinal));
    return *device;
  }

  const CudaDriver& driver() const noexcept { return driver_; }
  uint32_t arch() const noexcept { return arch_; }  ///< 90 = 9.0
  uint32_t shared_bytes() const noexcept { return shared_bytes_; }  ///< a block may ask for at most
  uint32_t multiprocessors() const noexcept { return multiprocessors_; }

  /// The function of an image, loaded the first time. Throws sdk::Error.
  Function load(const Image& image) {
    if (image.shared_bytes > shared_bytes_)
      throw sdk::Error(ATTNRT_UNAVAILABLE, sdk::say(image.symbol, " wants ", image.shared_bytes,
                                                    " bytes of shared memory a block, the device has ", shared_bytes_));
    const sdk::LoadLock lock;
    const auto found = functions_.find(image.data);
    if (found != functions_.end()) return found->second;
    const Current current(*this);
    sdk::CuModule module = nullptr;
    Function function{nullptr, image.threads, image.shared_bytes};
    want(driver_, "cuModuleLoadData", driver_.module_load(&module, image.data));
    if (const sdk::CuResult error = driver_.module_function(&function.handle, module, image.symbol)) {
      driver_.module_unload(module);
      want(driver_, "cuModuleGetFunction", error);
    }
    if (image.shared_bytes >= 48 * 1024)
      want(driver_, "cuFuncSetAttribute",
           driver_.function_set(function.handle, sdk::kCuFuncMaxDynamicShared, static_cast<int>(image.shared_bytes)));
    return functions_.emplace(image.data, function).first->second;
  }

  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

 private:
  // Makes the context current for a scope.
  class Current {
   public:
    explicit Current(const Device& device) : driver_(device.driver_) {
      want(driver_, "cuCtxPushCurrent", driver_.context_push(device.context_));
    }
    ~Current() {
      sdk::CuContext popped = nullptr;
      driver_.context_pop(&popped);
    }
    Current(const Current&) = delete;
    Current& operator=(const Current&) = delete;

   private:
    const CudaDriver& driver_;
  };

  Device(const CudaDriver& used, int32_t ordinal) : driver_(used) {
    sdk::CuDevice device = 0;
    want(driver_, "cuInit", driver_.init(0));
    want(driver_, "cuDeviceGet", driver_.device_get(&device, ordinal));
    int major = 0, minor = 0, shared = 0, multiprocessors = 0;
    for (const auto& [attribute, value] : {std::pair(sdk::kCuComputeMajor, &major),
                                           {sdk::kCuComputeMinor, &minor},
                                           {sdk::kCuSharedBytesOptIn, &shared},
                                           {sdk::kCuMultiprocessors, &multiprocessors}})
      want(driver_, "cuDeviceGetAttribute", driver_.device_attribute(value, attribute, device));
    arch_ = static_cast<uint32_t>(major * 10 + minor);
    shared_bytes_ = static_cast<uint32_t>(shared);
    multiprocessors_ = static_cast<uint32_t>(multiprocessors);
    want(driver_, "cuDevicePrimaryCtxRetain", driver_.context_retain(&context_, device));
  }

  const CudaDriver& driver_;
  sdk::CuContext context_ = nullptr;
  uint32_t arch_ = 0, shared_bytes_ = 0, multiprocessors_ = 0;
  std::map<const void*, Function> functions_;

  // Under the LoadLock, for which a fork waits. Never destroyed: the driver may be gone by then.
  using Devices = std::map<std::pair<const CudaDriver*, int32_t>, std::unique_ptr<Device>>;
  static inline Devices* devices_ = nullptr;
};

}  // namespace attnrt::gpu
#endif
