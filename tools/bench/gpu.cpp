// SPDX-License-Identifier: Apache-2.0
//
// gpu_bench PLUGIN.so [--small]: times the backends of a plugin for CUDA devices on device 0. Prints
// a JSON object a line: the copy speed of the device, then for each case milliseconds (the median of the repetitions,
// by events), TFLOP/s and GB/s. Prefill counts 4 Hq D operations a visible pair, decode the bytes of the cache that
// must be read. On the SDK's emulator (ATTNRT_CUDA_DRIVER) the times say nothing; --small takes sizes for that.
#include <dlfcn.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "attnrt/check.hpp"
#include "attnrt/gpu_driver.hpp"
#include "conformance/batch.hpp"
#include "conformance/case.hpp"
#include "conformance/cuda_memory.hpp"
#include "conformance/rig.hpp"

namespace {

using namespace attnrt;
using conformance::Shelf;

struct BenchCase {
  const char *name, *backend;
  int32_t requests, query, keys;
  uint32_t heads, kv_heads;
  uint32_t kv_dtype = ATTNRT_BF16;
};

constexpr BenchCase kCases[] = {
    {"prefill_1x8192", "TRITON_ATTN", 1, 8192, 8192, 32, 8},
    {"prefill_4x2048", "TRITON_ATTN", 4, 2048, 2048, 32, 8},
    {"prefill_1x16384_64h", "TRITON_ATTN", 1, 16384, 16384, 64, 8},
    {"decode_1x32768", "TRITON_ATTN", 1, 1, 32768, 32, 8},
    {"decode_16x8192", "TRITON_ATTN", 16, 1, 8192, 32, 8},
    {"decode_64x4096", "TRITON_ATTN", 64, 1, 4096, 32, 8},
    {"decode_256x1024", "TRITON_ATTN", 256, 1, 1024, 32, 8},
    {"decode_64x4096_fp8", "TRITON_ATTN", 64, 1, 4096, 32, 8, ATTNRT_FP8_E4M3},
    {"mla_decode_16x8192", "TRITON_MLA", 16, 1, 8192, 128, 1},
    {"mla_decode_64x2048", "TRITON_MLA", 64, 1, 2048, 128, 1},
};

void want(const sdk::GpuDriver& driver, const char* call, sdk::GpuResult error) {
  if (error) throw std::runtime_error(sdk::say(call, " answered ", error, " (", driver.name_of(error), ")"));
}

template <class F>
F symbol_of(void* library, const char* name) {
  F function = nullptr;
  void* symbol = library ? dlsym(library, name) : nullptr;
  std::memcpy(&function, &symbol, sizeof symbol);
  if (!function) throw std::runtime_error(std::string(name) + " is missing");
  return function;
}

// Milliseconds of one call, the median of `repeat`.
template <class Run>
double milliseconds(const sdk::GpuDriver& driver, sdk::GpuStream stream, int repeat, const Run& run) {
  sdk::GpuEvent begin = nullptr, end = nullptr;
  want(driver, "cuEventCreate", driver.event_create(&begin, 0));
  want(driver, "cuEventCreate", driver.event_create(&end, 0));
  std::vector<float> times(static_cast<std::size_t>(repeat));
  for (int i = 0; i < 3; ++i) run();
  for (float& time : times) {
    want(driver, "cuEventRecord", driver.event_record(begin, stream));
    run();
    want(driver, "cuEventRecord", driver.event_record(end, stream));
    want(driver, "cuEventSynchronize", driver.event_finish(end));
    want(driver, "cuEventElapsedTime", driver.event_elapsed(&time, begin, end));
  }
  driver.event_destroy(begin);
  driver.event_destroy(end);
  std::nth_element(times.begin(), times.begin() + repeat / 2, times.end());
  return times[static_cast<std::size_t>(repeat / 2)];
}

class Bench {
 public:
  Bench(const attnrt_plugin& plugin, const sdk::GpuDriver& driver, bool small)
      : plugin_(plugin), driver_(driver), small_(small), memory_(driver, 0, false) {
    if (const std::string trouble = memory_.trouble(); !trouble.empty()) throw std::runtime_error(trouble);
    stream_ = static_cast<sdk::GpuStream>(const_cast<void*>(memory_.stream()));
    want(driver_, "cuCtxSetCurrent", driver_.context_set(memory_.context()));
  }

  void copy_speed() {
    const std::size_t bytes = small_ ? 1 << 20 : std::size_t{1} << 30;
    Shelf shelf(memory_);
    const auto from = reinterpret_cast<uint64_t>(shelf.raw(bytes, 1, 256).data()),
               to = reinterpret_cast<uint64_t>(shelf.raw(bytes, 2, 256).data());
    if (!shelf.ok()) throw std::runtime_error("there is no memory for the copy");
    const double ms = milliseconds(driver_, stream_, 10, [&] {
      want(driver_, "cuMemcpyDtoDAsync", driver_.copy_device_async(to, from, bytes, stream_));
    });
    char name[96] = "";
    driver_.device_name(name, sizeof name, 0);
    std::printf("{\"case\": \"copy\", \"device\": \"%s\", \"arch\": %u, \"ms\": %.4f, \"gbytes\": %.1f}\n", name,
                memory_.arch(), ms, ms > 0 ? 2e-6 * static_cast<double>(bytes) / ms : 0);
  }

  void run(BenchCase c) {
    if (small_)
      c = {c.name,     c.backend, std::min(c.requests, 3), std::min(c.query, 33), std::min(c.keys, 97), c.heads,
           c.kv_heads, c.kv_dtype};
    const bool mla = std::strcmp(c.backend, "TRITON_MLA") == 0;
    attnrt_problem p = conformance::empty_problem(0);
    p.device_type = ATTNRT_DEVICE_CUDA;
    p.arch = memory_.arch();
    p.family = mla ? ATTNRT_FAMILY_MLA : ATTNRT_FAMILY_STANDARD;
    p.features = ATTNRT_FEATURE_CAUSAL;
    p.attn_type = ATTNRT_ATTN_DECODER;
    p.phase = c.query > 1 ? ATTNRT_PHASE_PREFILL : ATTNRT_PHASE_DECODE;
    p.q_dtype = p.out_dtype = ATTNRT_BF16;
    p.kv_dtype = c.kv_dtype;
    p.kv_layouts = mla ? ATTNRT_KV_MLA_LATENT : ATTNRT_KV_NHD;
    p.block_size = mla ? 64 : 16;
    p.num_heads = c.heads;
    p.num_kv_heads = c.kv_heads;
    p.head_size_qk = mla ? 576 : 128;
    p.head_size_v = mla ? 512 : 128;
    if (mla) {
      p.mla_kv_lora = 512;
      p.mla_nope = 128;
      p.mla_rope = 64;
      p.mla_v = 128;
    }
    p.causal = ATTNRT_CAUSAL_ALWAYS;
    const attnrt_variant& v = variant(c.backend);
    const conformance::Rig rig(v, memory_, p);
    if (!rig.op())
      return std::printf("{\"case\": \"%s\", \"refused\": \"%s\"}\n", c.name, rig.faults()[0].sentence.c_str()), void();
    time_run(c, p, v, rig);
  }

 private:
  const attnrt_variant& variant(const char* backend) const {
    for (uint32_t b = 0; b < plugin_.num_backends; ++b)
      if (std::strcmp(plugin_.backends[b]->name, backend) == 0) return *plugin_.backends[b]->variants[0];
    throw std::runtime_error(std::string("there is no backend ") + backend);
  }

  void time_run(const BenchCase& c, const attnrt_problem& p, const attnrt_variant& v, const conformance::Rig& rig) {
    Shelf shelf(memory_);
    const int64_t tokens = int64_t{c.requests} * c.query, blocks = (c.keys + int64_t{p.block_size} - 1) / p.block_size;
    const attnrt_dtype bf16 = sdk::to_dlpack(ATTNRT_BF16);
    conformance::Sink sink;
    attnrt_kv_layout layout{};
    layout.struct_size = sizeof layout;
    v.kv_layout(&v, &p, &layout, sink.get());
    std::vector<int32_t> starts, lens(static_cast<std::size_t>(c.requests), c.keys),
        table(static_cast<std::size_t>(c.requests * blocks));
    for (int32_t r = 0; r <= c.requests; ++r) starts.push_back(r * c.query);
    // Blocks of a request lie scattered, as they do after a while of serving.
    std::iota(table.begin(), table.end(), 0);
    conformance::Random random(1);
    random.shuffle(table);
    // 0x3c bytes are small numbers in every type here.
    char* const cache = shelf.raw(table.size() * layout.block_bytes, 0x3c, 256).data();
    const int64_t num_blocks = static_cast<int64_t>(table.size()), heads = p.num_heads, dqk = p.head_size_qk,
                  dv = p.head_size_v;
    const attnrt_dtype stored = sdk::to_dlpack(p.kv_dtype);
    attnrt_run_args args{};
    args.struct_size = sizeof args;
    args.scale = 0.1f;
    args.q = shelf.tensor(shelf.raw(static_cast<std::size_t>(tokens * heads * dqk) * 2, 0x3c, 256).data(), bf16,
                          {tokens, heads, dqk});
    args.out = shelf.tensor(shelf.raw(static_cast<std::size_t>(tokens * heads * dv) * 2, 0, 256).data(), bf16,
                            {tokens, heads, dv});
    args.k_cache = shelf.tensor(cache, stored, {num_blocks, p.block_size, p.num_kv_heads, dqk},
                                {layout.k_strides[0], layout.k_strides[1], layout.k_strides[2], 1});
    if (p.family == ATTNRT_FAMILY_STANDARD)
      args.v_cache = shelf.tensor(cache + layout.v_offset, stored, {num_blocks, p.block_size, p.num_kv_heads, dv},
                                  {layout.v_strides[0], layout.v_strides[1], layout.v_strides[2], 1});
    attnrt_batch batch{};
    batch.struct_size = sizeof batch;
    batch.num_seqs = c.requests;
    batch.num_tokens = static_cast<int32_t>(tokens);
    batch.max_query_len = c.query;
    batch.max_seq_len = c.keys;
    batch.query_start_loc = shelf.put(starts);
    batch.seq_lens = shelf.put(lens);
    batch.block_table = shelf.put(table);
    batch.block_table_stride = blocks;
    batch.block_table_width = static_cast<int32_t>(blocks);
    const attnrt_limits limits{
        sizeof limits,           1, c.requests, batch.num_tokens, c.query, c.keys, 0, static_cast<int32_t>(num_blocks),
        batch.block_table_width, 0};
    attnrt_workspace sizes{};
    sizes.struct_size = sizeof sizes;
    v.workspace(rig.op(), &limits, &sizes, sink.get());
    attnrt_memory workspace{};
    workspace.struct_size = sizeof workspace;
    workspace.plan = shelf.raw(workspace.plan_bytes = sizes.plan_bytes, 0, 256).data();
    workspace.scratch =
        sizes.scratch_bytes ? shelf.raw(workspace.scratch_bytes = sizes.scratch_bytes, 0, 256).data() : nullptr;
    attnrt_kernel_plan* plan = nullptr;
    if (!shelf.ok() || v.plan_create(rig.op(), &limits, &workspace, &plan, sink.get()) ||
        v.plan_update(plan, &batch, stream_, sink.get())) {
      std::printf("{\"case\": \"%s\", \"refused\": \"%s\"}\n", c.name,
                  shelf.ok() ? sink.words().c_str() : "there is not enough memory");
      return;
    }
    const double ms = milliseconds(driver_, stream_, small_ ? 3 : 20, [&] {
      if (v.run(plan, &args, stream_, sink.get())) throw std::runtime_error(sink.words());
    });
    v.plan_destroy(plan);
    const double pairs = c.requests * (static_cast<double>(c.query) * c.keys - 0.5 * c.query * (c.query - 1.0));
    const double operations = 2.0 * static_cast<double>(heads * (dqk + dv)) * pairs;
    const double bytes = static_cast<double>(c.requests) * c.keys * p.num_kv_heads *
                         static_cast<double>(p.family == ATTNRT_FAMILY_MLA ? dqk : dqk + dv) *
                         sdk::dtype_bytes(p.kv_dtype);
    std::printf("{\"case\": \"%s\", \"ms\": %.4f, \"tflops\": %.1f, \"gbytes\": %.1f}\n", c.name, ms,
                ms > 0 ? operations / ms * 1e-9 : 0, ms > 0 ? bytes / ms * 1e-6 : 0);
    std::fflush(stdout);
  }

  const attnrt_plugin& plugin_;
  const sdk::GpuDriver& driver_;
  bool small_;
  conformance::CudaMemory memory_;
  sdk::GpuStream stream_ = nullptr;
};

int bench(const char* file, bool small) {
  void* handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
  if (!handle) throw std::runtime_error(dlerror());
  const attnrt_plugin* const plugin =
      symbol_of<attnrt_plugin_query_fn>(handle, ATTNRT_PLUGIN_QUERY)(ATTNRT_ABI_MAJOR, ATTNRT_ABI_MINOR);
  static sdk::GpuDriver driver;
  if (const std::string why = sdk::load_cuda(driver); !why.empty()) throw std::runtime_error(why);
  Bench bench(*plugin, driver, small);
  bench.copy_speed();
  for (const BenchCase& c : kCases) bench.run(c);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const char* file = nullptr;
  bool small = false;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--small") == 0)
      small = true;
    else if (!file)
      file = argv[i];
    else
      file = nullptr, i = argc;
  }
  if (!file) return std::fprintf(stderr, "usage: gpu_bench PLUGIN.so [--small]\n"), 2;
  try {
    return bench(file, small);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "gpu_bench: %s\n", e.what());
    return 1;
  }
}
