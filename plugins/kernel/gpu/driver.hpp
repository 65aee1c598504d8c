// SPDX-License-Identifier: Apache-2.0
//
// driver.hpp: the driver that a GPU plugin works through: libcuda.so.1, or what a test put in its place.
#ifndef ATTNRT_KERNEL_GPU_DRIVER_HPP
#define ATTNRT_KERNEL_GPU_DRIVER_HPP
#include <atomic>
#include <string>

#include "attnrt/cuda_driver.hpp"
#include "attnrt/fork.hpp"
#include "attnrt/plugin.hpp"

namespace attnrt::gpu {

using sdk::CudaDriver;

/// The status that a driver's error becomes.
constexpr attnrt_status status_of(sdk::CuResult error) {
  switch (error) {
    case sdk::kCuOutOfMemory:
      return ATTNRT_NO_MEMORY;
    case sdk::kCuNotInitialized:  // in a child of a process that used the driver
    case sdk::kCuDevicesUnavailable:
    case sdk::kCuNoDevice:
    case sdk::kCuInvalidDevice:
    case sdk::kCuInvalidImage:
    case sdk::kCuNoBinaryForGpu:
    case sdk::kCuUnsupportedPtx:
    case sdk::kCuSystemDriverMismatch:
    case sdk::kCuCompatNotSupported:
      return ATTNRT_UNAVAILABLE;
    default:
      return ATTNRT_FAILED;
  }
}

/// Throws sdk::Error with the name of the call and of the error unless it is 0.
inline void want(const CudaDriver& driver, const char* call, sdk::CuResult error) {
  if (error)
    throw sdk::Error(status_of(error), sdk::say(call, " answered ", error, " (", driver.name_of(error), "), wanted 0"));
}

/// The driver in use, or NULL and why there is none. libcuda.so.1 is loaded at the first question; cuInit waits for the
/// first device that is opened, for a process that has called it cannot use CUDA in its forked children. [thread-safe]
class DriverSlot {
 public:
  const CudaDriver* get(std::string& why) {
    if (const CudaDriver* given = given_.load(std::memory_order_acquire)) return given;
    const Loaded& loaded = loaded_.get([] { return Loaded(); });
    why = loaded.why;
    return loaded.why.empty() ? &loaded.table : nullptr;
  }
  void use(const CudaDriver* driver) { given_.store(driver, std::memory_order_release); }

 private:
  struct Loaded {
    Loaded() {
      why = sdk::load_cuda_driver(table);
      int version = 0;
      if (why.empty() && (table.driver_version(&version) || version < 12000))
        why = sdk::say("libcuda.so.1 is a driver for CUDA ", version / 1000, ".", version % 1000 / 10,
                       ", wanted 12.0 or later");
    }
    CudaDriver table;
    std::string why;
  };
  std::atomic<const CudaDriver*> given_{nullptr};
  sdk::Once<Loaded> loaded_;
};

inline DriverSlot& driver_slot() {
  static constinit DriverSlot slot;
  return slot;
}

/// The driver, or an sdk::Error UNAVAILABLE. [thread-safe]
inline const CudaDriver& driver() {
  std::string why;
  if (const CudaDriver* found = driver_slot().get(why)) return *found;
  throw sdk::Error(ATTNRT_UNAVAILABLE, why);
}

}  // namespace attnrt::gpu
#endif
