// SPDX-License-Identifier: Apache-2.0
// Every bad argument through the public API: INVALID, a sentence that names the thing, the value and what was wanted,
// and nothing read outside (the arrays are exact, so a sanitizer would tell).
#include <functional>
#include <memory>

#include "engine.hpp"

using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

struct Spoiled {
  std::function<void(Step&)> spoil;
  const char* fragment;
};

/// Each batch is refused, the plan is without one afterwards, and the next good batch is taken.
void refuse_batches(bool paged, const std::vector<Spoiled>& table) {
  Engine engine(paged ? ATTNRT_KV_NHD : ATTNRT_KV_CONTIGUOUS);
  const Step good(paged);
  attnrt::Plan plan = engine.op.plan(good.limits);
  for (const Spoiled& row : table) {
    Step step(paged);
    if (paged) engine.op.write_kv(step.write);
    plan.update(step.batch);
    plan.run(step.run);
    row.spoil(step);
    const std::string kernel = engine.choice.backend() + "/" + engine.choice.variant() + ": ";
    CHECK_THAT(refused([&] { plan.update(step.batch); }),
               StartsWith(kernel + "plan_update: ") && Contains(row.fragment));
    CHECK_THAT(
        refused([&] { plan.run(step.run); }),
        StartsWith(kernel + "run: ") && Contains("the plan holds no batch, wanted a plan_update that succeeded"));
  }
}

void refuse_runs(bool paged, const std::vector<Spoiled>& table) {
  Engine engine(paged ? ATTNRT_KV_NHD : ATTNRT_KV_CONTIGUOUS);
  const Step good(paged);
  attnrt::Plan plan = engine.op.plan(good.limits);
  plan.update(good.batch);
  for (const Spoiled& row : table) {
    Step step(paged);
    row.spoil(step);
    CHECK_THAT(
        refused([&] { plan.run(step.run); }),
        StartsWith(engine.choice.backend() + "/" + engine.choice.variant() + ": run: ") && Contains(row.fragment));
    for (const float x : step.out_data)
      if (x != -77.0f) {
        FAIL_CHECK("out was written: " << row.fragment);
        break;
      }
  }
}

/// Keeps a changed copy of a tensor alive for the time of a test.
const attnrt_tensor* changed(const attnrt_tensor* from, const std::function<void(attnrt_tensor&)>& change) {
  struct Copy {
    attnrt_tensor tensor;
    int64_t shape[8], strides[8];
  };
  static std::vector<std::unique_ptr<Copy>> kept;
  kept.push_back(std::make_unique<Copy>());
  Copy& c = *kept.back();
  c.tensor = *from;
  std::copy_n(from->shape, from->ndim, c.shape);
  std::copy_n(from->strides, from->ndim, c.strides);
  c.tensor.shape = c.shape;
  c.tensor.strides = c.strides;
  change(c.tensor);
  return &c.tensor;
}
template <class Change>
std::function<void(Step&)> tensor(const attnrt_tensor* attnrt_run_args::*which, Change change) {
  return [=](Step& s) { s.run.*which = changed(s.run.*which, change); };
}

}  // namespace

TEST_CASE("bad batches of a paged layer") {
  refuse_batches(true,
                 {
                     {[](Step& s) { s.batch.struct_size = 64; }, "batch.struct_size is 64, wanted at least"},
                     {[](Step& s) { s.batch.num_seqs = -1; }, "batch.num_seqs is -1, wanted 0 to 4"},
                     {[](Step& s) { s.batch.num_seqs = 5; }, "batch.num_seqs is 5, wanted 0 to 4"},
                     {[](Step& s) { s.batch.num_tokens = 33; }, "batch.num_tokens is 33, wanted 0 to 32"},
                     {[](Step& s) { s.batch.num_tokens = INT32_MIN; }, "batch.num_tokens is -2147483648"},
                     {[](Step& s) { s.batch.num_tokens = 20; }, "query_start_loc[2] is 21, wanted num_tokens 20"},
                     {[](Step& s) { s.batch.max_query_len = 33; }, "batch.max_query_len is 33, wanted 0 to 32"},
                     {[](Step& s) { s.batch.max_query_len = 19; },
                      "request 0 has query length 20, wanted at most max_query_len 19"},
                     {[](Step& s) { s.batch.max_seq_len = 65; }, "batch.max_seq_len is 65, wanted 0 to 64"},
                     {[](Step& s) { s.batch.num_decodes = 3; }, "batch.num_decodes is 3, wanted 0 to 2"},
                     {[](Step& s) { s.batch.common_prefix_len = -1; }, "batch.common_prefix_len is -1"},
                     {[](Step& s) { s.batch.common_prefix_len = 10; },
                      "batch.common_prefix_len is 10, wanted at most the 9 keys of request 1"},
                     {[](Step& s) {
                        s.lens[1] = 16;
                        s.batch.common_prefix_len = 16;
                      },
                      "block_table[1][0] is 5, wanted 3 as in request 0: common_prefix_len is 16"},
                     {[](Step& s) { s.batch.query_start_loc = nullptr; },
                      "batch.query_start_loc is NULL, wanted num_seqs + 1 offsets"},
                     {[](Step& s) { s.batch.seq_lens = nullptr; }, "batch.seq_lens is NULL, wanted num_seqs lengths"},
                     {[](Step& s) { s.batch.block_table = nullptr; },
                      "batch.block_table is NULL, wanted the table of a paged cache"},
                     {[](Step& s) { s.batch.block_table_stride = 1; },
                      "batch.block_table_stride is 1, wanted at least the width 2"},
                     {[](Step& s) { s.batch.block_table_stride = s.batch.block_table_width = -4; },
                      "batch.block_table_width is -4"},
                     {[](Step& s) { s.batch.block_table_width = 1; },
                      "request 0 needs 2 blocks for 20 keys, the block table holds 1"},
                     {[](Step& s) { s.starts[0] = 1; }, "query_start_loc[0] is 1, wanted 0"},
                     {[](Step& s) { s.starts[1] = -3; }, "query_start_loc[1] is -3, wanted at least 0"},
                     {[](Step& s) { s.starts[1] = INT32_MAX; }, "request 0 has query length 2147483647"},
                     {[](Step& s) { s.starts[2] = 19; }, "query_start_loc[2] is 19, wanted at least 20"},
                     {[](Step& s) { s.lens[0] = 21; }, "seq_lens[0] is 21, wanted 20 (its query) to max_seq_len 20"},
                     {[](Step& s) { s.lens[0] = 19; }, "seq_lens[0] is 19, wanted 20 (its query)"},
                     {[](Step& s) { s.lens[1] = 0; }, "seq_lens[1] is 0, wanted 1"},
                     {[](Step& s) { s.lens[1] = INT32_MIN; }, "seq_lens[1] is -2147483648"},
                     {[](Step& s) { s.table[0] = 6; }, "block_table[0][0] is 6, wanted 0 to 5"},
                     {[](Step& s) { s.table[1] = -1; }, "block_table[0][1] is -1, wanted 0 to 5"},
                     {[](Step& s) { s.table[2] = INT32_MAX; }, "block_table[1][0] is 2147483647"},
                     {[](Step& s) {
                        static const int32_t lens[] = {20, 65};
                        s.batch.kv_lens = lens;
                      },
                      "kv_lens[1] is 65, wanted 0 to 64"},
                     {[](Step& s) {
                        static const uint8_t flags[] = {1, 0};
                        s.batch.causal = flags;
                      },
                      "batch.causal is set, wanted NULL where the problem fixes causality"},
                     {[](Step& s) { s.batch.window_prefix_lens = s.lens.data(); },
                      "window_prefix_lens is to be given exactly with the feature"},
                 });
}

TEST_CASE("bad batches of a layer without a cache") {
  refuse_batches(false,
                 {
                     {[](Step& s) { s.batch.kv_start_loc = nullptr; },
                      "batch.kv_start_loc is NULL, wanted num_seqs + 1 offsets of k and v"},
                     {[](Step& s) { s.kv_starts[0] = -1; }, "kv_start_loc[0] is -1, wanted 0 or more"},
                     {[](Step& s) { s.lens[0] = -1; }, "seq_lens[0] is -1, wanted 0 to max_seq_len 20"},
                     {[](Step& s) { s.kv_starts[1] = 30; }, "kv_start_loc[2] is 29, wanted at least 30"},
                     {[](Step& s) { s.kv_starts[2] = 65; }, "kv_start_loc ends at 65, wanted at most max_kv_tokens 64"},
                     {[](Step& s) {
                        static const int32_t lens[] = {21, 9};
                        s.batch.kv_lens = lens;
                      },
                      "kv_lens[0] is 21, wanted 0 to 20"},
                     {[](Step& s) {
                        static const int32_t lens[] = {-1, 9};
                        s.batch.kv_lens = lens;
                      },
                      "kv_lens[0] is -1"},
                 });
}

TEST_CASE("bad tensors of a run over a paged cache") {
  using Args = attnrt_run_args;
  refuse_runs(
      true,
      {
          {[](Step& s) { s.run.struct_size = 8; }, "run_args.struct_size is 8, wanted at least"},
          {[](Step& s) { s.run.scale = NAN; }, "scale is nan, wanted a finite number other than 0"},
          {[](Step& s) { s.run.scale = INFINITY; }, "scale is inf, wanted"},
          {[](Step& s) { s.run.scale = 0; }, "as a rule 1 / sqrt(head_size), 0.176777 for head_size 32"},
          {[](Step& s) { s.run.q = nullptr; }, "q is NULL, wanted a tensor of 3 dimensions"},
          {[](Step& s) { s.run.out = nullptr; }, "out is NULL"},
          {[](Step& s) { s.run.k_cache = nullptr; }, "k_cache is NULL, wanted a tensor of 4 dimensions"},
          {[](Step& s) { s.run.v_cache = nullptr; }, "v_cache is NULL"},
          {tensor(&Args::q, [](auto& t) { t.device.type = ATTNRT_DEVICE_CUDA; }), "q lies on device type 2, wanted 1"},
          {tensor(&Args::q, [](auto& t) { t.ndim = 2; }), "q has 2 dimensions, wanted 3"},
          {tensor(&Args::q, [](auto& t) { t.ndim = INT32_MAX; }), "q has 2147483647 dimensions"},
          {tensor(&Args::q, [](auto& t) { t.shape = nullptr; }), "q has no shape or strides"},
          {tensor(&Args::q, [](auto& t) { t.strides = nullptr; }), "q has no shape or strides"},
          {tensor(&Args::q, [](auto& t) { t.data = nullptr; }), "q has no data, wanted memory"},
          {tensor(&Args::q, [](auto& t) { t.shape[0] = 20; }), "q.shape[0] is 20, wanted at least 21"},
          {tensor(&Args::q, [](auto& t) { t.shape[0] = -1; }), "q.shape[0] is -1, wanted 0 or more"},
          {tensor(&Args::q, [](auto& t) { t.shape[1] = 8; }), "q.shape[1] is 8, wanted 4"},
          {tensor(&Args::q, [](auto& t) { t.shape[2] = 64; }), "q.shape[2] is 64, wanted 32"},
          {tensor(&Args::q, [](auto& t) { t.strides[0] = -128; }), "q.strides[0] is -128, wanted 0 or more"},
          {tensor(&Args::q, [](auto& t) { t.strides[2] = 2; }), "q.strides[2] is 2, wanted 1"},
          {tensor(&Args::q,
                  [](auto& t) {
                    t.dtype = {2, 16, 1};
                  }),
           "q is fp16, wanted fp32"},
          {tensor(&Args::q,
                  [](auto& t) {
                    t.dtype = {2, 64, 1};
                  }),
           "q is of another type, wanted fp32"},
          {tensor(&Args::out, [](auto& t) { t.shape[0] = 0; }), "out.shape[0] is 0, wanted at least 21"},
          {tensor(&Args::out,
                  [](auto& t) {
                    t.dtype = {4, 16, 1};
                  }),
           "out is bf16, wanted fp32"},
          {tensor(&Args::out, [](auto& t) { t.strides[1] = 0; }),
           "out overlaps itself: its strides are [128, 0, 1] for the shape [21, 4, 32], wanted each to"},
          {tensor(&Args::out, [](auto& t) { t.strides[0] = 127; }),
           "out overlaps itself: its strides are [127, 32, 1]"},
          {tensor(&Args::lse, [](auto& t) { t.strides[0] = 0; }), "lse overlaps itself: its strides are [0, 1]"},
          {[](Step& s) { s.run.lse = changed(s.run.lse, [&s](auto& t) { t.data = s.out_data.data() + 100; }); },
           "out and lse share memory"},
          {tensor(&Args::lse, [](auto& t) { t.shape[1] = 3; }), "lse.shape[1] is 3, wanted 4"},
          {tensor(&Args::lse,
                  [](auto& t) {
                    t.dtype = {2, 16, 1};
                  }),
           "lse is fp16, wanted fp32"},
          {tensor(&Args::k_cache, [](auto& t) { t.shape[0] = 5; }), "k_cache.shape[0] is 5, wanted at least 6"},
          {tensor(&Args::k_cache, [](auto& t) { t.shape[1] = 32; }), "k_cache.shape[1] is 32, wanted 16"},
          {tensor(&Args::k_cache, [](auto& t) { t.shape[2] = 1; }), "k_cache.shape[2] is 1, wanted 2"},
          {tensor(&Args::k_cache,
                  [](auto& t) {
                    t.dtype = {10, 8, 1};
                  }),
           "k_cache is fp8_e4m3, wanted fp32"},
          {tensor(&Args::v_cache, [](auto& t) { t.shape[0] = 5; }), "v_cache.shape[0] is 5, wanted at least 6"},
          {tensor(&Args::v_cache, [](auto& t) { t.shape[3] = 16; }), "v_cache.shape[3] is 16, wanted 32"},
          {[](Step& s) { s.run.sinks = s.lse.get(); },
           "sinks is given, wanted NULL: its feature bit is not in the problem"},
          {[](Step& s) { s.run.alibi_slopes = s.lse.get(); }, "alibi_slopes is given, wanted NULL"},
          {[](Step& s) { s.run.dense_mask = s.lse.get(); }, "dense_mask is given, wanted NULL"},
          {[](Step& s) { s.run.k_scale = s.lse.get(); }, "k_scale"},
          {[](Step& s) { s.run.out_scale = s.lse.get(); }, "out_scale"},
      });
}

TEST_CASE("bad tensors of a run without a cache") {
  using Args = attnrt_run_args;
  refuse_runs(false, {
      {[](Step& s) { s.run.k = nullptr; }, "k is NULL, wanted a tensor of 3 dimensions"},
      {[](Step& s) { s.run.v = nullptr; }, "v is NULL"},
      {tensor(&Args::k, [](auto& t) { t.shape[0] = 28; }), "k.shape[0] is 28, wanted at least 29"},
      {tensor(&Args::v, [](auto& t) { t.shape[0] = 28; }), "v.shape[0] is 28, wanted at least 29"},
      {tensor(&Args::v, [](auto& t) { t.shape[1] = 4; }), "v.shape[1] is 4, wanted 2"},
      {tensor(&Args::k, [](auto& t) { t.strides[2] = 0; }), "k.strides[2] is 0, wanted 1"},
      {tensor(&Args::k, [](auto& t) { t.dtype = {0, 32, 1}; }), "k is of another type, wanted fp32"},
  });
}

TEST_CASE("a missing operand of a feature, and lse without its bit") {
  attnrt::Runtime runtime(only_plugins());
  Step step(true);
  attnrt_problem p = small_problem(runtime, ATTNRT_KV_NHD);
  p.features = ATTNRT_FEATURE_ALIBI | ATTNRT_FEATURE_SINKS;
  const attnrt::Op op = runtime.op(runtime.select(p));
  attnrt::Plan plan = op.plan(step.limits);
  plan.update(step.batch);
  CHECK_THAT(refused([&] { plan.run(step.run); }), Contains("lse is given, wanted NULL without the feature bit LSE"));
  step.run.lse = nullptr;
  CHECK_THAT(refused([&] { plan.run(step.run); }),
             Contains("sinks is NULL, wanted the operand of a feature in the problem"));
  const float slopes[] = {1, 2, 3, 4};
  const attnrt::Tensor operand(slopes, {4}), short_operand(slopes, {3});
  step.run.sinks = operand.get();
  CHECK_THAT(refused([&] { plan.run(step.run); }), Contains("alibi_slopes is NULL"));
  step.run.alibi_slopes = short_operand.get();
  CHECK_THAT(refused([&] { plan.run(step.run); }), Contains("alibi_slopes.shape[0] is 3, wanted 4"));
  step.run.alibi_slopes = operand.get();
  op.write_kv(step.write);
  plan.run(step.run);
}

TEST_CASE("bad cache writes") {
  Engine engine(ATTNRT_KV_NHD);
  const std::vector<Spoiled> table = {
      {[](Step& s) { s.write.struct_size = 0; }, "write_args.struct_size is 0"},
      {[](Step& s) { s.write.k = nullptr; }, "k is NULL, wanted a tensor of 3 dimensions"},
      {[](Step& s) { s.write.v = s.q.get(); }, "v.shape[1] is 4, wanted 2"},
      {[](Step& s) { s.write.slot_mapping = nullptr; }, "slot_mapping is NULL, wanted a tensor of 1 dimensions"},
      {[](Step& s) { s.write.slot_mapping = changed(s.write.slot_mapping, [](auto& t) { t.dtype = {0, 32, 1}; }); },
       "slot_mapping is of another type, wanted int64"},
      {[](Step& s) { s.write.k = changed(s.write.k, [](auto& t) { t.shape[0] = 28; }); },
       "slot_mapping has 29 entries, k has 28 rows and v 29, wanted at least as many rows"},
      {[](Step& s) { s.write.k_cache = nullptr; }, "k_cache is NULL"},
      {[](Step& s) { s.write.v_cache = nullptr; }, "v_cache is NULL"},
      {[](Step& s) { s.write.k_cache = changed(s.write.k_cache, [](auto& t) { t.strides[2] = 16; }); },
       "k_cache overlaps itself"},
      {[](Step& s) { s.write.v_cache = changed(s.write.v_cache, [](auto& t) { t.strides[0] = 0; }); },
       "v_cache overlaps itself"},
      {[](Step& s) { s.slots[7] = 96; }, "slot_mapping[7] is 96, wanted -1 (skip) to 95"},
      {[](Step& s) { s.slots[0] = -2; }, "slot_mapping[0] is -2, wanted -1 (skip)"},
      {[](Step& s) { s.slots[28] = INT64_MAX; }, "slot_mapping[28] is 9223372036854775807"},
      {[](Step& s) { s.write.v_cache = changed(s.write.v_cache, [](auto& t) { t.shape[0] = 5; }); },
       "slot_mapping[20] is 80, wanted -1 (skip) to 79"},
      {[](Step& s) { s.write.k_scale = s.lse.get(); }, "k_scale"},
  };
  for (const Spoiled& row : table) {
    Step step(true);
    row.spoil(step);
    CHECK_THAT(refused([&] { engine.op.write_kv(step.write); }), Contains(row.fragment));
    for (const float x : step.k_pages)
      if (!std::isnan(x)) {
        FAIL_CHECK("the cache was written: " << row.fragment);
        break;
      }
  }
}

TEST_CASE("bad limits, for workspace and plan alike") {
  Engine engine(ATTNRT_KV_NHD);
  const std::vector<Spoiled> table = {
      {[](Step& s) { s.limits.struct_size = 1; }, "limits.struct_size is 1, wanted at least"},
      {[](Step& s) { s.limits.num_workers = 0; }, "limits.num_workers is 0, wanted 1 to 4096"},
      {[](Step& s) { s.limits.num_workers = 100000; }, "limits.num_workers is 100000"},
      {[](Step& s) { s.limits.max_seqs = -1; }, "limits.max_seqs is -1, wanted 0 to"},
      {[](Step& s) { s.limits.max_tokens = INT32_MAX; }, "limits.max_tokens is 2147483647, wanted 0 to 2147483646"},
      {[](Step& s) { s.limits.max_query_len = -1; }, "limits.max_query_len is -1"},
      {[](Step& s) { s.limits.max_seq_len = -1; }, "limits.max_seq_len is -1"},
      {[](Step& s) { s.limits.max_kv_tokens = -1; }, "limits.max_kv_tokens is -1"},
      {[](Step& s) { s.limits.num_blocks = 0; }, "limits.num_blocks is 0, wanted 1 to"},
      {[](Step& s) { s.limits.max_blocks_per_seq = 0; }, "limits.max_blocks_per_seq is 0, wanted 1 to"},
      {[](Step& s) { s.limits.num_sms = -1; }, "limits.num_sms is -1"},
  };
  for (const Spoiled& row : table) {
    Step step(true);
    row.spoil(step);
    CHECK_THAT(refused([&] { engine.op.workspace(step.limits); }), Contains(row.fragment));
    CHECK_THAT(refused([&] { engine.op.plan(step.limits); }), Contains(row.fragment));
  }
}

TEST_CASE("a pool with more workers than the plan was made for") {
  Engine engine(ATTNRT_KV_NHD);
  Step step(true);
  step.limits.num_workers = 1;
  engine.op.write_kv(step.write);
  attnrt::Plan plan = engine.op.plan(step.limits);
  const attnrt_executor* pool = engine.runtime.executor(4);
  plan.update(step.batch, pool);
  CHECK_THAT(refused([&] { plan.run(step.run, pool); }), Contains("4") && Contains("worker"));
}
