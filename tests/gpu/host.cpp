// SPDX-License-Identifier: Apache-2.0
//
// The host side of triton_attn: what it launches for a batch, what it answers when the driver fails. CTest runs each
// case in a process of its own, for a device is opened once in a process.
#include <catch2/catch.hpp>

#include <algorithm>
#include <chrono>
#include <set>
#include <tuple>

#include "attnrt/check.hpp"
#include "conformance/allocation_count.hpp"
#include "engine_batch.hpp"

using namespace attnrt;
using namespace attnrt::emulated;
using conformance::Sink;

namespace {

// What decides the bits of a request: kernels with their tiles, and the number of parts.
using Partition = std::vector<std::tuple<std::string, uint32_t, uint32_t, uint32_t>>;
Partition partition(const Plugin& plugin, const Watch& watch, const Batch& batch) {
  watch.take(plugin);
  watch.hold(true);
  REQUIRE(batch.launch->update());
  REQUIRE(batch.launch->run());
  watch.hold(false);
  Partition out;
  for (const Launch& r : watch.take(plugin))
    out.emplace_back(r.image->kernel, r.image->block_m, r.image->tile, r.grid[2]);
  return out;
}

}  // namespace

TEST_CASE("a batch-invariant problem is cut the same way whatever the batch") {
  const Watch watch;
  const Plugin plugin(watch.table());
  conformance::GpuMemory memory(driver(), 0, true);
  for (const char* backend : {"TRITON_ATTN", "TREE_ATTN"})
    for (const uint32_t phase : {ATTNRT_PHASE_DECODE, ATTNRT_PHASE_MIXED, ATTNRT_PHASE_PREFILL}) {
      const conformance::Rig rig(plugin.variant(backend), memory,
                                 standard_problem(phase, ATTNRT_DETERMINISM_BATCH_INVARIANT));
      REQUIRE(rig.op());
      std::vector<std::vector<conformance::Length>> batches = {{{1, 400}}, {{1, 7}, {1, 400}, {1, 2000}}};
      for (int i = 0; i < 40; ++i) batches[1].push_back({1, 20});
      if (phase != ATTNRT_PHASE_DECODE) batches.insert(batches.end(), {{{300, 300}}, {{1, 400}, {65, 129}, {17, 900}}});
      std::set<Partition> seen;
      for (const auto& lengths : batches) seen.insert(partition(plugin, watch, Batch(rig, lengths)));
      INFO(backend << " in phase " << phase);
      CHECK(seen.size() == 1);
      CHECK_FALSE(seen.begin()->empty());
    }
}

TEST_CASE("without that demand the batch decides: the control for the test above") {
  const Watch watch;
  const Plugin plugin(watch.table());
  conformance::GpuMemory memory(driver(), 0, true);
  const conformance::Rig rig(plugin.variant("TRITON_ATTN"), memory, standard_problem(ATTNRT_PHASE_MIXED));
  const Partition decode = partition(plugin, watch, Batch(rig, {{1, 4000}}));
  const Partition prefill = partition(plugin, watch, Batch(rig, {{300, 300}}));
  CHECK(decode != prefill);
  CHECK(decode.size() == 2);  // parts of the keys, and their merge
  CHECK(std::get<3>(decode[0]) > 1);
  CHECK(prefill.size() == 1);
}

TEST_CASE("an engine's share of the multiprocessors decides how many parts there are") {
  const Watch watch;
  const Plugin plugin(watch.table());
  conformance::GpuMemory memory(driver(), 0, true);
  for (const bool latent : {false, true}) {
    const attnrt_variant& v = plugin.variant(latent ? "TRITON_MLA" : "TRITON_ATTN");
    const conformance::Rig rig(v, memory, latent ? latent_problem() : standard_problem(ATTNRT_PHASE_DECODE));
    const Batch batch(rig, {{1, 4000}});
    std::vector<uint32_t> parts;
    for (const int32_t share : {0, 1000, 8}) {
      attnrt_limits limits = batch.launch->limits();
      limits.num_sms = share;
      attnrt_kernel_plan* plan = nullptr;
      Sink sink;
      REQUIRE(v.plan_create(rig.op(), &limits, &batch.launch->workspace(), &plan, sink.get()) == ATTNRT_OK);
      watch.take(plugin);
      REQUIRE(v.plan_update(plan, &batch.launch->batch(), batch.launch->stream(), sink.get()) == ATTNRT_OK);
      REQUIRE(v.run(plan, &batch.launch->args(), batch.launch->stream(), sink.get()) == ATTNRT_OK);
      parts.push_back(watch.take(plugin).at(0).grid[2]);
      v.plan_destroy(plan);
    }
    CHECK(parts[0] == parts[1]);  // there are no more than the device has
    CHECK(parts[2] < parts[0]);
  }
}

TEST_CASE("failure: no such device") {
  const attnrt_problem p = standard_problem(ATTNRT_PHASE_MIXED);
  const Plugin plugin;
  Sink sink, other;
  CHECK(plugin.table().available({ATTNRT_DEVICE_CUDA, 0}, sink.get()) == ATTNRT_OK);
  CHECK(calls("cuInit") == 0);  // the engine may fork yet
  CHECK(create(plugin.variant("TRITON_ATTN"), p, other, 2) == ATTNRT_UNAVAILABLE);
  CHECK(other.words().find("cuDeviceGet answered 101 (CUDA_ERROR_INVALID_DEVICE)") != std::string::npos);
  CHECK(other.count() == 1);
}

TEST_CASE("failure: a driver that does not open the device: another backend may serve") {
  const attnrt_problem p = standard_problem(ATTNRT_PHASE_MIXED);
  const Plugin plugin;
  const struct {
    const char *error, *sentence;
  } cases[] = {{"cuInit=3", "cuInit answered 3 (CUDA_ERROR_NOT_INITIALIZED), wanted 0; the driver was used before"},
               {"cuInit=802",
                "cuInit answered 802 (CUDA_ERROR_SYSTEM_NOT_READY), wanted 0; where GPUs are joined by "
                "NVSwitch the service nvidia-fabricmanager must run"},
               {"cuInit=999", "cuInit answered 999 (CUDA_ERROR_UNKNOWN), wanted 0; a kernel module"},
               {"cuInit=102", "CUDA_ERROR_DEVICE_NOT_LICENSED"},
               {"cuInit=36", "CUDA_ERROR_CALL_REQUIRES_NEWER_DRIVER"},
               {"cuInit=34", "CUDA_ERROR_STUB_LIBRARY"},
               {"cuDevicePrimaryCtxRetain=46", "nvidia-smi -q -d COMPUTE"},
               {"cuDevicePrimaryCtxRetain=808", "; the MPS server of this machine"},
               {"cuDevicePrimaryCtxRetain=719", "CUDA_ERROR_LAUNCH_FAILED"},
               {"cuDeviceGetAttribute=1", "cuDeviceGetAttribute answered 1"}};
  for (const auto& one : cases) {
    fail(one.error);
    Sink sink;
    CHECK(create(plugin.variant("TRITON_ATTN"), p, sink) == ATTNRT_UNAVAILABLE);
    INFO(one.error << ": " << sink.words());
    CHECK(sink.words().find(one.sentence) != std::string::npos);
  }
  fail("cuDevicePrimaryCtxRetain=2");
  Sink sink, good;
  CHECK(create(plugin.variant("TRITON_ATTN"), p, sink) == ATTNRT_NO_MEMORY);
  fail(nullptr);
  CHECK(create(plugin.variant("TRITON_ATTN"), p, good) == ATTNRT_OK);
}

TEST_CASE("failure: a driver whose version is not told") {
  fail("cuDriverGetVersion=34");
  const Plugin plugin;
  Sink sink;
  CHECK(plugin.table().available({ATTNRT_DEVICE_CUDA, 0}, sink.get()) == ATTNRT_UNAVAILABLE);
  CHECK(sink.words() == "libcuda.so.1: cuDriverGetVersion answered 34 (CUDA_ERROR_STUB_LIBRARY), wanted 0");
}

TEST_CASE("failure: another architecture than the problem's") {
  const attnrt_problem p = standard_problem(ATTNRT_PHASE_MIXED);
  sdk::GpuDriver older = driver();
  older.device_attribute = [](int* value, int attribute, sdk::GpuDevice device) {
    const sdk::GpuResult error = driver().device_attribute(value, attribute, device);
    if (attribute == driver().attributes.compute_major) *value = 8;
    return error;
  };
  const Plugin plugin(&older);
  Sink sink;
  CHECK(create(plugin.variant("TRITON_ATTN"), p, sink) == ATTNRT_UNAVAILABLE);
  CHECK(sink.words() ==
        "CUDA's device 0 has compute capability 8.0, wanted the problem's 9.0; where devices differ "
        "CUDA_DEVICE_ORDER=PCI_BUS_ID keeps their order");
}

TEST_CASE("failure: too little shared memory") {
  const attnrt_problem p = standard_problem(ATTNRT_PHASE_MIXED);
  sdk::GpuDriver small = driver();
  small.device_attribute = [](int* value, int attribute, sdk::GpuDevice device) {
    const sdk::GpuResult error = driver().device_attribute(value, attribute, device);
    if (attribute == driver().attributes.shared_bytes) *value = 48 * 1024;
    return error;
  };
  const Plugin plugin(&small);
  Sink sink;
  CHECK(create(plugin.variant("TRITON_ATTN"), p, sink) == ATTNRT_UNAVAILABLE);
  CHECK(sink.words().find("bytes of shared memory a block, the device has 49152") != std::string::npos);
}

TEST_CASE("failure: a module that cannot be loaded, and then can") {
  const attnrt_problem p = standard_problem(ATTNRT_PHASE_MIXED);
  const Plugin plugin;
  for (const auto& [error, status] :
       {std::pair("cuModuleLoadData=2@2", ATTNRT_NO_MEMORY), {"cuModuleLoadData=209@2", ATTNRT_UNAVAILABLE}}) {
    fail(error);
    Sink sink;
    CHECK(create(plugin.variant("TRITON_ATTN"), p, sink) == status);
    CHECK(sink.words().find("cuModuleLoadData answered") != std::string::npos);
  }
  for (const char* error : {"cuModuleGetFunction=500@1", "cuFuncSetAttribute=1@1"}) {
    fail(error);
    Sink sink;
    const uint64_t loaded = calls("cuModuleLoadData"), unloaded = calls("cuModuleUnload");
    CHECK(create(plugin.variant("TRITON_ATTN"), p, sink) == ATTNRT_FAILED);
    CHECK(calls("cuModuleLoadData") > loaded);
    CHECK(calls("cuModuleUnload") == unloaded + 1);  // that of the function, the others stay
  }
  fail(nullptr);
  Sink good;
  CHECK(create(plugin.variant("TRITON_ATTN"), p, good) == ATTNRT_OK);
}

TEST_CASE("failure: a tree mask that is too small") {
  const attnrt_problem p = standard_problem(ATTNRT_PHASE_MIXED);
  const Plugin plugin;
  conformance::GpuMemory memory(driver(), 0, true);
  const attnrt_variant& v = plugin.variant("TREE_ATTN");
  attnrt_problem tree = p;
  tree.features |= ATTNRT_FEATURE_TREE_MASK;
  const conformance::Rig rig(v, memory, tree);
  const Batch batch(rig, {{1, 40}, {3, 20}});
  Sink sink, narrow, few;
  REQUIRE(batch.update(sink) == ATTNRT_OK);
  attnrt_run_args args = batch.launch->args();
  REQUIRE(args.tree_mask);
  attnrt_tensor mask = *args.tree_mask;
  args.tree_mask = &mask;
  int64_t shape[3] = {2, 3, 2};
  mask.shape = shape;
  CHECK(v.run(batch.launch->plan(), &args, batch.launch->stream(), narrow.get()) == ATTNRT_INVALID);
  CHECK(narrow.words() == "run: tree_mask.shape[2] is 2, wanted at least 3");
  shape[2] = 3;
  CHECK(v.run(batch.launch->plan(), &args, batch.launch->stream(), sink.get()) == ATTNRT_OK);
  shape[0] = 0;
  CHECK(v.run(batch.launch->plan(), &args, batch.launch->stream(), few.get()) == ATTNRT_INVALID);
}

TEST_CASE("failure: a copy or a launch that fails, and the next that does not") {
  const attnrt_problem p = standard_problem(ATTNRT_PHASE_MIXED);
  const Plugin plugin;
  conformance::GpuMemory memory(driver(), 0, true);
  const conformance::Rig rig(plugin.variant("TRITON_ATTN"), memory, p);
  const Batch batch(rig, {{1, 40}, {3, 20}});
  for (const std::string call : {"cuMemcpyDtoDAsync", "cuMemcpy2DAsync", "cuMemsetD32Async"}) {
    fail((call + "=1").c_str());
    Sink sink, refused;
    CHECK(batch.update(sink) == ATTNRT_FAILED);
    CHECK(sink.words().find(call) != std::string::npos);
    CHECK(batch.run(refused) == ATTNRT_INVALID);  // half a batch is none
  }
  Sink good, failed, again;
  fail("cuLaunchKernel=701@1");
  REQUIRE(batch.update(good) == ATTNRT_OK);
  CHECK(batch.run(failed) == ATTNRT_FAILED);
  CHECK(failed.words() == "cuLaunchKernel answered 701 (CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES), wanted 0");
  CHECK(batch.run(again) == ATTNRT_OK);
}

TEST_CASE("the kit's memory starts where it is asked to, and its page-locked part is the host's") {
  conformance::GpuMemory memory(driver(), 0, true);
  // A driver gives multiples of 256; this one gives no larger ones.
  static sdk::GpuDriver odd = driver();
  odd.allocate = [](sdk::GpuPointer* data, std::size_t bytes) {
    const sdk::GpuResult error = driver().allocate(data, bytes + 4352);
    *data += 4352 - *data % 4096;
    return error;
  };
  odd.release = [](sdk::GpuPointer) { return 0; };
  conformance::GpuMemory moved(odd, 0, false);
  for (const std::size_t alignment : {64, 256, 1024, 4096}) {
    CAPTURE(alignment);
    conformance::Buffer buffer(moved, 5000, 0x5a, alignment);
    REQUIRE(buffer.ok());
    CHECK(reinterpret_cast<uintptr_t>(buffer.data()) % alignment == 0);
    CHECK(buffer.read() == std::vector<uint8_t>(5000, 0x5a));
    CHECK(buffer.guard_damage() == 0);
  }
  CHECK(moved.trouble() == "");
  conformance::Buffer pinned(memory.pinned(), 100);
  REQUIRE(pinned.ok());
  std::fill_n(pinned.data(), 100, 'x');
  CHECK(pinned.read() == std::vector<uint8_t>(100, 'x'));
  CHECK(pinned.guard_damage() == 0);
  CHECK(memory.trouble() == "");
  CHECK(calls("cuMemHostAlloc") == 1);
}

TEST_CASE("sequences that a kernel could not address are refused before there is a plan") {
  const Plugin plugin;
  conformance::GpuMemory memory(driver(), 0, true);
  attnrt_problem p = standard_problem(ATTNRT_PHASE_MIXED);
  p.block_size = 1024;
  const conformance::Rig rig(plugin.variant("TRITON_ATTN"), memory, p);
  REQUIRE(rig.op());
  attnrt_limits limits{sizeof(limits), 1, 4, 64, 16, (1 << 22) - 1, 0, 100, 100, 0};
  attnrt_workspace sizes{};
  sizes.struct_size = sizeof sizes;
  Sink good, refused;
  CHECK(rig.variant().workspace(rig.op(), &limits, &sizes, good.get()) == ATTNRT_OK);
  ++limits.max_seq_len;
  CHECK(rig.variant().workspace(rig.op(), &limits, &sizes, refused.get()) == ATTNRT_UNSUPPORTED);
  CHECK(refused.words() == "limits.max_seq_len is 4194304 with block_size 1024, wanted a product below 4294967296");
}

TEST_CASE("latent attention takes bounded scratch: a batch of more tokens has the bits of its requests alone") {
  const Watch watch;
  const Plugin plugin(watch.table());
  conformance::GpuMemory memory(driver(), 0, true);
  for (const uint32_t determinism : {ATTNRT_DETERMINISM_NONE, ATTNRT_DETERMINISM_BATCH_INVARIANT}) {
    attnrt_problem p = latent_problem(determinism);
    p.num_heads = 128;
    const conformance::Rig rig(plugin.variant("TRITON_MLA"), memory, p);
    REQUIRE(rig.op());
    const attnrt_limits limits{sizeof(limits), 1, 256, 8192, 4096, 4096, 0, 1 << 16, 256, 0};
    attnrt_workspace sizes{};
    sizes.struct_size = sizeof sizes;
    Sink sink;
    REQUIRE(rig.variant().workspace(rig.op(), &limits, &sizes, sink.get()) == ATTNRT_OK);
    CHECK(sizes.scratch_bytes == uint64_t{65536} * 513 * sizeof(float));
    if (determinism == ATTNRT_DETERMINISM_NONE) continue;

    const Batch batch(rig, {{20, 20}, {20, 33}});  // whose 33rd token is the first of another slice
    watch.take(plugin);
    REQUIRE(batch.launch->update());
    REQUIRE(batch.launch->run());
    CHECK(watch.take(plugin).size() == 4);  // both kernels for each of two slices
    batch.launch->collect();
    REQUIRE(batch.launch->outcome().faults.empty());
    for (std::size_t i = 0; i < batch.pointers.size(); ++i) {
      conformance::Launch alone(rig, batch.operands, {batch.pointers[i]}, true, batch.c.placement);
      REQUIRE(alone.update());
      REQUIRE(alone.run());
      alone.collect();
      CHECK(alone.outcome().faults.empty());
      CHECK(alone.outcome().bytes[0] == batch.launch->outcome().bytes[i]);
      CHECK(alone.outcome().lse[0] == batch.launch->outcome().lse[i]);
    }
  }
}

TEST_CASE("plan_update and run load nothing, allocate nothing on the device and do not wait") {
  const Plugin plugin;
  conformance::GpuMemory memory(driver(), 0, true);
  const conformance::Rig rig(plugin.variant("TRITON_ATTN"), memory, standard_problem(ATTNRT_PHASE_MIXED));
  const Batch batch(rig, {{1, 40}, {3, 20}});
  const attnrt_stream stream = batch.launch->stream();
  const auto forbidden = [] {
    uint64_t sum = 0;
    for (const char* call :
         {"cuModuleLoadData", "cuMemAlloc", "cuMemFree", "cuStreamSynchronize", "cuCtxSynchronize",
          "cuEventSynchronize", "cuMemcpyDtoH", "cuMemcpyHtoD", "cuMemcpyDtoHAsync", "cuMemcpyHtoDAsync"})
      sum += calls(call);
    return sum;
  };
  const uint64_t before = forbidden();
  CHECK(before > 0);
  Sink sink;
  REQUIRE(batch.update(sink, stream) == ATTNRT_OK);
  REQUIRE(batch.run(sink, stream) == ATTNRT_OK);
  CHECK(forbidden() == before);
}

TEST_CASE("plan_update and run ask the heap for nothing, and take little time of their own") {
  // A driver that, once asked to, only counts: what is measured is the plugin.
  const Watch watch;
  const Plugin plugin(watch.table());
  conformance::GpuMemory memory(driver(), 0, true);
  const conformance::Rig rig(plugin.variant("TRITON_ATTN"), memory, standard_problem(ATTNRT_PHASE_DECODE));
  const Batch batch(rig, {{1, 40}, {1, 20}});
  const attnrt_stream stream = batch.launch->stream();
  Sink sink;
  REQUIRE(batch.update(sink, stream) == ATTNRT_OK);
  REQUIRE(batch.run(sink, stream) == ATTNRT_OK);
  watch.count_alone();
  const uint64_t heap = conformance::allocation_count(), launched = watch.count();
  double microseconds = 1e9;  // of the best round: others may have been interrupted
  for (int round = 0; round < 50; ++round) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < 100; ++i) batch.run(sink, stream);
    microseconds =
        std::min(microseconds,
                 std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count() / 100);
  }
  if (conformance::can_count_allocations()) CHECK(conformance::allocation_count() == heap);
  CHECK(watch.count() > launched);
  WARN("run takes " << microseconds << " us beside the driver's time");
  CHECK(microseconds < 50);  // a hundred times more than a quiet machine needs
}
