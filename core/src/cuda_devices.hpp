// SPDX-License-Identifier: Apache-2.0
//
// NVIDIA's GPUs without CUDA in this process: one that has initialised it cannot use a device in its forked children.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "device.hpp"

namespace attnrt::core {

/// The devices that CUDA numbers from 0 here, as NVML tells of them under CUDA_VISIBLE_DEVICES (`visible`); a GPU in
/// MIG mode is its GPU instances. Where NVML is not installed but CUDA is, as in a container with the capability
/// `compute` alone, CUDA itself tells them in a helper process. One absent entry with the reason where there is none;
/// one for each device that tells nothing of itself. docs/decisions/0074 says why. [thread-safe]
std::vector<DeviceReport> cuda_devices(const std::optional<std::string>& visible);

}  // namespace attnrt::core
