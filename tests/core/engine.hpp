// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "attnrt/runtime.hpp"
#include "scratch.hpp"

/// A runtime over the built plugins that listens to no variable.
inline attnrt::Options only_plugins(const std::string& path = ATTNRT_TEST_PLUGINS) {
  attnrt::Options options;
  options.plugin_path = path;
  options.read_environment = false;
  options.probe = ATTNRT_PROBE_NEVER;
  options.cache_folder = "";
  return options;
}

/// A small fp32 model layer on the CPU: 4 query heads over 2 KV heads of 32.
inline attnrt_problem small_problem(const attnrt::Runtime& runtime, uint32_t layouts) {
  attnrt_problem p = runtime.problem("cpu");
  p.q_dtype = p.kv_dtype = p.out_dtype = ATTNRT_FP32;
  p.num_heads = 4;
  p.num_kv_heads = 2;
  p.head_size_qk = p.head_size_v = 32;
  p.block_size = (layouts & ATTNRT_KV_CONTIGUOUS) ? 0 : 16;
  p.kv_layouts = layouts;
  p.features = ATTNRT_FEATURE_LSE;
  return p;
}

/// A step of two requests, a prefill of 20 tokens and a decode at position 8, with all its arrays. Arrays are as long
/// as the call says and no longer, so that a sanitizer sees a read past them.
struct Step {
  static constexpr int64_t kHeads = 4, kKvHeads = 2, kSize = 32, kBlock = 16, kBlocks = 6, kTokens = 21, kKeys = 29;
  explicit Step(bool paged_kv) : paged(paged_kv) {
    const auto fill = [](std::vector<float>& to, int64_t n, float seed) {
      to.resize(static_cast<std::size_t>(n));
      for (std::size_t i = 0; i < to.size(); ++i) to[i] = std::sin(seed + 0.37f * static_cast<float>(i));
    };
    fill(q_data, kTokens * kHeads * kSize, 1);
    fill(k_data, kKeys * kKvHeads * kSize, 2);
    fill(v_data, kKeys * kKvHeads * kSize, 3);
    out_data.assign(q_data.size(), -77);
    lse_data.assign(static_cast<std::size_t>(kTokens * kHeads), -77);
    // Blocks that nobody wrote hold NaN: a read of them shows in the output.
    k_pages.assign(static_cast<std::size_t>(kBlocks * kBlock * kKvHeads * kSize),
                   std::numeric_limits<float>::quiet_NaN());
    v_pages = k_pages;
    for (int64_t i = 0; i < 20; ++i) slots.push_back(i < 16 ? 3 * kBlock + i : i - 16);
    for (int64_t i = 0; i < 9; ++i) slots.push_back(5 * kBlock + i);

    batch.num_seqs = 2;
    batch.num_tokens = kTokens;
    batch.max_query_len = batch.max_seq_len = 20;
    batch.query_start_loc = starts.data();
    batch.seq_lens = lens.data();
    if (paged) {
      batch.block_table = table.data();
      batch.block_table_stride = batch.block_table_width = 2;
    } else {
      batch.kv_start_loc = kv_starts.data();
    }
    run.scale = 1 / std::sqrt(32.0f);
    run.q = q.get();
    run.out = out.get();
    run.lse = lse.get();
    (paged ? run.k_cache : run.k) = paged ? k_cache.get() : k.get();
    (paged ? run.v_cache : run.v) = paged ? v_cache.get() : v.get();
    write.k = k.get();
    write.v = v.get();
    write.slot_mapping = slot_mapping.get();
    write.k_cache = k_cache.get();
    write.v_cache = v_cache.get();
    limits.num_workers = 4;
    limits.max_seqs = 4;
    limits.max_tokens = limits.max_query_len = 32;
    limits.max_seq_len = 64;
    limits.max_kv_tokens = paged ? 0 : 64;
    limits.num_blocks = paged ? kBlocks : 0;
    limits.max_blocks_per_seq = paged ? 2 : 0;
  }
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;

  /// The largest difference of out and lse from plain attention in double.
  double error() const {
    double worst = 0;
    for (int64_t t = 0; t < kTokens; ++t)
      for (int64_t h = 0; h < kHeads; ++h) {
        const int64_t first = t < 20 ? 0 : 20, keys = t < 20 ? t + 1 : 9, kv = h / (kHeads / kKvHeads);
        const auto key = [&](const std::vector<float>& from, int64_t j, int64_t d) {
          return double{from[static_cast<std::size_t>(((first + j) * kKvHeads + kv) * kSize + d)]};
        };
        double sum = 0, acc[kSize] = {};
        for (int64_t j = 0; j < keys; ++j) {
          double s = 0;
          for (int64_t d = 0; d < kSize; ++d)
            s += double{q_data[static_cast<std::size_t>((t * kHeads + h) * kSize + d)]} * key(k_data, j, d);
          const double w = std::exp(s * double{run.scale});
          sum += w;
          for (int64_t d = 0; d < kSize; ++d) acc[d] += w * key(v_data, j, d);
        }
        const auto apart = [&worst](double got, double want) {
          const double by = std::abs(got - want);
          if (!(by <= worst)) worst = std::isnan(by) ? std::numeric_limits<double>::infinity() : by;
        };
        for (int64_t d = 0; d < kSize; ++d)
          apart(out_data[static_cast<std::size_t>((t * kHeads + h) * kSize + d)], acc[d] / sum);
        apart(lse_data[static_cast<std::size_t>(t * kHeads + h)], std::log(sum));
      }
    return worst;
  }

  bool paged;
  std::vector<float> q_data, k_data, v_data, out_data, lse_data, k_pages, v_pages;
  std::vector<int64_t> slots;
  std::vector<int32_t> starts{0, 20, 21}, lens{20, 9}, kv_starts{0, 20, 29}, table{3, 0, 5, -9};
  attnrt_batch batch = attnrt::sized<attnrt_batch>();
  attnrt_run_args run = attnrt::sized<attnrt_run_args>();
  attnrt_write_args write = attnrt::sized<attnrt_write_args>();
  attnrt_limits limits = attnrt::sized<attnrt_limits>();

 private:
  struct Filled {  // runs the vectors' allocation before the tensors take their addresses
    Filled(Step& s) {
      s.q_data.resize(kTokens * kHeads * kSize);
      s.k_data.resize(kKeys * kKvHeads * kSize);
      s.v_data = s.k_data;
      s.out_data = s.q_data;
      s.lse_data.resize(kTokens * kHeads);
      s.k_pages.resize(kBlocks * kBlock * kKvHeads * kSize);
      s.v_pages = s.k_pages;
      s.slots.reserve(kKeys);
    }
  } filled_{*this};

 public:
  attnrt::Tensor q{q_data.data(), {kTokens, kHeads, kSize}}, k{k_data.data(), {kKeys, kKvHeads, kSize}},
      v{v_data.data(), {kKeys, kKvHeads, kSize}}, out{out_data.data(), {kTokens, kHeads, kSize}},
      lse{lse_data.data(), {kTokens, kHeads}}, k_cache{k_pages.data(), {kBlocks, kBlock, kKvHeads, kSize}},
      v_cache{v_pages.data(), {kBlocks, kBlock, kKvHeads, kSize}}, slot_mapping{slots.data(), {kKeys}};
};

/// Runtime, op and plan of one layout.
struct Engine {
  explicit Engine(uint32_t layouts)
      : choice(runtime.select(small_problem(runtime, layouts))), op(runtime.op(choice)) {}
  attnrt::Runtime runtime{only_plugins()};
  attnrt::Choice choice;
  attnrt::Op op;
};

/// Does a step with a new op give what it should?
inline bool computes(const attnrt::Runtime& runtime, const attnrt_executor* pool) {
  Step step(true);
  const attnrt::Op op = runtime.op(runtime.select(small_problem(runtime, ATTNRT_KV_NHD)));
  attnrt::Plan plan = op.plan(step.limits);
  op.write_kv(step.write, pool);
  plan.update(step.batch, pool);
  plan.run(step.run, pool);
  return step.error() < 1e-5;
}

/// The sentence of a call that must answer `wanted`.
template <class Call>
std::string refused(Call&& call, attnrt_status wanted = ATTNRT_INVALID) {
  try {
    call();
  } catch (const attnrt::Error& e) {
    CHECK(e.status() == wanted);
    return e.what();
  }
  return "not refused";
}
