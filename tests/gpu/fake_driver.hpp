// SPDX-License-Identifier: Apache-2.0
//
// A CUDA driver that needs no device: the function table of attnrt/gpu_driver.hpp on the CPU. What is enqueued waits
// until somebody synchronises, as on a device; kernels run as their twins; what CUDA forbids while a stream is captured
// fails.
#ifndef ATTNRT_TESTS_GPU_FAKE_DRIVER_HPP
#define ATTNRT_TESTS_GPU_FAKE_DRIVER_HPP
#include <cstdint>
#include <string>
#include <vector>

#include "attnrt/gpu_driver.hpp"
#include "launch_record.hpp"

namespace attnrt::fake {

/// The device that is pretended.
struct DeviceModel {
  uint32_t arch = 90;
  uint32_t multiprocessors = 132;
  uint32_t shared_bytes = 227 * 1024;  ///< a block may ask for
  int count = 1;
};

/// The table; another one after each reset, NULL before the first. [thread-safe]
const sdk::GpuDriver* driver();

/// Forgets all that was allocated, loaded, enqueued or failed, and pretends this device. Kernels are those
/// of the plugin under test.
void reset(const DeviceModel& model, const gpu::KernelImage* kernels, uint32_t num_kernels);

/// The next call of this function ("cuLaunchKernel") answers `error`, after `skip` calls that do not.
void fail(const char* function, sdk::GpuResult error, uint32_t skip = 0);

/// Memory that may be allocated in all.
void limit_memory(std::size_t bytes);

/// Launches that were enqueued since the last question, captured ones included.
std::vector<LaunchRecord> take_launches();

/// What was wrong with the call that failed last, in words: the device says only a number.
std::string complaint();

/// Calls of a function since reset.
uint64_t calls(const char* function);

}  // namespace attnrt::fake
#endif
