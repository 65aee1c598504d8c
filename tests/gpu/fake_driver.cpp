// SPDX-License-Identifier: Apache-2.0
#include "fake_driver.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>

#include "attnrt/check.hpp"

namespace attnrt::fake {
namespace {

using namespace sdk;

using Work = std::function<void()>;  ///< something enqueued; throws BadAccess

struct Graph {
  std::vector<Work> work;
};
struct Stream {
  std::vector<Work> queue;
  std::unique_ptr<Graph> capture;  ///< while it is captured
  bool spoiled = false;            ///< something was done that a capture does not allow
};
struct Module {
  const triton::Binary* binary;
};
struct Function {
  const triton::Binary* binary;
  uint32_t dynamic_shared = 48 * 1024;
};
struct Fault {
  CuResult error;
  uint32_t skip;
};

struct State {
  std::mutex mutex;
  DeviceModel model;
  const triton::Binary* kernels = nullptr;
  uint32_t num_kernels = 0;
  std::unique_ptr<DeviceMemory> memory = std::make_unique<DeviceMemory>();
  std::set<Stream*> streams;
  Stream legacy;  ///< the NULL stream, after all others
  std::set<Module*> modules;
  std::map<const triton::Binary*, std::unique_ptr<Function>> functions;
  std::set<Graph*> graphs;
  std::map<std::string, Fault> faults;
  std::map<std::string, uint64_t> counts;
  std::vector<LaunchRecord> launches;
  std::string complaint;
  const CudaDriver* table = nullptr;  ///< a new one for each device, so that nobody keeps what he knew of the last
  CuResult sticky = 0;  ///< an illegal access; nothing works any more
};
State& state() {
  static auto* state = new State;
  return *state;
}
thread_local std::vector<CuContext> contexts;
CuContext the_context() { return reinterpret_cast<CuContext>(&state()); }

CuResult refuse(CuResult error, const std::string& why) {
  state().complaint = why;
  return error;
}

// Every function begins here: counts, gives the error that a test asked for, wants a context where the device is touched.
class Entry {
 public:
  explicit Entry(const char* name, bool needs_context = true) : lock_(state().mutex) {
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
    if (!error && needs_context && (contexts.empty() || !contexts.back())) error = refuse(kCuInvalidContext, std::string(name) + " without a current context");
  }
  CuResult error = 0;

 private:
  std::lock_guard<std::mutex> lock_;
};

// What may not happen while any stream is captured.
CuResult outside_capture(const char* what) {
  CuResult error = 0;
  for (Stream* stream : state().streams)
    if (stream->capture) {
      stream->spoiled = true;
      error = refuse(kCuCaptureUnsupported, std::string(what) + " while a stream is captured");
    }
  return error;
}

CuResult drain(Stream& stream) {
  State& s = state();
  std::vector<Work> queue;
  queue.swap(stream.queue);
  for (const Work& work : queue) try {
      work();
    } catch (const BadAccess& bad) {
      s.complaint = bad.what();
      return s.sticky = kCuIllegalAddress;
    }
  return 0;
}

CuResult drain_all() {
  for (Stream* stream : state().streams)
    if (const CuResult error = drain(*stream)) return error;
  return drain(state().legacy);
}

Stream* stream_of(CuStream handle) {
  if (!handle) return &state().legacy;
  Stream* stream = reinterpret_cast<Stream*>(handle);
  return state().streams.count(stream) ? stream : nullptr;
}

CuResult enqueue(CuStream handle, Work work) {
  Stream* stream = stream_of(handle);
  if (!stream) return refuse(kCuInvalidValue, "a stream that is not one");
  if (stream == &state().legacy) {
    if (const CuResult error = outside_capture("work on the NULL stream")) return error;
    if (const CuResult error = drain_all()) return error;
  }
  (stream->capture ? stream->capture->work : stream->queue).push_back(std::move(work));
  return 0;
}

CuResult init(unsigned) { return Entry("cuInit", false).error; }
CuResult error_name(CuResult error, const char** name) {
  static const std::map<CuResult, const char*> names = {{0, "CUDA_SUCCESS"},
                                                        {kCuInvalidValue, "CUDA_ERROR_INVALID_VALUE"},
                                                        {kCuOutOfMemory, "CUDA_ERROR_OUT_OF_MEMORY"},
                                                        {kCuNoDevice, "CUDA_ERROR_NO_DEVICE"},
                                                        {kCuInvalidDevice, "CUDA_ERROR_INVALID_DEVICE"},
                                                        {kCuInvalidContext, "CUDA_ERROR_INVALID_CONTEXT"},
                                                        {kCuNoBinaryForGpu, "CUDA_ERROR_NO_BINARY_FOR_GPU"},
                                                        {kCuNotFound, "CUDA_ERROR_NOT_FOUND"},
                                                        {kCuIllegalAddress, "CUDA_ERROR_ILLEGAL_ADDRESS"},
                                                        {kCuLaunchOutOfResources, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES"},
                                                        {kCuLaunchFailed, "CUDA_ERROR_LAUNCH_FAILED"},
                                                        {kCuCaptureUnsupported, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"},
                                                        {kCuCaptureInvalidated, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"}};
  const auto found = names.find(error);
  *name = found == names.end() ? nullptr : found->second;
  return found == names.end() ? kCuInvalidValue : 0;
}

CuResult device_count(int* count) {
  const Entry entry("cuDeviceGetCount", false);
  *count = state().model.count;
  return entry.error;
}
CuResult device_get(CuDevice* device, int ordinal) {
  const Entry entry("cuDeviceGet", false);
  if (entry.error) return entry.error;
  *device = ordinal;
  return ordinal >= 0 && ordinal < state().model.count ? 0 : kCuInvalidDevice;
}
CuResult device_name(char* name, int bytes, CuDevice) {
  const Entry entry("cuDeviceGetName", false);
  std::snprintf(name, static_cast<std::size_t>(bytes), "fake device %u.%u", state().model.arch / 10, state().model.arch % 10);
  return entry.error;
}
CuResult device_attribute(int* value, int attribute, CuDevice) {
  const Entry entry("cuDeviceGetAttribute", false);
  const DeviceModel& model = state().model;
  switch (attribute) {
    case kCuComputeMajor: *value = static_cast<int>(model.arch / 10); break;
    case kCuComputeMinor: *value = static_cast<int>(model.arch % 10); break;
    case kCuMultiprocessors: *value = static_cast<int>(model.multiprocessors); break;
    case kCuSharedBytesOptIn: *value = static_cast<int>(model.shared_bytes); break;
    default: return refuse(kCuInvalidValue, say("attribute ", attribute));
  }
  return entry.error;
}

CuResult context_retain(CuContext* context, CuDevice) {
  const Entry entry("cuDevicePrimaryCtxRetain", false);
  *context = the_context();
  return entry.error;
}
CuResult context_release(CuDevice) { return Entry("cuDevicePrimaryCtxRelease", false).error; }
CuResult context_push(CuContext context) {
  const Entry entry("cuCtxPushCurrent", false);
  if (!entry.error) contexts.push_back(context);
  return entry.error;
}
CuResult context_pop(CuContext* context) {
  const Entry entry("cuCtxPopCurrent", false);
  if (contexts.empty()) return kCuInvalidContext;
  *context = contexts.back();
  contexts.pop_back();
  return 0;
}
CuResult context_set(CuContext context) {
  const Entry entry("cuCtxSetCurrent", false);
  if (contexts.empty()) contexts.push_back(nullptr);
  contexts.back() = context;
  return entry.error;
}

CuResult module_load(CuModule* module, const void* image) {
  const Entry entry("cuModuleLoadData");
  if (entry.error) return entry.error;
  if (const CuResult error = outside_capture("a module is loaded")) return error;
  State& s = state();
  for (uint32_t i = 0; i < s.num_kernels; ++i) {
    const triton::Binary& binary = s.kernels[i];
    if (binary.image != image) continue;
    const bool fits = s.model.arch == binary.arch || (binary.arch < 90 && s.model.arch / 10 == binary.arch / 10 && s.model.arch > binary.arch);
    if (!fits) return refuse(kCuNoBinaryForGpu, say(binary.symbol, " is for ", binary.arch, ", the device is ", s.model.arch));
    auto* loaded = new Module{&binary};
    s.modules.insert(loaded);
    *module = reinterpret_cast<CuModule>(loaded);
    return 0;
  }
  return refuse(kCuInvalidValue, "an image that is in no table");
}
CuResult module_unload(CuModule module) {
  const Entry entry("cuModuleUnload");
  auto* loaded = reinterpret_cast<Module*>(module);
  if (!state().modules.erase(loaded)) return kCuInvalidValue;
  delete loaded;
  return entry.error;
}
CuResult module_function(CuFunction* function, CuModule module, const char* name) {
  const Entry entry("cuModuleGetFunction");
  if (entry.error) return entry.error;
  const auto* loaded = reinterpret_cast<Module*>(module);
  if (!state().modules.count(const_cast<Module*>(loaded)) || std::strcmp(name, loaded->binary->symbol) != 0)
    return refuse(kCuNotFound, say("the module has no function ", name));
  auto& slot = state().functions[loaded->binary];
  if (!slot) slot = std::make_unique<Function>(Function{loaded->binary});
  *function = reinterpret_cast<CuFunction>(slot.get());
  return 0;
}
CuResult function_set(CuFunction function, int attribute, int value) {
  const Entry entry("cuFuncSetAttribute");
  if (entry.error) return entry.error;
  if (attribute != kCuFuncMaxDynamicShared || value < 0 || static_cast<uint32_t>(value) > state().model.shared_bytes)
    return refuse(kCuInvalidValue, say("attribute ", attribute, " is ", value));
  reinterpret_cast<Function*>(function)->dynamic_shared = static_cast<uint32_t>(value);
  return 0;
}

CuResult launch(CuFunction handle, unsigned x, unsigned y, unsigned z, unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared,
                CuStream stream, void** arguments, void** extra) {
  const Entry entry("cuLaunchKernel");
  if (entry.error) return entry.error;
  State& s = state();
  const auto* function = reinterpret_cast<const Function*>(handle);
  const auto known = [&](const auto& entry_of) { return entry_of.second.get() == function; };
  if (std::none_of(s.functions.begin(), s.functions.end(), known)) return refuse(kCuInvalidValue, "a function that is not one");
  const triton::Binary& b = *function->binary;
  if (!x || !y || !z || x > 0x7fffffff || y > 65535 || z > 65535) return refuse(kCuInvalidValue, say(b.symbol, ": grid ", x, " ", y, " ", z));
  if (block_x != b.warps * 32 || block_y != 1 || block_z != 1) return refuse(kCuInvalidValue, say(b.symbol, ": block ", block_x, ", wanted ", b.warps * 32));
  if (shared != b.shared_bytes || shared > function->dynamic_shared)
    return refuse(kCuInvalidValue, say(b.symbol, ": shared memory ", shared, ", wanted ", b.shared_bytes, ", allowed ", function->dynamic_shared));
  if (arguments || !extra || extra[0] != kCuLaunchBuffer || extra[2] != kCuLaunchBufferSize || extra[4])
    return refuse(kCuInvalidValue, say(b.symbol, ": arguments that are no block"));
  const std::size_t size = *static_cast<std::size_t*>(extra[3]), own = LaunchRecord::argument_bytes(b);
  if (size != (own + 7) / 8 * 8 + 16) return refuse(kCuInvalidValue, say(b.symbol, ": ", size, " bytes of arguments, wanted ", (own + 7) / 8 * 8 + 16));
  LaunchRecord record{&b, {x, y, z}, {}};
  const char* block = static_cast<const char*>(extra[1]);
  record.block.assign(block, block + size);
  std::size_t at = 0;
  for (uint32_t i = 0; i < b.num_parameters; ++i) {
    const triton::Parameter& p = b.parameters[i];
    const std::size_t bytes = p.type == 'p' || p.type == 'l' ? 8 : 4;
    at += (bytes - at % bytes) % bytes;
    uint64_t pointer = 0;
    if (p.type == 'p') std::memcpy(&pointer, block + at, 8);
    if (pointer && !s.memory->holds(pointer, 0)) return refuse(kCuInvalidValue, say(b.symbol, ": ", p.name, " points at nothing that is allocated"));
    at += bytes;
  }
  s.launches.push_back(record);
  static const std::map<std::string, void (*)(const LaunchRecord&, const DeviceMemory&)> twins = {{"attention", &run_attention},
                                                                                                {"merge_splits", &run_merge_splits},
                                                                                                {"write_kv", &run_write_kv},
                                                                                                {"merge_states", &run_merge_states},
                                                                                                {"mla_decode", &run_mla_decode}};
  const auto twin = twins.find(b.kernel);
  if (twin == twins.end()) return refuse(kCuInvalidValue, say("there is no twin of ", b.kernel));
  return enqueue(stream, [run = twin->second, record = std::move(record)] { run(record, *state().memory); });
}

CuResult copy_device_async(CuPointer to, CuPointer from, std::size_t bytes, CuStream stream) {
  const Entry entry("cuMemcpyDtoDAsync");
  if (entry.error) return entry.error;
  const DeviceMemory& memory = *state().memory;
  if (!memory.holds(to, bytes) || !memory.holds(from, bytes)) return refuse(kCuInvalidValue, say("a copy of ", bytes, " bytes leaves its memory"));
  return enqueue(stream, [=] { std::memmove(state().memory->at(to, bytes, "copy writes"), state().memory->at(from, bytes, "copy reads"), bytes); });
}
CuResult copy_2d_async(const CuCopy2d* copy, CuStream stream) {
  const Entry entry("cuMemcpy2DAsync");
  if (entry.error) return entry.error;
  const CuCopy2d c = *copy;
  const std::size_t last = c.height ? c.height - 1 : 0;
  const DeviceMemory& memory = *state().memory;
  if (c.src_type != kCuDeviceMemory || c.dst_type != kCuDeviceMemory || c.width_bytes > c.src_pitch || c.width_bytes > c.dst_pitch ||
      !memory.holds(c.src_device, last * c.src_pitch + c.width_bytes) || !memory.holds(c.dst_device, last * c.dst_pitch + c.width_bytes))
    return refuse(kCuInvalidValue, "a copy of rows leaves its memory");
  return enqueue(stream, [c] {
    for (std::size_t row = 0; row < c.height; ++row)
      std::memmove(state().memory->at(c.dst_device + row * c.dst_pitch, c.width_bytes, "copy writes"),
                   state().memory->at(c.src_device + row * c.src_pitch, c.width_bytes, "copy reads"), c.width_bytes);
  });
}
CuResult fill_8_async(CuPointer to, unsigned char value, std::size_t count, CuStream stream) {
  const Entry entry("cuMemsetD8Async");
  if (entry.error) return entry.error;
  if (!state().memory->holds(to, count)) return refuse(kCuInvalidValue, "a fill leaves its memory");
  return enqueue(stream, [=] { std::memset(state().memory->at(to, count, "fill writes"), value, count); });
}
CuResult fill_32_async(CuPointer to, unsigned value, std::size_t count, CuStream stream) {
  const Entry entry("cuMemsetD32Async");
  if (entry.error) return entry.error;
  if (to % 4 || !state().memory->holds(to, count * 4)) return refuse(kCuInvalidValue, "a fill leaves its memory");
  return enqueue(stream, [=] {
    char* data = state().memory->at(to, count * 4, "fill writes");
    for (std::size_t i = 0; i < count; ++i) std::memcpy(data + i * 4, &value, 4);
  });
}

CuResult copy_host(const char* name, const std::function<void(DeviceMemory&)>& copy) {
  const Entry entry(name);
  if (entry.error) return entry.error;
  if (const CuResult error = outside_capture(name)) return error;
  if (const CuResult error = drain_all()) return error;
  try {
    copy(*state().memory);
  } catch (const BadAccess& bad) {
    return refuse(kCuInvalidValue, bad.what());
  }
  return 0;
}
CuResult copy_to_device(CuPointer to, const void* from, std::size_t bytes) {
  return copy_host("cuMemcpyHtoD", [&](DeviceMemory& m) { std::memcpy(m.at(to, bytes, "copy writes"), from, bytes); });
}
CuResult copy_to_host(void* to, CuPointer from, std::size_t bytes) {
  return copy_host("cuMemcpyDtoH", [&](DeviceMemory& m) { std::memcpy(to, m.at(from, bytes, "copy reads"), bytes); });
}
CuResult allocate(CuPointer* data, std::size_t bytes) {
  const Entry entry("cuMemAlloc");
  if (entry.error) return entry.error;
  if (const CuResult error = outside_capture("memory is allocated")) return error;
  if (!bytes) return refuse(kCuInvalidValue, "an allocation of 0 bytes");
  *data = state().memory->allocate(bytes);
  return *data ? 0 : kCuOutOfMemory;
}
CuResult release(CuPointer data) {
  const Entry entry("cuMemFree");
  if (entry.error) return entry.error;
  if (const CuResult error = outside_capture("memory is freed")) return error;
  if (const CuResult error = drain_all()) return error;
  return state().memory->release(data) ? 0 : refuse(kCuInvalidValue, "freed what is not allocated");
}
CuResult memory_info(std::size_t* free, std::size_t* total) {
  const Entry entry("cuMemGetInfo");
  *total = state().memory->limit;
  *free = *total - state().memory->used();
  return entry.error;
}

CuResult stream_create(CuStream* stream, unsigned) {
  const Entry entry("cuStreamCreate");
  if (entry.error) return entry.error;
  auto* made = new Stream;
  state().streams.insert(made);
  *stream = reinterpret_cast<CuStream>(made);
  return 0;
}
CuResult stream_destroy(CuStream handle) {
  const Entry entry("cuStreamDestroy");
  Stream* stream = stream_of(handle);
  if (!stream || !handle) return kCuInvalidValue;
  const CuResult error = drain(*stream);
  state().streams.erase(stream);
  delete stream;
  return error;
}
CuResult stream_finish(CuStream handle) {
  const Entry entry("cuStreamSynchronize");
  if (entry.error) return entry.error;
  Stream* stream = stream_of(handle);
  if (!stream) return refuse(kCuInvalidValue, "a stream that is not one");
  if (const CuResult error = outside_capture("a stream is waited for")) return error;
  return handle ? drain(*stream) : drain_all();
}
CuResult capture_begin(CuStream handle, int) {
  const Entry entry("cuStreamBeginCapture");
  if (entry.error) return entry.error;
  Stream* stream = stream_of(handle);
  if (!stream || !handle || stream->capture) return refuse(kCuCaptureUnsupported, "a stream that cannot be captured");
  stream->capture = std::make_unique<Graph>();
  stream->spoiled = false;
  return 0;
}
CuResult capture_end(CuStream handle, CuGraph* graph) {
  const Entry entry("cuStreamEndCapture");
  *graph = nullptr;
  Stream* stream = stream_of(handle);
  if (!stream || !stream->capture) return refuse(kCuInvalidValue, "a stream that is not captured");
  std::unique_ptr<Graph> captured = std::move(stream->capture);
  if (entry.error) return entry.error;
  if (stream->spoiled) return kCuCaptureInvalidated;
  state().graphs.insert(captured.get());
  *graph = reinterpret_cast<CuGraph>(captured.release());
  return 0;
}
CuResult graph_instantiate(CuGraphExec* exec, CuGraph graph, unsigned long long) {
  const Entry entry("cuGraphInstantiate");
  auto* from = reinterpret_cast<Graph*>(graph);
  if (entry.error || !state().graphs.count(from)) return entry.error ? entry.error : kCuInvalidValue;
  auto* made = new Graph(*from);
  state().graphs.insert(made);
  *exec = reinterpret_cast<CuGraphExec>(made);
  return 0;
}
CuResult graph_launch(CuGraphExec exec, CuStream stream) {
  const Entry entry("cuGraphLaunch");
  auto* from = reinterpret_cast<Graph*>(exec);
  if (entry.error || !state().graphs.count(from)) return entry.error ? entry.error : kCuInvalidValue;
  for (const Work& work : from->work)
    if (const CuResult error = enqueue(stream, work)) return error;
  return 0;
}
CuResult destroy_graph(const char* name, Graph* graph) {
  const Entry entry(name);
  if (!state().graphs.erase(graph)) return kCuInvalidValue;
  delete graph;
  return entry.error;
}
CuResult graph_exec_destroy(CuGraphExec exec) { return destroy_graph("cuGraphExecDestroy", reinterpret_cast<Graph*>(exec)); }
CuResult graph_destroy(CuGraph graph) { return destroy_graph("cuGraphDestroy", reinterpret_cast<Graph*>(graph)); }

// Events tell no time here: what they would measure is the twins.
CuResult event_create(CuEvent* event, unsigned) {
  *event = reinterpret_cast<CuEvent>(&state());
  return Entry("cuEventCreate").error;
}
CuResult event_record(CuEvent, CuStream) { return Entry("cuEventRecord").error; }
CuResult event_finish(CuEvent) {
  const Entry entry("cuEventSynchronize");
  return entry.error ? entry.error : drain_all();
}
CuResult event_elapsed(float* milliseconds, CuEvent, CuEvent) {
  *milliseconds = 0;
  return Entry("cuEventElapsedTime").error;
}
CuResult event_destroy(CuEvent) { return Entry("cuEventDestroy").error; }

}  // namespace

const CudaDriver* driver() { return state().table; }

void reset(const DeviceModel& model, const triton::Binary* kernels, uint32_t num_kernels) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  for (Stream* stream : s.streams) delete stream;
  for (Graph* graph : s.graphs) delete graph;
  s.streams.clear();
  s.graphs.clear();
  s.legacy.queue.clear();
#define ATTNRT_FAKE_ENTRY_(member, name, arguments) &member,
  s.table = new CudaDriver{ATTNRT_CUDA_FUNCTIONS(ATTNRT_FAKE_ENTRY_)};
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

void fail(const char* function, CuResult error, uint32_t skip) {
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
