// SPDX-License-Identifier: Apache-2.0
//
// device.hpp: one device of a driver with its primary context, and the modules that were loaded into it. Modules are
// loaded when an op is created and stay until `unload`: a load inside `run` would stop the device, and fail while a
// graph is captured.
#ifndef ATTNRT_GPU_DEVICE_HPP
#define ATTNRT_GPU_DEVICE_HPP
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <utility>

#include "attnrt/fork.hpp"
#include "driver.hpp"

namespace attnrt::gpu {

/// A function on a device, ready to be launched.
struct Function {
  sdk::GpuFunction handle = nullptr;
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
  /// A device of ATTNRT_DEVICE_CUDA or ATTNRT_DEVICE_ROCM under the driver in use; one object for each pair, for the
  /// life of the process. Throws sdk::Error where there is no such device or no driver, and where it was opened before
  /// this process was forked: a driver does not follow a fork.
  static Device& open(attnrt_device device) {
    const GpuDriver& used = gpu::driver(device.type);
    const sdk::LoadLock lock;
    if (!devices_) devices_ = new Devices;
    std::unique_ptr<Device>& found = (*devices_)[{&used, device.id}];
    if (!found) found.reset(new Device(used, device));
    if (found->process_ != getpid())
      throw sdk::Error(ATTNRT_UNAVAILABLE, sdk::say(used.platform,
                                                    " was used before this process was forked, wanted a "
                                                    "process that is started, or a fork before"));
    return *found;
  }

  const GpuDriver& driver() const noexcept { return driver_; }
  int32_t type() const noexcept { return type_; }                   ///< ATTNRT_DEVICE_*
  uint32_t arch() const noexcept { return arch_; }                  ///< as in attnrt_problem: 90 = 9.0, 0x942 = gfx942
  uint32_t shared_bytes() const noexcept { return shared_bytes_; }  ///< a block may ask for at most
  uint32_t multiprocessors() const noexcept { return multiprocessors_; }
  uint32_t warp_size() const noexcept { return warp_size_; }

  /// Makes the context current for a scope where another one is, or none: threads of an engine may never have met a
  /// device. [one thread per object]
  class Current {
   public:
    explicit Current(const Device& device) : driver_(device.driver_) {
      sdk::GpuContext current = nullptr;
      want(driver_, &sdk::GpuCallNames::context_current, driver_.context_current(&current));
      if (current == device.context_) return;
      want(driver_, &sdk::GpuCallNames::context_push, driver_.context_push(device.context_));
      pushed_ = true;
    }
    ~Current() {
      sdk::GpuContext popped = nullptr;
      if (pushed_) driver_.context_pop(&popped);
    }
    Current(const Current&) = delete;
    Current& operator=(const Current&) = delete;

   private:
    const GpuDriver& driver_;
    bool pushed_ = false;
  };

  /// The function of an image, loaded the first time. Throws sdk::Error.
  Function load(const Image& image) {
    if (image.shared_bytes > shared_bytes_)
      throw sdk::Error(ATTNRT_UNAVAILABLE, sdk::say(image.symbol, " wants ", image.shared_bytes,
                                                    " bytes of shared memory a block, the device has ", shared_bytes_));
    const sdk::LoadLock lock;
    const auto found = loaded_.find(image.data);
    if (found != loaded_.end()) return found->second.function;
    const Current current(*this);
    const BesideCaptures beside(driver_);
    sdk::GpuModule module = nullptr;
    want(driver_, &sdk::GpuCallNames::module_load, driver_.module_load(&module, image.data));
    try {
      return loaded_.emplace(image.data, Loaded{module, function_of(module, image)}).first->second.function;
    } catch (...) {
      driver_.module_unload(module);
      throw;
    }
  }

  /// Unloads an image from every device that has it, before its memory is given back: what is loaded is known by its
  /// address. No op uses it any more. What a driver answers is not told: nothing depends on it. [thread-safe]
  static void unload(const void* image) noexcept {
    const sdk::LoadLock lock;
    if (!devices_) return;
    for (auto& [which, device] : *devices_) {
      const auto found = device->loaded_.find(image);
      if (found == device->loaded_.end()) continue;
      const sdk::GpuModule module = found->second.module;
      device->loaded_.erase(found);
      if (device->process_ != getpid()) continue;
      try {
        const Current current(*device);
        const BesideCaptures beside(device->driver_);
        device->driver_.module_unload(module);
      } catch (const sdk::Error&) {
      }
    }
  }

  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

 private:
  struct Loaded {
    sdk::GpuModule module;
    Function function;
  };

  // Calls that take memory or load code are let through while another thread captures in the mode that forbids them to
  // all threads: they touch no stream.
  class BesideCaptures {
   public:
    explicit BesideCaptures(const GpuDriver& driver) : driver_(driver) {
      want(driver_, &sdk::GpuCallNames::capture_mode, driver_.capture_mode(&mode_));
    }
    ~BesideCaptures() { driver_.capture_mode(&mode_); }
    BesideCaptures(const BesideCaptures&) = delete;
    BesideCaptures& operator=(const BesideCaptures&) = delete;

   private:
    const GpuDriver& driver_;
    int mode_ = sdk::kGpuCaptureRelaxed;
  };

  // Static and dynamic shared memory share one limit; a launch may use 48 KiB of both without being told before.
  Function function_of(sdk::GpuModule module, const Image& image) const {
    Function function{nullptr, image.threads, image.shared_bytes};
    want(driver_, &sdk::GpuCallNames::module_function, driver_.module_function(&function.handle, module, image.symbol));
    if (!driver_.function_set || !image.shared_bytes) return function;
    int fixed = 0;
    want(driver_, "cuFuncGetAttribute", driver_.function_get(&fixed, sdk::kGpuFuncStaticShared, function.handle));
    if (image.shared_bytes + static_cast<uint32_t>(fixed) > shared_bytes_)
      throw sdk::Error(ATTNRT_UNAVAILABLE,
                       sdk::say(image.symbol, " wants ", image.shared_bytes, " bytes of shared memory a block beside ",
                                fixed, " of its own, the device has ", shared_bytes_));
    want(driver_, "cuFuncSetAttribute",
         driver_.function_set(function.handle, sdk::kGpuFuncMaxDynamicShared, static_cast<int>(image.shared_bytes)));
    return function;
  }

  Device(const GpuDriver& used, attnrt_device which) : driver_(used), type_(which.type) {
    sdk::GpuDevice device = 0;
    want_opened(driver_, &sdk::GpuCallNames::init, driver_.init(0));
    want_opened(driver_, &sdk::GpuCallNames::device_get, driver_.device_get(&device, which.id));
    const auto ask = [&](int attribute) {
      int value = 0;
      want_opened(driver_, &sdk::GpuCallNames::device_attribute, driver_.device_attribute(&value, attribute, device));
      return static_cast<uint32_t>(value);
    };
    shared_bytes_ = ask(driver_.attributes.shared_bytes);
    multiprocessors_ = ask(driver_.attributes.multiprocessors);
    warp_size_ = ask(driver_.attributes.warp_size);
    arch_ = driver_.arch_name ? arch_of_name(device)
                              : ask(driver_.attributes.compute_major) * 10 + ask(driver_.attributes.compute_minor);
    const BesideCaptures beside(driver_);
    want_opened(driver_, &sdk::GpuCallNames::context_retain, driver_.context_retain(&context_, device));
  }

  /// 0x942 of "gfx942:sramecc+:xnack-".
  uint32_t arch_of_name(sdk::GpuDevice device) const {
    char name[256] = {}, *end = name;
    want_opened(driver_, &sdk::GpuCallNames::device_name, driver_.arch_name(name, sizeof name, device));
    const bool known = std::strncmp(name, "gfx", 3) == 0;
    const auto arch = known ? static_cast<uint32_t>(std::strtoul(name + 3, &end, 16)) : 0;
    if (arch == 0 || (*end != 0 && *end != ':'))
      throw sdk::Error(ATTNRT_UNAVAILABLE,
                       sdk::say("the device's architecture is '", name, "', wanted gfx and digits"));
    return arch;
  }

  const GpuDriver& driver_;
  const pid_t process_ = getpid();
  const int32_t type_;
  sdk::GpuContext context_ = nullptr;
  uint32_t arch_ = 0, shared_bytes_ = 0, multiprocessors_ = 0, warp_size_ = 0;
  std::map<const void*, Loaded> loaded_;  ///< by the image's address

  // Under the LoadLock, for which a fork waits. Never destroyed: the driver may be gone by then.
  using Devices = std::map<std::pair<const GpuDriver*, int32_t>, std::unique_ptr<Device>>;
  static inline Devices* devices_ = nullptr;
};

}  // namespace attnrt::gpu
#endif
