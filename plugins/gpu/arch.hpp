// SPDX-License-Identifier: Apache-2.0
//
// arch.hpp: an architecture as people know it.
#ifndef ATTNRT_GPU_ARCH_HPP
#define ATTNRT_GPU_ARCH_HPP
#include <cstdint>
#include <string>

#include "attnrt/plugin.h"

namespace attnrt::gpu {

/// "9.0" of 90 where the device is NVIDIA's, "gfx942" of 0x942 where it is AMD's. [thread-safe]
inline std::string arch_name(int32_t device_type, uint32_t arch) {
  if (device_type != ATTNRT_DEVICE_ROCM) return std::to_string(arch / 10) + "." + std::to_string(arch % 10);
  std::string name;
  for (; arch; arch /= 16) name.insert(name.begin(), "0123456789abcdef"[arch % 16]);
  return "gfx" + name;
}

/// The same with the word for it in a sentence: "compute capability 9.0", "gfx942". [thread-safe]
inline std::string arch_text(int32_t device_type, uint32_t arch) {
  return (device_type == ATTNRT_DEVICE_ROCM ? "" : "compute capability ") + arch_name(device_type, arch);
}

}  // namespace attnrt::gpu
#endif
