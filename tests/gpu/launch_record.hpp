// SPDX-License-Identifier: Apache-2.0
//
// One launch as the fake device sees it, and the twins that execute it.
#ifndef ATTNRT_TESTS_GPU_LAUNCH_RECORD_HPP
#define ATTNRT_TESTS_GPU_LAUNCH_RECORD_HPP
#include <cstdint>
#include <cstring>
#include <vector>

#include "../../plugins/triton/arguments.hpp"
#include "../../plugins/triton/images.hpp"
#include "device_memory.hpp"

namespace attnrt::fake {

struct LaunchRecord {
  const gpu::KernelImage* binary = nullptr;
  uint32_t grid[3] = {};
  std::vector<char> block;  ///< the arguments, packed

  /// The bytes that the kernel's own parameters take, each aligned to its size, before the two hidden pointers.
  static uint32_t argument_bytes(const gpu::KernelImage& binary);

  /// The arguments by name, as the struct that has a member of each name; 0 for names that the kernel lacks.
  template <class Arguments, std::size_t N>
  Arguments arguments(const gpu::Member (&members)[N]) const {
    Arguments out{};
    std::size_t at = 0;
    for (uint32_t i = 0; i < binary->num_parameters; ++i) {
      const gpu::Parameter& p = binary->parameters[i];
      const std::size_t bytes = p.type == 'p' || p.type == 'l' ? 8 : 4;
      at += (bytes - at % bytes) % bytes;
      for (const gpu::Member& member : members)
        if (std::strcmp(member.name, p.name) == 0)
          std::memcpy(reinterpret_cast<char*>(&out) + member.offset, block.data() + at, bytes);
      at += bytes;
    }
    return out;
  }
};

/// Executes all programs of a launch in plain loops: the same tiles, parts and order as the kernel, in fp32. Throws
/// BadAccess where one reads or writes outside of what is allocated. [one thread at a time]
void run_attention(const LaunchRecord& launch, const DeviceMemory& memory);
void run_merge_splits(const LaunchRecord& launch, const DeviceMemory& memory);
void run_write_kv(const LaunchRecord& launch, const DeviceMemory& memory);
void run_merge_states(const LaunchRecord& launch, const DeviceMemory& memory);
void run_mla_decode(const LaunchRecord& launch, const DeviceMemory& memory);

}  // namespace attnrt::fake
#endif
