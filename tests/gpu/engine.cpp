// SPDX-License-Identifier: Apache-2.0
//
// What threads, forks, streams and captures of an engine do to a plugin, on a driver that refuses what CUDA refuses.
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <thread>

#include "../../plugins/gpu/launcher.hpp"
#include "../../plugins/gpu/operands.hpp"
#include "conformance/checks.hpp"
#include "engine_batch.hpp"

using namespace attnrt;
using namespace attnrt::emulated;
using conformance::Sink;

namespace {

// Results of a batch that ran.
std::vector<std::vector<uint8_t>> results(const Batch& batch) {
  batch.launch->collect();
  CHECK(batch.launch->outcome().faults.empty());
  return batch.launch->outcome().bytes;
}

sdk::GpuContext context_of(sdk::GpuDevice device) {
  sdk::GpuContext context = nullptr;
  REQUIRE(driver().init(0) == 0);
  REQUIRE(driver().context_retain(&context, device) == 0);
  return context;
}
sdk::GpuContext current_context() {
  sdk::GpuContext context = nullptr;
  REQUIRE(driver().context_current(&context) == 0);
  return context;
}

}  // namespace

TEST_CASE("a thread that never met the device, and one that works on another device, update and run") {
  const Plugin plugin;
  conformance::GpuMemory memory(driver(), 0, true);
  for (const bool latent : {false, true}) {
    const conformance::Rig rig(plugin.variant(latent ? "TRITON_MLA" : "TRITON_ATTN"), memory,
                               latent ? latent_problem() : standard_problem(ATTNRT_PHASE_MIXED));
    const Batch batch(rig, {{1, 40}, {1, 20}});
    REQUIRE(batch.launch->update());
    REQUIRE(batch.launch->run());
    const auto expected = results(batch);
    const attnrt_stream stream = batch.launch->stream();
    const sdk::GpuContext other = context_of(1);
    for (const sdk::GpuContext before : {sdk::GpuContext{}, other}) {
      batch.launch->clear();
      std::thread([&] {
        if (before) REQUIRE(driver().context_push(before) == 0);
        Sink sink;
        CHECK(batch.update(sink, stream) == ATTNRT_OK);
        CHECK(batch.run(sink, stream) == ATTNRT_OK);
        CHECK(sink.words() == "");
        CHECK(current_context() == before);
      }).join();
      memory.finish(stream);
      CHECK(memory.trouble() == "");
      CHECK(results(batch) == expected);
    }
  }
}

TEST_CASE("the kit meets a plugin in threads without a context: one that relies on it fails") {
  static sdk::GpuDriver table = driver();
  static const sdk::GpuContext first = context_of(0);
  table.context_current = [](sdk::GpuContext* context) {  // so that nobody pushes it
    *context = first;
    return 0;
  };
  const Plugin plugin(&table);
  conformance::GpuMemory memory(driver(), 0, true);
  conformance::CheckOptions options;
  options.depth = conformance::Depth::quick;
  options.arch = 90;
  for (const conformance::Check& check : conformance::variant_checks()) {
    if (std::string(check.name) != "workspace") continue;
    const conformance::Findings failed =
        conformance::failures(check.run(plugin.variant("TRITON_ATTN"), memory, options));
    REQUIRE_FALSE(failed.empty());
    CHECK(failed[0].sentence.find("CUDA_ERROR_INVALID_CONTEXT") != std::string::npos);
  }
}

TEST_CASE("a stream of another device is refused with a sentence") {
  const Plugin plugin;
  conformance::GpuMemory memory(driver(), 0, true), other(driver(), 1, true);
  const conformance::Rig rig(plugin.variant("TRITON_ATTN"), memory, standard_problem(ATTNRT_PHASE_MIXED));
  const Batch batch(rig, {{1, 40}});
  Sink sink;
  CHECK(batch.update(sink, other.stream()) == ATTNRT_FAILED);
  CHECK(sink.words().find("CUDA_ERROR_INVALID_HANDLE), wanted 0; streams are those of the device's primary context") !=
        std::string::npos);
}

TEST_CASE("a child of a process that used the device is told so by create, not by the first step") {
  const Plugin plugin;
  conformance::GpuMemory memory(driver(), 0, true);
  const attnrt_problem p = standard_problem(ATTNRT_PHASE_MIXED);
  Sink sink;
  REQUIRE(create(plugin.variant("TRITON_ATTN"), p, sink) == ATTNRT_OK);
  const pid_t child = fork();
  if (!child) {
    Sink told;
    const attnrt_status status = create(plugin.variant("TRITON_ATTN"), p, told);
    _exit(status == ATTNRT_UNAVAILABLE && told.words().find("CUDA was used before this process was forked") == 0 ? 0
                                                                                                                 : 1);
  }
  int status = 1;
  waitpid(child, &status, 0);
  CHECK(status == 0);
}

TEST_CASE("an op is created in one thread while another one captures in the mode that forbids most") {
  const Plugin plugin;
  conformance::GpuMemory memory(driver(), 0, true);
  const attnrt_variant& v = plugin.variant("TRITON_ATTN");
  const conformance::Rig rig(v, memory, standard_problem(ATTNRT_PHASE_MIXED));
  const Batch batch(rig, {{1, 40}, {1, 20}});
  REQUIRE(batch.launch->update());
  REQUIRE(batch.launch->run());
  const auto expected = results(batch);
  const attnrt_stream stream = batch.launch->stream();
  REQUIRE(memory.capture_begin(stream));
  Sink sink;
  CHECK(batch.run(sink, stream) == ATTNRT_OK);
  std::thread([&] {  // other modules, another device
    Sink told;
    const uint64_t loaded = calls("cuModuleLoadData");
    CHECK(create(plugin.variant("TREE_ATTN"), standard_problem(ATTNRT_PHASE_MIXED), told) == ATTNRT_OK);
    CHECK(create(v, standard_problem(ATTNRT_PHASE_MIXED), told, 1) == ATTNRT_OK);
    CHECK(told.words() == "");
    CHECK(calls("cuModuleLoadData") > loaded);
    int mode = sdk::kGpuCaptureRelaxed;
    CHECK(driver().capture_mode(&mode) == 0);
    CHECK(mode == sdk::kGpuCaptureGlobal);  // as the thread had it
  })
      .join();
  void* const graph = memory.capture_end(stream);
  CHECK(memory.trouble() == "");
  REQUIRE(graph);
  batch.launch->clear();
  memory.replay(graph, stream);
  memory.finish(stream);
  CHECK(results(batch) == expected);
  memory.forget(graph);
}

TEST_CASE("code for 8.0 serves 8.6 and 8.9, and not 8.7, which is Tegra's, and later code its own alone") {
  for (const uint32_t device : {80, 86, 89}) CHECK(gpu::runs_on(device, 80));
  for (const uint32_t device : {75, 87, 88, 90}) CHECK_FALSE(gpu::runs_on(device, 80));
  CHECK(gpu::runs_on(87, 87));
  CHECK_FALSE(gpu::runs_on(86, 89));
  CHECK_FALSE(gpu::runs_on(103, 100));
  CHECK_FALSE(gpu::runs_on(121, 120));
  CHECK(gpu::runs_on(0x942, 0x942));
  CHECK_FALSE(gpu::runs_on(0x950, 0x942));
}

namespace {

// A kernel with static shared memory, and one with parameters in another order than the host's struct.
constexpr char kText[] =
    ".version 8.0\n.target sm_80\n.address_size 64\n.extern .shared .align 16 .b8 dynamic[];\n"
    ".visible .entry fixed(.param .u32 count, .param .f32 scale, .param .u64 out_ptr) {\n"
    ".shared .align 4 .b8 own[1024]; .reg .b32 %r<4>; .reg .b64 %rd<3>; .reg .f32 %f<3>;\n"
    "mov.u32 %r1, own; ld.param.u32 %r2, [count]; st.shared.u32 [%r1], %r2; ld.shared.u32 %r3, [%r1];\n"
    "ld.param.u64 %rd1, [out_ptr]; st.global.u32 [%rd1], %r3;\n"
    "ld.param.f32 %f1, [scale]; st.global.f32 [%rd1+4], %f1; ret;\n}\n";
constexpr gpu::Parameter kParameters[] = {{"count", 'i'}, {"scale", 'f'}, {"out_ptr", 'p'}};
#define TEST_ARGUMENTS(P, F, I, L) P(out_ptr) F(scale) I(count)
ATTNRT_GPU_ARGUMENTS(Arguments, TEST_ARGUMENTS, kMembers);

gpu::KernelImage image(uint32_t shared_bytes) {
  gpu::KernelImage i{};
  i.kernel = i.symbol = "fixed";
  i.arch = 80;
  i.image = reinterpret_cast<const unsigned char*>(kText);
  i.warps = 1;
  i.shared_bytes = shared_bytes;
  i.parameters = kParameters;
  i.num_parameters = 3;
  return i;
}

}  // namespace

TEST_CASE("a kernel's static shared memory counts in what a launch may use unasked, and in what a device has") {
  driver();
  gpu::Device& device = gpu::Device::open({ATTNRT_DEVICE_CUDA, 0});
  conformance::GpuMemory memory(driver(), 0, true);
  const conformance::Buffer out(memory, 8);
  // 47.5 KiB of dynamic memory beside 1 KiB of static: more than 48 KiB, less than the device has.
  const gpu::KernelImage fits = image(47 * 1024 + 512);
  const gpu::Launcher launcher(device, &fits, "fixed", kMembers);
  Arguments arguments{};
  arguments.out_ptr = reinterpret_cast<uint64_t>(out.data());
  arguments.count = 7;
  arguments.scale = 0.5f;
  launcher.launch(device.driver(), {}, &arguments, gpu::device_stream(memory.stream()));
  memory.finish(memory.stream());
  CHECK(memory.trouble() == "");
  const std::vector<uint8_t> bytes = out.read();
  CHECK(bytes == std::vector<uint8_t>{7, 0, 0, 0, 0, 0, 0, 0x3f});
}

TEST_CASE("a kernel whose static and dynamic shared memory together are too much is refused when it is loaded") {
  driver();
  gpu::Device& device = gpu::Device::open({ATTNRT_DEVICE_CUDA, 0});
  const gpu::KernelImage large = image(227 * 1024);
  const auto load = [&] { gpu::Launcher(device, &large, "fixed", kMembers); };
  CHECK_THROWS_WITH(load(),
                    "fixed wants 232448 bytes of shared memory a block beside 1024 of its own, the device has "
                    "232448");
  CHECK(calls("cuModuleUnload") == 1);
}
