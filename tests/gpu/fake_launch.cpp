// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "fake_state.hpp"

namespace attnrt::fake::entry {

GpuResult launch(GpuFunction handle, unsigned x, unsigned y, unsigned z, unsigned block_x, unsigned block_y,
                unsigned block_z, unsigned shared, GpuStream stream, void** arguments, void** extra) {
  const Entry entry("cuLaunchKernel");
  if (entry.error) return entry.error;
  State& s = state();
  const auto* function = reinterpret_cast<const Function*>(handle);
  const auto known = [&](const auto& entry_of) { return entry_of.second.get() == function; };
  if (std::none_of(s.functions.begin(), s.functions.end(), known))
    return refuse(kGpuInvalidValue, "a function that is not one");
  const gpu::KernelImage& b = *function->binary;
  if (!x || !y || !z || x > 0x7fffffff || y > 65535 || z > 65535)
    return refuse(kGpuInvalidValue, say(b.symbol, ": grid ", x, " ", y, " ", z));
  if (block_x != b.warps * 32 || block_y != 1 || block_z != 1)
    return refuse(kGpuInvalidValue, say(b.symbol, ": block ", block_x, ", wanted ", b.warps * 32));
  if (shared != b.shared_bytes || shared > function->dynamic_shared)
    return refuse(kGpuInvalidValue, say(b.symbol, ": shared memory ", shared, ", wanted ", b.shared_bytes, ", allowed ",
                                       function->dynamic_shared));
  if (arguments || !extra || extra[0] != kGpuLaunchBuffer || extra[2] != kGpuLaunchBufferSize || extra[4])
    return refuse(kGpuInvalidValue, say(b.symbol, ": arguments that are no block"));
  const std::size_t size = *static_cast<std::size_t*>(extra[3]), own = LaunchRecord::argument_bytes(b);
  if (size != (own + 7) / 8 * 8 + 16)
    return refuse(kGpuInvalidValue, say(b.symbol, ": ", size, " bytes of arguments, wanted ", (own + 7) / 8 * 8 + 16));
  LaunchRecord record{&b, {x, y, z}, {}};
  const char* block = static_cast<const char*>(extra[1]);
  record.block.assign(block, block + size);
  std::size_t at = 0;
  for (uint32_t i = 0; i < b.num_parameters; ++i) {
    const gpu::Parameter& p = b.parameters[i];
    const std::size_t bytes = p.type == 'p' || p.type == 'l' ? 8 : 4;
    at += (bytes - at % bytes) % bytes;
    uint64_t pointer = 0;
    if (p.type == 'p') std::memcpy(&pointer, block + at, 8);
    if (pointer && !s.memory->holds(pointer, 0))
      return refuse(kGpuInvalidValue, say(b.symbol, ": ", p.name, " points at nothing that is allocated"));
    at += bytes;
  }
  s.launches.push_back(record);
  static const std::map<std::string, void (*)(const LaunchRecord&, const DeviceMemory&)> twins = {
      {"attention", &run_attention},
      {"merge_splits", &run_merge_splits},
      {"write_kv", &run_write_kv},
      {"merge_states", &run_merge_states},
      {"mla_decode", &run_mla_decode}};
  const auto twin = twins.find(b.kernel);
  if (twin == twins.end()) return refuse(kGpuInvalidValue, say("there is no twin of ", b.kernel));
  return enqueue(stream, [run = twin->second, record = std::move(record)] { run(record, *state().memory); });
}

}  // namespace attnrt::fake::entry
