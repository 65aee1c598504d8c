// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

namespace attnrt::core {

/// A device as cuDeviceGetName and its attributes tell of it.
struct HelperDevice {
  int major = 0, minor = 0;
  std::string name;
};

/// Lets attnrt-probe initialise CUDA and tell its devices, in CUDA's order. "" or why it cannot; at most 20 s.
/// [thread-safe]
std::string ask_cuda(std::vector<HelperDevice>& devices);

/// What the helper writes, read: a line "device MAJOR MINOR NAME" each, or "failed SENTENCE". "" or what went wrong.
/// [thread-safe]
std::string read_cuda_answer(const std::string& said, std::vector<HelperDevice>& devices);

}  // namespace attnrt::core
