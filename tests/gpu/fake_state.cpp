// SPDX-License-Identifier: Apache-2.0
#include "fake_state.hpp"

#include <algorithm>
#include <utility>

namespace attnrt::fake {

State& state() {
  static auto* state = new State;
  return *state;
}

std::vector<GpuContext>& contexts() {
  thread_local std::vector<GpuContext> stack;
  return stack;
}
GpuContext the_context() { return reinterpret_cast<GpuContext>(&state()); }

GpuResult refuse(GpuResult error, const std::string& why) {
  state().complaint = why;
  return error;
}

Entry::Entry(const char* name, bool needs_context) : lock_(state().mutex) {
  State& s = state();
  ++s.counts[name];
  if (const auto fault = s.faults.find(name); fault != s.faults.end()) {
    if (fault->second.skip == 0) {
      error = fault->second.error;
      s.faults.erase(fault);
      return;
    }
    --fault->second.skip;
  }
  error = s.sticky;
  if (!error && needs_context && (contexts().empty() || !contexts().back()))
    error = refuse(kGpuInvalidContext, std::string(name) + " without a current context");
}

const GpuDriver* driver() { return state().table; }

void reset(const DeviceModel& model, const gpu::KernelImage* kernels, uint32_t num_kernels) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  for (Stream* stream : s.streams) delete stream;
  for (Graph* graph : s.graphs) delete graph;
  s.streams.clear();
  s.graphs.clear();
  s.legacy.queue.clear();
#define ATTNRT_FAKE_ENTRY_(member, cuda, hip, arguments) &entry::member,
  s.tables.push_back(
      std::make_unique<GpuDriver>(GpuDriver{ATTNRT_GPU_FUNCTIONS(ATTNRT_FAKE_ENTRY_) & entry::function_set}));
  s.table = s.tables.back().get();
#undef ATTNRT_FAKE_ENTRY_
  s.memory = std::make_unique<DeviceMemory>();
  s.model = model;
  s.kernels = kernels;
  s.num_kernels = num_kernels;
  s.faults.clear();
  s.counts.clear();
  s.launches.clear();
  s.complaint.clear();
  s.sticky = 0;
}

void fail(const char* function, GpuResult error, uint32_t skip) {
  const std::lock_guard lock(state().mutex);
  state().faults[function] = {error, skip};
}

void limit_memory(std::size_t bytes) {
  const std::lock_guard lock(state().mutex);
  state().memory->limit = bytes;
}

std::vector<LaunchRecord> take_launches() {
  const std::lock_guard lock(state().mutex);
  return std::exchange(state().launches, {});
}

std::string complaint() {
  const std::lock_guard lock(state().mutex);
  return state().complaint;
}

uint64_t calls(const char* function) {
  const std::lock_guard lock(state().mutex);
  return state().counts[function];
}

}  // namespace attnrt::fake
