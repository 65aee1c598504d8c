// SPDX-License-Identifier: Apache-2.0
#include "conformance/system_driver.hpp"

#include <cstdio>
#include <cstdlib>

namespace attnrt::conformance {
namespace {

struct Loaded {
  sdk::GpuDriver table;
  std::string why;
  explicit Loaded(std::string (*load)(sdk::GpuDriver& table)) : why(load(table)) {}
};

}  // namespace

const sdk::GpuDriver* system_driver(int32_t device_type, std::string& why) {
  const auto give = [&why](const Loaded& loaded) {
    why = loaded.why;
    return why.empty() ? &loaded.table : nullptr;
  };
  // Never destroyed: what the driver started may outlive static objects.
  if (device_type == ATTNRT_DEVICE_CUDA) {
    static const auto* const cuda = new Loaded(&sdk::load_cuda);
    return give(*cuda);
  }
  if (device_type == ATTNRT_DEVICE_ROCM) {
    static const auto* const hip = new Loaded(&sdk::load_hip);
    return give(*hip);
  }
  why = "device type is " + std::to_string(device_type) + ", wanted a type with a driver: cuda or rocm";
  return nullptr;
}

bool is_emulated(int32_t device_type) {
  const char* const variable = device_type == ATTNRT_DEVICE_CUDA   ? sdk::kCudaDriverVariable
                               : device_type == ATTNRT_DEVICE_ROCM ? sdk::kHipDriverVariable
                                                                   : nullptr;
  const char* const stand_in = variable ? secure_getenv(variable) : nullptr;
  return stand_in && *stand_in;
}

std::string device_kind(int32_t device_type, uint32_t arch) {
  char text[32] = "cpu";
  if (device_type == ATTNRT_DEVICE_CUDA) std::snprintf(text, sizeof text, "cuda:%u.%u", arch / 10, arch % 10);
  if (device_type == ATTNRT_DEVICE_ROCM) std::snprintf(text, sizeof text, "rocm:gfx%x", arch);
  return text;
}

}  // namespace attnrt::conformance
