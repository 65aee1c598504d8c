// SPDX-License-Identifier: Apache-2.0
//
// The host side of triton_attn: what it launches for a batch, what it answers when the device fails.
#include <catch2/catch.hpp>

#include <algorithm>
#include <chrono>
#include <set>
#include <tuple>

#include "attnrt/check.hpp"
#include "conformance/allocation_count.hpp"
#include "conformance/cuda_memory.hpp"
#include "conformance/launch.hpp"
#include "conformance/request.hpp"
#include "fake_plugin.hpp"

using namespace attnrt;
using conformance::Sink;

namespace {

attnrt_problem problem(uint32_t phase, uint32_t determinism) {
  attnrt_problem p = conformance::empty_problem(0);
  p.device_type = ATTNRT_DEVICE_CUDA;
  p.arch = 90;
  p.family = ATTNRT_FAMILY_STANDARD;
  p.features = ATTNRT_FEATURE_CAUSAL | ATTNRT_FEATURE_LSE;
  p.attn_type = ATTNRT_ATTN_DECODER;
  p.phase = phase;
  p.q_dtype = p.kv_dtype = p.out_dtype = ATTNRT_BF16;
  p.kv_layouts = ATTNRT_KV_NHD;
  p.block_size = 16;
  p.num_heads = 8;
  p.num_kv_heads = 2;
  p.head_size_qk = p.head_size_v = 64;
  p.causal = ATTNRT_CAUSAL_ALWAYS;
  p.determinism = determinism;
  return p;
}

const attnrt_host& host() {
  static const attnrt_host host = {
      sizeof(attnrt_host), ATTNRT_ABI_MAJOR, ATTNRT_ABI_MINOR, 0, nullptr, [](void*, int32_t, const char*) {}, nullptr};
  return host;
}

attnrt_status create(const attnrt_variant& v, const attnrt_problem& p, Sink& sink, int32_t device = 0) {
  attnrt_kernel_op* op = nullptr;
  const attnrt_status status = v.create(&v, &host(), &p, {ATTNRT_DEVICE_CUDA, device}, &op, sink.get());
  if (op) v.destroy(op);
  return status;
}

// A batch of requests, ready to run.
struct Batch {
  Batch(const conformance::Rig& rig, std::vector<conformance::Length> lengths, uint64_t seed = 1) {
    c.problem = rig.problem();
    c.lengths = std::move(lengths);
    c.seed = seed;
    c.lse = true;
    operands = conformance::make_operands(c);
    requests = conformance::make_requests(c, operands);
    for (const conformance::RequestData& r : requests) pointers.push_back(&r);
    launch = std::make_unique<conformance::Launch>(rig, operands, pointers, true, c.placement);
  }
  conformance::Case c;
  conformance::Operands operands;
  std::vector<conformance::RequestData> requests;
  std::vector<const conformance::RequestData*> pointers;
  std::unique_ptr<conformance::Launch> launch;
};

// What decides the bits of a request: kernels with their tiles, and the number of parts.
using Partition = std::vector<std::tuple<std::string, uint32_t, uint32_t, uint32_t>>;
Partition partition(conformance::Launch& launch) {
  fake::take_launches();
  REQUIRE(launch.update());
  REQUIRE(launch.run());
  Partition out;
  for (const fake::LaunchRecord& r : fake::take_launches())
    out.emplace_back(r.binary->symbol, r.binary->block_m, r.binary->tile, r.grid[2]);
  return out;
}

}  // namespace

TEST_CASE("a batch-invariant problem is cut the same way whatever the batch") {
  fake::Plugin plugin;
  conformance::CudaMemory memory(*fake::driver(), 0, true);
  for (const char* backend : {"TRITON_ATTN", "TREE_ATTN"})
    for (const uint32_t phase : {ATTNRT_PHASE_DECODE, ATTNRT_PHASE_MIXED, ATTNRT_PHASE_PREFILL}) {
      const conformance::Rig rig(plugin.variant(backend, "aot"), memory,
                                 problem(phase, ATTNRT_DETERMINISM_BATCH_INVARIANT));
      REQUIRE(rig.op());
      std::vector<std::vector<conformance::Length>> batches = {{{1, 400}}, {{1, 7}, {1, 400}, {1, 2000}}};
      for (int i = 0; i < 40; ++i) batches[1].push_back({1, 20});
      if (phase != ATTNRT_PHASE_DECODE) batches.insert(batches.end(), {{{300, 300}}, {{1, 400}, {65, 129}, {17, 900}}});
      std::set<Partition> seen;
      for (auto& lengths : batches) {
        Batch batch(rig, lengths);
        seen.insert(partition(*batch.launch));
      }
      INFO(backend << " in phase " << phase);
      CHECK(seen.size() == 1);
    }
}

TEST_CASE("without that demand the batch decides: the control for the test above") {
  fake::Plugin plugin;
  conformance::CudaMemory memory(*fake::driver(), 0, true);
  const conformance::Rig rig(plugin.variant("TRITON_ATTN", "aot"), memory,
                             problem(ATTNRT_PHASE_MIXED, ATTNRT_DETERMINISM_NONE));
  Batch one(rig, {{1, 4000}}), many(rig, {{300, 300}});
  const Partition decode = partition(*one.launch), prefill = partition(*many.launch);
  CHECK(decode != prefill);
  CHECK(decode.size() == 2);  // parts of the keys, and their merge
  CHECK(std::get<3>(decode[0]) > 1);
  CHECK(prefill.size() == 1);
}

TEST_CASE("bits of a batch-invariant decode do not change with its neighbours") {
  fake::Plugin plugin;
  conformance::CudaMemory memory(*fake::driver(), 0, true);
  for (const char* backend : {"TRITON_ATTN", "TRITON_MLA"}) {
    attnrt_problem p = problem(ATTNRT_PHASE_DECODE, ATTNRT_DETERMINISM_BATCH_INVARIANT);
    if (std::string(backend) == "TRITON_MLA") {
      p.family = ATTNRT_FAMILY_MLA;
      p.kv_layouts = ATTNRT_KV_MLA_LATENT;
      p.num_heads = 16;
      p.num_kv_heads = 1;
      p.head_size_qk = 576;
      p.head_size_v = 512;
      p.mla_kv_lora = 512;
      p.mla_nope = 128;
      p.mla_rope = 64;
      p.mla_v = 128;
    }
    const conformance::Rig rig(plugin.variant(backend, "aot"), memory, p);
    REQUIRE(rig.op());
    Batch alone(rig, {{1, 777}}, 5);
    Batch crowd(rig, {{1, 30}, {1, 1500}, {1, 64}}, 6);
    auto pointers = crowd.pointers;
    pointers.insert(pointers.begin() + 1, alone.pointers[0]);
    const conformance::Outcome a = rig.run(alone.operands, alone.pointers, true, alone.c.placement);
    const conformance::Outcome b = rig.run(alone.operands, pointers, true, crowd.c.placement);
    REQUIRE(a.done);
    REQUIRE(b.done);
    CHECK(a.bytes[0] == b.bytes[1]);
    CHECK(a.lse[0] == b.lse[1]);
  }
}

TEST_CASE("each failure of the device is a status and a sentence") {
  const attnrt_problem p = problem(ATTNRT_PHASE_MIXED, ATTNRT_DETERMINISM_NONE);
  SECTION("no device") {
    fake::Plugin plugin({90, 132, 227 * 1024, 0});
    Sink sink, other;
    const uint64_t before = fake::calls("cuInit");
    CHECK(plugin.table().available({ATTNRT_DEVICE_CUDA, 0}, sink.get()) == ATTNRT_OK);
    CHECK(fake::calls("cuInit") == before);  // the engine may fork yet
    CHECK(create(plugin.variant("TRITON_ATTN", "aot"), p, other) == ATTNRT_UNAVAILABLE);
    CHECK(other.words().find("CUDA_ERROR_INVALID_DEVICE") != std::string::npos);
    CHECK(other.count() == 1);
  }
  SECTION("a driver that was used before a fork") {
    fake::Plugin plugin;
    fake::fail("cuInit", sdk::kGpuNotInitialized);
    Sink sink;
    CHECK(create(plugin.variant("TRITON_ATTN", "aot"), p, sink) == ATTNRT_UNAVAILABLE);
    CHECK(sink.words().find("cuInit answered 3") != std::string::npos);
  }
  SECTION("an architecture that nothing was compiled for") {
    fake::Plugin plugin({75, 40, 64 * 1024, 1});
    Sink sink;
    CHECK(create(plugin.variant("TRITON_ATTN", "aot"), p, sink) == ATTNRT_UNAVAILABLE);
    CHECK(sink.words() ==
          "CUDA's device 0 has compute capability 7.5, wanted the problem's 9.0; where devices differ "
          "CUDA_DEVICE_ORDER=PCI_BUS_ID keeps their order");
  }
  SECTION("too little shared memory") {
    fake::Plugin plugin({90, 132, 48 * 1024, 1});
    Sink sink;
    CHECK(create(plugin.variant("TRITON_ATTN", "aot"), p, sink) == ATTNRT_UNAVAILABLE);
    CHECK(sink.words().find("bytes of shared memory a block, the device has 49152") != std::string::npos);
  }
  SECTION("a module that cannot be loaded, and then can") {
    fake::Plugin plugin;
    for (const auto& [error, status] :
         {std::pair(sdk::kGpuOutOfMemory, ATTNRT_NO_MEMORY), {sdk::kGpuNoBinaryForGpu, ATTNRT_UNAVAILABLE}}) {
      fake::fail("cuModuleLoadData", error, 1);
      Sink sink;
      CHECK(create(plugin.variant("TRITON_ATTN", "aot"), p, sink) == status);
      CHECK(sink.words().find("cuModuleLoadData answered") != std::string::npos);
    }
    fake::fail("cuModuleGetFunction", sdk::kGpuNotFound);
    Sink sink, good;
    CHECK(create(plugin.variant("TRITON_ATTN", "aot"), p, sink) == ATTNRT_FAILED);
    CHECK(create(plugin.variant("TRITON_ATTN", "aot"), p, good) == ATTNRT_OK);
  }
  SECTION("a tree mask that is too small") {
    fake::Plugin plugin;
    conformance::CudaMemory memory(*fake::driver(), 0, true);
    const attnrt_variant& v = plugin.variant("TREE_ATTN", "aot");
    attnrt_problem tree = p;
    tree.features |= ATTNRT_FEATURE_TREE_MASK;
    const conformance::Rig rig(v, memory, tree);
    Batch batch(rig, {{1, 40}, {3, 20}});
    Sink sink, narrow, few;
    REQUIRE(v.plan_update(batch.launch->plan(), &batch.launch->batch(), batch.launch->stream(), sink.get()) ==
            ATTNRT_OK);
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
  SECTION("a copy or a launch that fails, and the next that does not") {
    fake::Plugin plugin;
    conformance::CudaMemory memory(*fake::driver(), 0, true);
    const attnrt_variant& v = plugin.variant("TRITON_ATTN", "aot");
    const conformance::Rig rig(v, memory, p);
    Batch batch(rig, {{1, 40}, {3, 20}});
    const auto update = [&](Sink& sink) {
      return v.plan_update(batch.launch->plan(), &batch.launch->batch(), batch.launch->stream(), sink.get());
    };
    const auto run = [&](Sink& sink) {
      return v.run(batch.launch->plan(), &batch.launch->args(), batch.launch->stream(), sink.get());
    };
    for (const char* call : {"cuMemcpyDtoDAsync", "cuMemcpy2DAsync", "cuMemsetD32Async"}) {
      fake::fail(call, sdk::kGpuInvalidValue);
      Sink sink, refused;
      CHECK(update(sink) == ATTNRT_FAILED);
      CHECK(sink.words().find(call) != std::string::npos);
      CHECK(run(refused) == ATTNRT_INVALID);  // half a batch is none
    }
    Sink good, failed, again;
    REQUIRE(update(good) == ATTNRT_OK);
    fake::fail("cuLaunchKernel", sdk::kGpuLaunchOutOfResources);
    CHECK(run(failed) == ATTNRT_FAILED);
    CHECK(failed.words() == "cuLaunchKernel answered 701 (CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES), wanted 0");
    CHECK(run(again) == ATTNRT_OK);
  }
}

TEST_CASE("the kit's memory starts where it is asked to, and its page-locked part is the host's") {
  fake::Plugin plugin;
  conformance::CudaMemory memory(*fake::driver(), 0, true);
  // The fake gives pages; a real driver gives multiples of 256, as this one does.
  static sdk::GpuDriver odd;
  odd = *fake::driver();
  odd.allocate = [](sdk::GpuPointer* data, std::size_t bytes) {
    const sdk::GpuResult error = fake::driver()->allocate(data, bytes + 256);
    *data += 256;
    return error;
  };
  odd.release = [](sdk::GpuPointer data) { return fake::driver()->release(data - 256); };
  conformance::CudaMemory moved(odd, 0, false);
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
  CHECK(fake::calls("cuMemHostAlloc") == 1);
}

TEST_CASE("sequences that a kernel could not address are refused before there is a plan") {
  fake::Plugin plugin;
  conformance::CudaMemory memory(*fake::driver(), 0, true);
  attnrt_problem p = problem(ATTNRT_PHASE_MIXED, ATTNRT_DETERMINISM_NONE);
  p.block_size = 1024;
  const conformance::Rig rig(plugin.variant("TRITON_ATTN", "aot"), memory, p);
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

TEST_CASE("plan_update and run load nothing, allocate nothing on the device and do not wait") {
  fake::Plugin plugin;
  conformance::CudaMemory memory(*fake::driver(), 0, true);
  const attnrt_variant& v = plugin.variant("TRITON_ATTN", "aot");
  const conformance::Rig rig(v, memory, problem(ATTNRT_PHASE_MIXED, ATTNRT_DETERMINISM_NONE));
  Batch batch(rig, {{1, 40}, {3, 20}});
  const std::vector<const char*> forbidden = {"cuModuleLoadData",    "cuMemAlloc",   "cuMemFree",
                                              "cuStreamSynchronize", "cuMemcpyDtoH", "cuMemcpyHtoD"};
  uint64_t before = 0, after = 0;
  for (const char* call : forbidden) before += fake::calls(call);
  Sink sink;
  REQUIRE(v.plan_update(batch.launch->plan(), &batch.launch->batch(), batch.launch->stream(), sink.get()) == ATTNRT_OK);
  REQUIRE(v.run(batch.launch->plan(), &batch.launch->args(), batch.launch->stream(), sink.get()) == ATTNRT_OK);
  for (const char* call : forbidden) after += fake::calls(call);
  CHECK(after == before);
}

TEST_CASE("plan_update and run ask the heap for nothing, and take little time of their own") {
  // A driver that, once asked to, only counts: what is measured is the plugin.
  static uint64_t launches;
  static bool counting;
  counting = false;
  fake::Plugin plugin;
  static sdk::GpuDriver idle;
  idle = *fake::driver();
  idle.launch = [](sdk::GpuFunction f, unsigned x, unsigned y, unsigned z, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, sdk::GpuStream stream, void** arguments, void** extra) {
    ++launches;
    return counting ? 0 : fake::driver()->launch(f, x, y, z, bx, by, bz, shared, stream, arguments, extra);
  };
  conformance::CudaMemory memory(*fake::driver(), 0, true);
  const attnrt_variant& v = plugin.variant("TRITON_ATTN", "aot");
  static_cast<const sdk::TestDriverHook*>(plugin.table().extension(sdk::kTestDriver))->use(&idle);
  const conformance::Rig rig(v, memory, problem(ATTNRT_PHASE_DECODE, ATTNRT_DETERMINISM_NONE));
  Batch batch(rig, {{1, 40}, {1, 20}});
  Sink sink;
  REQUIRE(v.plan_update(batch.launch->plan(), &batch.launch->batch(), batch.launch->stream(), sink.get()) == ATTNRT_OK);
  const auto run = [&] {
    return v.run(batch.launch->plan(), &batch.launch->args(), batch.launch->stream(), sink.get());
  };
  REQUIRE(run() == ATTNRT_OK);
  counting = true;
  const uint64_t heap = conformance::allocation_count(), launched = launches;
  double microseconds = 1e9;  // of the best round: others may have been interrupted
  for (int round = 0; round < 50; ++round) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < 100; ++i) run();
    microseconds =
        std::min(microseconds,
                 std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count() / 100);
  }
  if (conformance::can_count_allocations()) CHECK(conformance::allocation_count() == heap);
  CHECK(launches > launched);
  WARN("run takes " << microseconds << " us beside the driver's time");
  CHECK(microseconds < 50);  // a hundred times more than a quiet machine needs
}
