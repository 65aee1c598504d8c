// SPDX-License-Identifier: Apache-2.0
//
// driver.hpp: the driver that a GPU plugin works through: the system's, or what a test put in its place.
#ifndef ATTNRT_GPU_DRIVER_SLOT_HPP
#define ATTNRT_GPU_DRIVER_SLOT_HPP
#include <atomic>
#include <string>
#include <string_view>

#include "attnrt/fork.hpp"
#include "attnrt/gpu_driver.hpp"
#include "attnrt/plugin.hpp"

namespace attnrt::gpu {

using sdk::GpuDriver;

/// The status that a driver's error becomes.
constexpr attnrt_status status_of(sdk::GpuResult error) {
  switch (error) {
    case sdk::kGpuOutOfMemory:
      return ATTNRT_NO_MEMORY;
    case sdk::kGpuNotInitialized:  // in a child of a process that used the driver
    case sdk::kGpuDevicesUnavailable:
    case sdk::kGpuNoDevice:
    case sdk::kGpuInvalidDevice:
    case sdk::kGpuInvalidImage:
    case sdk::kGpuNoBinaryForGpu:
    case sdk::kGpuUnsupportedPtx:
    case sdk::kGpuSystemDriverMismatch:
    case sdk::kGpuCompatNotSupported:
      return ATTNRT_UNAVAILABLE;
    default:
      return ATTNRT_FAILED;
  }
}

/// Throws sdk::Error with the name of the call and of the error unless it is 0.
inline void want(const GpuDriver& driver, std::string_view call, sdk::GpuResult error) {
  if (error)
    throw sdk::Error(
        status_of(error),
        sdk::say(call, " answered ", error, " (", driver.name_of(error), "), wanted 0",
                 error == sdk::kGpuInvalidHandle ? "; streams are those of the device's primary context" : ""));
}
/// The name that the driver in use has for a function of the table.
inline std::string_view name_of(const GpuDriver& driver, const char* const sdk::GpuCallNames::*call) {
  const std::string_view name = driver.call_names->*call;
  return name.substr(0, name.find('_'));  // "cuMemAlloc_v2" is known as cuMemAlloc
}
inline void want(const GpuDriver& driver, const char* const sdk::GpuCallNames::*call, sdk::GpuResult error) {
  want(driver, name_of(driver, call), error);
}

/// What an error of a call that opens a device mostly comes from; "" where its name says it.
constexpr std::string_view remedy(sdk::GpuResult error) {
  if (error == sdk::kGpuNotInitialized) return "; the driver was used before this process was forked";
  if (error == sdk::kGpuDevicesUnavailable)
    return "; nvidia-smi -q -d COMPUTE tells whether another process has the device to itself";
  if (error == sdk::kGpuSystemNotReady)
    return "; where GPUs are joined by NVSwitch the service nvidia-fabricmanager must run";
  if (error >= sdk::kGpuMpsConnectionFailed && error <= sdk::kGpuMpsClientTerminated)
    return "; the MPS server of this machine does not serve this process";
  if (error == sdk::kGpuUnknown) return "; a kernel module of the driver may be missing, or the machine was suspended";
  return "";
}
/// The same for calls that open a device: what fails there fails for all kernels of this driver, so that another
/// backend may serve. UNAVAILABLE, or NO_MEMORY.
inline void want_opened(const GpuDriver& driver, const char* const sdk::GpuCallNames::*call, sdk::GpuResult error) {
  if (error)
    throw sdk::Error(error == sdk::kGpuOutOfMemory ? ATTNRT_NO_MEMORY : ATTNRT_UNAVAILABLE,
                     sdk::say(name_of(driver, call), " answered ", error, " (", driver.name_of(error), "), wanted 0",
                              remedy(error)));
}

/// The driver in use, or NULL and why there is none. The system's is loaded at the first question; its `init` waits for
/// the first device that is opened, for a process that has called it cannot use the device in its forked children.
/// [thread-safe]
class DriverSlot {
 public:
  /// `load`: load_cuda or load_hip.
  constexpr explicit DriverSlot(std::string (*load)(GpuDriver& table)) : load_(load) {}

  const GpuDriver* get(std::string& why) {
    if (const GpuDriver* given = given_.load(std::memory_order_acquire)) return given;
    const Loaded& loaded = loaded_.get([this] { return Loaded(load_); });
    why = loaded.why;
    return loaded.why.empty() ? &loaded.table : nullptr;
  }
  void use(const GpuDriver* driver) { given_.store(driver, std::memory_order_release); }

 private:
  struct Loaded {
    explicit Loaded(std::string (*load)(GpuDriver& table)) {
      why = load(table);
      int version = 0;
      if (!why.empty()) return;
      if (const sdk::GpuResult error = table.driver_version(&version))
        why = sdk::say(table.library, ": ", name_of(table, &sdk::GpuCallNames::driver_version), " answered ", error,
                       " (", table.name_of(error), "), wanted 0");
      else if (version < table.least_version)
        why = sdk::say(table.library, " is a driver for ", table.platform, " ", table.version_name(version),
                       ", wanted ", table.version_name(table.least_version), " or later");
    }
    GpuDriver table;
    std::string why;
  };
  std::string (*const load_)(GpuDriver& table);
  std::atomic<const GpuDriver*> given_{nullptr};
  sdk::Once<Loaded> loaded_;
};

/// The slot for devices of ATTNRT_DEVICE_CUDA or ATTNRT_DEVICE_ROCM. [thread-safe]
inline DriverSlot& driver_slot(int32_t device_type) {
  static constinit DriverSlot cuda(&sdk::load_cuda), hip(&sdk::load_hip);
  return device_type == ATTNRT_DEVICE_ROCM ? hip : cuda;
}

/// The driver of these devices, or an sdk::Error UNAVAILABLE. [thread-safe]
inline const GpuDriver& driver(int32_t device_type) {
  std::string why;
  if (const GpuDriver* found = driver_slot(device_type).get(why)) return *found;
  throw sdk::Error(ATTNRT_UNAVAILABLE, why);
}

}  // namespace attnrt::gpu
#endif
