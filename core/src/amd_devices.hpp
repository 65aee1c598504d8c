// SPDX-License-Identifier: Apache-2.0
//
// AMD's GPUs as the kernel tells of them, without HIP: a process that has initialised it cannot use a device in its
// forked children.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "device.hpp"

namespace attnrt::core {

/// Where the amdgpu driver publishes its devices, and the device by which programs reach them.
struct AmdPlaces {
  std::filesystem::path nodes = "/sys/class/kfd/kfd/topology/nodes";
  std::filesystem::path device = "/dev/kfd";
  /// A library in the place of HIP: where it has attnrt_kfd_node, its answers are the nodes and there is no device to
  /// open. Empty: none. docs/decisions/0072 says why it is asked so.
  std::filesystem::path stand_in;
};

/// The devices that HIP numbers from 0 here: ROCR_VISIBLE_DEVICES chooses among all (indices, or GPU- and the unique id),
/// then HIP_VISIBLE_DEVICES, or CUDA_VISIBLE_DEVICES where that is not set, among those; a list ends at its first wrong
/// word. One absent entry with the reason where there is none. [thread-safe]
std::vector<DeviceReport> amd_devices(const VisibleDevices& visible, const AmdPlaces& places = {});

}  // namespace attnrt::core
