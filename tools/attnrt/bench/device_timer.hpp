// SPDX-License-Identifier: Apache-2.0
//
// bench/device_timer.hpp: how long a run takes on a device.
#ifndef ATTNRT_CLI_BENCH_DEVICE_TIMER_HPP
#define ATTNRT_CLI_BENCH_DEVICE_TIMER_HPP
#include <functional>

#include "conformance/memory.hpp"

namespace attnrt::cli {

/// Times what a run puts on the stream of this thread. Events around one run measure how fast the host launches kernels
/// where those are short, so that many runs are captured into one graph, which is replayed between two events, as
/// engines replay their decodes. Where a run cannot be captured they are enqueued one behind the other.
class DeviceTimer {
 public:
  /// `memory` outlives it. Runs twice before it captures: what is loaded late is loaded then. Throws Failure.
  DeviceTimer(conformance::Memory& memory, std::function<void()> run);
  ~DeviceTimer();
  DeviceTimer(const DeviceTimer&) = delete;
  DeviceTimer& operator=(const DeviceTimer&) = delete;

  /// Of one run. Throws Failure with what went wrong on the device.
  double seconds();

 private:
  conformance::Memory& memory_;
  std::function<void()> run_;
  void* graph_ = nullptr;
};

}  // namespace attnrt::cli
#endif
