// SPDX-License-Identifier: Apache-2.0
#include "conformance/gpu_memory.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

#include "attnrt/check.hpp"

namespace attnrt::conformance {
namespace {

sdk::GpuPointer pointer(const void* data) { return reinterpret_cast<sdk::GpuPointer>(data); }
sdk::GpuStream handle(attnrt_stream stream) { return static_cast<sdk::GpuStream>(const_cast<void*>(stream)); }

/// The driver's own name of a function of the table, told by CUDA's: "hipMalloc" of "cuMemAlloc" under HIP.
std::string_view own_name(const sdk::GpuDriver& driver, std::string_view cuda) {
  const auto bare = [](std::string_view name) { return name.substr(0, name.find('_')); };  // "cuMemAlloc_v2"
#define ATTNRT_KIT_NAME_(member, cuda_name, hip_name, arguments) \
  if (bare(cuda_name) == cuda) return bare(driver.call_names->member);
  ATTNRT_GPU_FUNCTIONS(ATTNRT_KIT_NAME_)
#undef ATTNRT_KIT_NAME_
  return cuda;
}

}  // namespace

GpuMemory::GpuMemory(const sdk::GpuDriver& driver, int32_t ordinal, bool fenced)
    : driver_(driver),
      device_{std::string_view(driver.platform) == "HIP" ? ATTNRT_DEVICE_ROCM : ATTNRT_DEVICE_CUDA, ordinal},
      fenced_(fenced) {
  sdk::GpuDevice device = 0;
  if (good("cuInit", driver_.init(0)) && good("cuDeviceGet", driver_.device_get(&device, ordinal)) && ask_arch(device))
    good("cuDevicePrimaryCtxRetain", driver_.context_retain(&context_, device));
}

bool GpuMemory::ask_arch(sdk::GpuDevice device) {
  if (driver_.arch_name) {  // "gfx942:sramecc+:xnack-" is 0x942
    char name[256] = "";
    if (!good("hipGetDevicePropertiesR0600", driver_.arch_name(name, sizeof name, device))) return false;
    if (std::strncmp(name, "gfx", 3) == 0) arch_ = static_cast<uint32_t>(std::strtoul(name + 3, nullptr, 16));
    return true;
  }
  int major = 0, minor = 0;
  if (!good("cuDeviceGetAttribute", driver_.device_attribute(&major, driver_.attributes.compute_major, device)) ||
      !good("cuDeviceGetAttribute", driver_.device_attribute(&minor, driver_.attributes.compute_minor, device)))
    return false;
  arch_ = static_cast<uint32_t>(major * 10 + minor);
  return true;
}

GpuMemory::~GpuMemory() {
  if (!context_) return;
  const Inside inside(*this);
  for (const auto& [thread, stream] : streams_) driver_.stream_destroy(stream);
  for (const sdk::GpuStream stream : more_streams_) driver_.stream_destroy(stream);
  for (const sdk::GpuEvent event : events_) driver_.event_destroy(event);
}

bool GpuMemory::good(const char* call, sdk::GpuResult error) {
  if (!error) return true;
  const std::string sentence =
      sdk::say(own_name(driver_, call), " answered ", error, " (", driver_.name_of(error), ")");
  std::function<void(const std::string&)> told;
  {
    const std::lock_guard lock(mutex_);
    if (trouble_.empty()) trouble_ = sentence;
    if (sdk::ends_context(error)) told = std::exchange(lost_, {});
  }
  if (told) told(sentence);
  return false;
}

std::string GpuMemory::trouble() {
  const std::lock_guard lock(mutex_);
  return std::exchange(trouble_, {});
}

GpuMemory::Inside::Inside(GpuMemory& owner)
    : owner_(owner),
      pushed_(owner.context_ && owner.good("cuCtxPushCurrent", owner.driver_.context_push(owner.context_))) {}
GpuMemory::Inside::~Inside() {
  sdk::GpuContext popped = nullptr;
  if (pushed_) owner_.driver_.context_pop(&popped);
}

void* GpuMemory::allocate(std::size_t bytes, std::size_t alignment) {
  const Inside inside(*this);
  sdk::GpuPointer base = 0;
  const std::size_t more = alignment > 256 ? alignment : 0;  // 256 is what the driver promises
  if (!good("cuMemAlloc", driver_.allocate(&base, std::max<std::size_t>(bytes, 1) + more))) return nullptr;
  sdk::GpuPointer data = base;
  if (more && base % more) {
    data = base + more - base % more;
    const std::lock_guard lock(mutex_);
    moved_[data] = base;
  }
  return reinterpret_cast<void*>(data);
}
void GpuMemory::release(void* data) {
  const Inside inside(*this);
  sdk::GpuPointer base = pointer(data);
  {
    const std::lock_guard lock(mutex_);
    if (const auto moved = moved_.find(base); moved != moved_.end()) {
      base = moved->second;
      moved_.erase(moved);
    }
  }
  good("cuMemFree", driver_.release(base));
}

void* GpuMemory::Pinned::allocate(std::size_t bytes, std::size_t) {
  const Inside inside(owner_);
  void* data = nullptr;
  return owner_.good("cuMemHostAlloc", owner_.driver_.host_allocate(&data, std::max<std::size_t>(bytes, 1), 0))
             ? data
             : nullptr;
}
void GpuMemory::Pinned::release(void* data) {
  const Inside inside(owner_);
  owner_.good("cuMemFreeHost", owner_.driver_.host_release(data));
}

// Copies go through the thread's own stream: the legacy stream would order what the variant under test has to order.
void GpuMemory::copy_in(void* to, const void* from, std::size_t bytes) {
  const Inside inside(*this);
  const sdk::GpuStream own = own_stream();
  if (bytes) good("cuMemcpyHtoDAsync", driver_.copy_to_device_async(pointer(to), from, bytes, own));
  good("cuStreamSynchronize", driver_.stream_finish(own));
}
void GpuMemory::copy_out(void* to, const void* from, std::size_t bytes) {
  const Inside inside(*this);
  const sdk::GpuStream own = own_stream();
  if (bytes) good("cuMemcpyDtoHAsync", driver_.copy_to_host_async(to, pointer(from), bytes, own));
  good("cuStreamSynchronize", driver_.stream_finish(own));
}
void GpuMemory::fill(void* to, uint8_t byte, std::size_t bytes) {
  const Inside inside(*this);
  const sdk::GpuStream own = own_stream();
  if (bytes) good("cuMemsetD8Async", driver_.fill_8_async(pointer(to), byte, bytes, own));
  good("cuStreamSynchronize", driver_.stream_finish(own));
}

sdk::GpuStream GpuMemory::own_stream() {
  sdk::GpuStream own = nullptr;
  sdk::GpuResult error = 0;
  {
    const std::lock_guard lock(mutex_);
    sdk::GpuStream& kept = streams_[std::this_thread::get_id()];
    if (!kept) error = driver_.stream_create(&kept, sdk::kGpuStreamNonBlocking);
    own = kept;
  }
  good("cuStreamCreate", error);
  return own;
}
attnrt_stream GpuMemory::stream() {
  if (!context_) return nullptr;
  const Inside inside(*this);
  return own_stream();
}
attnrt_stream GpuMemory::another_stream() {
  const Inside inside(*this);
  sdk::GpuStream made = nullptr;
  if (!good("cuStreamCreate", driver_.stream_create(&made, sdk::kGpuStreamNonBlocking))) return nullptr;
  const std::lock_guard lock(mutex_);
  more_streams_.push_back(made);
  return made;
}
void GpuMemory::finish(attnrt_stream stream) {
  const Inside inside(*this);
  good("cuStreamSynchronize", driver_.stream_finish(handle(stream)));
}
void* GpuMemory::mark(attnrt_stream stream) {
  const Inside inside(*this);
  sdk::GpuEvent event = nullptr;
  if (!good("cuEventCreate", driver_.event_create(&event, 0))) return nullptr;
  good("cuEventRecord", driver_.event_record(event, handle(stream)));
  const std::lock_guard lock(mutex_);
  events_.push_back(event);
  return event;
}
void GpuMemory::wait(attnrt_stream stream, void* mark) {
  const Inside inside(*this);
  good("cuStreamWaitEvent", driver_.stream_wait(handle(stream), static_cast<sdk::GpuEvent>(mark), 0));
}

// In the mode in which other libraries capture, which forbids the most.
bool GpuMemory::capture_begin(attnrt_stream stream) {
  const Inside inside(*this);
  return good("cuStreamBeginCapture", driver_.capture_begin(handle(stream), sdk::kGpuCaptureGlobal));
}
void* GpuMemory::capture_end(attnrt_stream stream) {
  const Inside inside(*this);
  sdk::GpuGraph graph = nullptr;
  sdk::GpuGraphExec exec = nullptr;
  if (!good("cuStreamEndCapture", driver_.capture_end(handle(stream), &graph)) || !graph) return nullptr;
  good("cuGraphInstantiate", driver_.graph_instantiate(&exec, graph, 0));
  driver_.graph_destroy(graph);
  return exec;
}
void GpuMemory::replay(void* graph, attnrt_stream stream) {
  const Inside inside(*this);
  good("cuGraphLaunch", driver_.graph_launch(static_cast<sdk::GpuGraphExec>(graph), handle(stream)));
}
void GpuMemory::forget(void* graph) {
  const Inside inside(*this);
  if (graph) good("cuGraphExecDestroy", driver_.graph_exec_destroy(static_cast<sdk::GpuGraphExec>(graph)));
}

void GpuMemory::copy_within(void* to, const void* from, std::size_t bytes, attnrt_stream stream) {
  const Inside inside(*this);
  if (bytes) good("cuMemcpyDtoDAsync", driver_.copy_device_async(pointer(to), pointer(from), bytes, handle(stream)));
}

double GpuMemory::seconds(attnrt_stream stream, const std::function<void()>& enqueue) {
  const Inside inside(*this);
  sdk::GpuEvent begin = nullptr, end = nullptr;
  float milliseconds = 0;
  if (good("cuEventCreate", driver_.event_create(&begin, 0)) && good("cuEventCreate", driver_.event_create(&end, 0)) &&
      good("cuEventRecord", driver_.event_record(begin, handle(stream)))) {
    enqueue();
    if (!good("cuEventRecord", driver_.event_record(end, handle(stream))) ||
        !good("cuEventSynchronize", driver_.event_finish(end)) ||
        !good("cuEventElapsedTime", driver_.event_elapsed(&milliseconds, begin, end)))
      milliseconds = 0;
  }
  if (begin) driver_.event_destroy(begin);
  if (end) driver_.event_destroy(end);
  return 1e-3 * static_cast<double>(milliseconds);
}

}  // namespace attnrt::conformance
