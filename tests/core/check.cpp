// SPDX-License-Identifier: Apache-2.0
// check.hpp where no CPU kernel of ours goes: operands of rare features, devices whose memory must not be read,
// cache views of every kind, gather and merge.
#include "attnrt/check.hpp"

#include <catch2/catch.hpp>
#include <functional>
#include <limits>
#include <vector>

using namespace attnrt::sdk;
using Catch::Matchers::Contains;

namespace {

struct Sink {
  std::string text;
  attnrt_diag face{sizeof(attnrt_diag), 0, this, [](void* self, attnrt_why, const char* said) {
                     static_cast<Sink*>(self)->text += said;
                   }};
  Sink() = default;
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;
};

/// "" where the check passed, else its sentence.
template <class Check>
std::string said(Check&& check) {
  Sink sink;
  const Diag diag(&sink.face);
  const bool ok = check(diag);
  CHECK(ok == sink.text.empty());
  CHECK(diag.count() == (ok ? 0 : 1));
  return sink.text;
}

/// Never read by a check: any access of a device's data would fault.
void* const kElsewhere = reinterpret_cast<void*>(uintptr_t{64});

struct Tensor {
  std::vector<int64_t> shape, strides;
  attnrt_tensor face{};
  Tensor(int32_t device, attnrt_dtype dtype, std::vector<int64_t> sizes, void* data = kElsewhere)
      : shape(std::move(sizes)), strides(shape.size(), 1) {
    for (std::size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
    face = {data, {device, 0}, static_cast<int32_t>(shape.size()), dtype, shape.data(), strides.data(), 0};
  }
  Tensor(const Tensor&) = delete;
  Tensor& operator=(const Tensor&) = delete;
  operator const attnrt_tensor*() const { return &face; }
};

constexpr attnrt_dtype kInt32{0, 32, 1};

attnrt_problem problem(int32_t device, uint32_t layout) {
  attnrt_problem p{};
  p.struct_size = sizeof p;
  p.device_type = device;
  p.family =
      layout == ATTNRT_KV_MLA_LATENT || layout == ATTNRT_KV_FP8_DS_MLA ? ATTNRT_FAMILY_MLA : ATTNRT_FAMILY_STANDARD;
  const bool mla = p.family == ATTNRT_FAMILY_MLA;
  p.attn_type = ATTNRT_ATTN_DECODER;
  p.phase = ATTNRT_PHASE_DECODE;
  p.features = ATTNRT_FEATURE_CAUSAL;
  p.causal = ATTNRT_CAUSAL_ALWAYS;
  p.kv_layouts = layout;
  p.q_dtype = p.kv_dtype = p.out_dtype = ATTNRT_BF16;
  p.num_heads = 4;
  p.num_kv_heads = mla ? 1 : 2;
  p.block_size = 16;
  p.head_size_qk = mla ? 576 : 64;
  p.head_size_v = mla ? 512 : 64;
  if (mla) p.mla_kv_lora = 512, p.mla_rope = 64, p.mla_nope = p.mla_v = 128;
  p.window_left = p.window_right = -1;
  return p;
}

attnrt_limits limits() {
  attnrt_limits l{};
  l.struct_size = sizeof l;
  l.num_workers = 1;
  l.max_seqs = 4, l.max_tokens = l.max_query_len = 32, l.max_seq_len = l.max_kv_tokens = 128;
  l.num_blocks = 8, l.max_blocks_per_seq = 8;
  return l;
}

}  // namespace

TEST_CASE("sentences are joined from texts and numbers") {
  CHECK(say("a", 1, " ", std::string("b"), ' ' == ' ', 2.5f, "/", 3.0, "/", int64_t{-7}) == "a1 b12.5/3/-7");
}

TEST_CASE("dtypes go to DLPack and back") {
  for (uint32_t dtype = 0; dtype < ATTNRT_DTYPE_COUNT_; ++dtype) {
    CHECK(dtype_of(to_dlpack(dtype)) == static_cast<int>(dtype));
    CHECK(dtype_bytes(dtype) * 8 == to_dlpack(dtype).bits);
  }
  CHECK(dtype_of({2, 64, 1}) == -1);
  CHECK(dtype_of({2, 32, 4}) == -1);
  CHECK(dtype_of(to_dlpack(77)) == -1);
  CHECK(std::string(dtype_name(77)) == "unknown");
}

TEST_CASE("a struct is accepted when it is long enough") {
  attnrt_limits from = limits(), to{};
  from.struct_size += 32;
  CHECK(said([&](const Diag& d) { return accept(d, "limits", &from, to); }) == "");
  CHECK(to.struct_size == sizeof to);
  CHECK(to.num_blocks == 8);
  from.struct_size = sizeof from - 1;
  CHECK_THAT(said([&](const Diag& d) { return accept(d, "limits", &from, to); }),
             Contains("limits.struct_size is 39, wanted at least 40"));
  CHECK(said([&](const Diag& d) { return accept<attnrt_limits>(d, "limits", nullptr, to); }) ==
        "limits is NULL, wanted a struct");
}

TEST_CASE("each field of a problem that needs a feature bit says so") {
  const struct { std::function<void(attnrt_problem&)> spoil; const char* bit; } table[] = {
      {[](auto& p) { p.features = 0; }, "wanted the feature bit CAUSAL"},
      {[](auto& p) { p.causal = ATTNRT_CAUSAL_NEVER; }, "wanted the feature bit NON_CAUSAL"},
      {[](auto& p) { p.causal = ATTNRT_CAUSAL_PER_REQUEST; }, "wanted the feature bit CAUSAL_PER_REQUEST"},
      {[](auto& p) { p.window_right = 0; }, "wanted the feature bit SLIDING_WINDOW"},
      {[](auto& p) { p.softcap = 1; }, "wanted the feature bit SOFTCAP"},
      {[](auto& p) { p.head_size_v = 32; }, "wanted the feature bit DIFF_KV"},
      {[](auto& p) { p.cp_size = 2, p.cp_interleave = 1; }, "wanted the feature bit CONTEXT_PARALLEL"},
      {[](auto& p) { p.sparse_topk = 1; }, "wanted the feature bit SPARSE_TOPK"},
      {[](auto& p) { p.kv_layouts = 0; }, "kv_layouts is 0, wanted known bits and at least one"}};
  attnrt_problem good = problem(ATTNRT_DEVICE_CUDA, ATTNRT_KV_NHD);
  CHECK(said([&](const Diag& d) { return check_problem(d, good); }) == "");
  for (const auto& row : table) {
    attnrt_problem p = good;
    row.spoil(p);
    CHECK_THAT(said([&](const Diag& d) { return check_problem(d, p); }), Contains(row.bit));
  }
}

TEST_CASE("a device's lengths are judged by their host copies and never read") {
  const attnrt_problem p = problem(ATTNRT_DEVICE_CUDA, ATTNRT_KV_NHD);
  const auto* device = static_cast<const int32_t*>(kElsewhere);
  attnrt_batch b{};
  b.struct_size = sizeof b;
  b.num_seqs = 2, b.num_tokens = 5, b.max_query_len = 4, b.max_seq_len = 20;
  b.query_start_loc = b.seq_lens = b.block_table = device;
  b.block_table_stride = b.block_table_width = 2;
  BatchShape shape;
  const auto judge = [&] { return said([&](const Diag& d) { return check_batch(d, p, limits(), b, shape); }); };
  CHECK(judge() == "");
  CHECK(shape.num_tokens == 5);
  int32_t starts[] = {0, 4, 5}, lens[] = {20, 3};
  b.query_start_loc_host = starts;
  b.seq_lens_host = lens;
  CHECK(judge() == "");
  lens[1] = 21;
  CHECK_THAT(judge(), Contains("seq_lens[1] is 21, wanted 1 (its query) to max_seq_len 20"));
  lens[1] = 3, starts[2] = 3;
  CHECK_THAT(judge(), Contains("query_start_loc[2] is 3, wanted at least 4"));
}

TEST_CASE("operands of rare features are given exactly with their bits, and in their shape") {
  const int32_t dev = ATTNRT_DEVICE_CUDA;
  const Tensor q(dev, to_dlpack(ATTNRT_BF16), {5, 4, 64}), out(dev, to_dlpack(ATTNRT_BF16), {5, 4, 64});
  const Tensor cache(dev, to_dlpack(ATTNRT_BF16), {8, 16, 2, 64});
  const Tensor mask(dev, {6, 8, 1}, {1, 1, 5, 20}), mask3(dev, {6, 8, 1}, {1, 5, 20});
  const Tensor mask16(dev, to_dlpack(ATTNRT_BF16), {1, 1, 1, 20}), mask64(dev, {2, 64, 1}, {1, 1, 5, 20});
  const Tensor tree(dev, to_dlpack(ATTNRT_FP32), {1, 4, 4}), tree16(dev, to_dlpack(ATTNRT_FP16), {1, 4, 4});
  const Tensor ranges(dev, kInt32, {5, 2}), few(dev, kInt32, {4, 2}), indices(dev, kInt32, {5, 32});
  const Tensor scale(dev, to_dlpack(ATTNRT_FP32), {1, 1}), wide(dev, to_dlpack(ATTNRT_BF16), {1, 1});
  const Tensor by_head(dev, to_dlpack(ATTNRT_FP32), {1, 2}), by_three(dev, to_dlpack(ATTNRT_FP32), {1, 3});
  const Tensor by_request(dev, to_dlpack(ATTNRT_FP32), {2, 2});
  const Tensor sinks(dev, to_dlpack(ATTNRT_BF16), {4}), host(ATTNRT_DEVICE_CPU, to_dlpack(ATTNRT_FP32), {4});
  const attnrt_block_sparse pattern{sizeof(attnrt_block_sparse), 64, 16, 8, 1, 0};
  const struct {
    uint64_t features;
    std::function<void(attnrt_run_args&)> give;
    const char* fragment;  // "" = right
  } table[] = {
      {0, [](auto&) {}, ""},
      {ATTNRT_FEATURE_DENSE_MASK, [&](auto& a) { a.dense_mask = mask; }, ""},
      {ATTNRT_FEATURE_DENSE_MASK, [&](auto& a) { a.dense_mask = mask16; }, ""},
      {ATTNRT_FEATURE_DENSE_MASK, [&](auto& a) { a.dense_mask = mask64; },
       "dense_mask is of another type, wanted bool, fp32, fp16 or bf16"},
      {ATTNRT_FEATURE_DENSE_MASK, [&](auto& a) { a.dense_mask = mask3; }, "dense_mask has 3 dimensions, wanted 4"},
      {ATTNRT_FEATURE_DENSE_MASK, [](auto&) {}, "dense_mask is NULL, wanted the operand of a feature in the problem"},
      {0, [&](auto& a) { a.dense_mask = mask; }, "dense_mask is given, wanted NULL"},
      {ATTNRT_FEATURE_TREE_MASK, [&](auto& a) { a.tree_mask = tree; }, ""},
      {ATTNRT_FEATURE_TREE_MASK, [&](auto& a) { a.tree_mask = tree16; }, "tree_mask is fp16, wanted fp32"},
      {0, [&](auto& a) { a.tree_mask = tree; }, "tree_mask is given, wanted NULL"},
      {ATTNRT_FEATURE_MM_PREFIX, [&](auto& a) { a.prefix_ranges = ranges; }, ""},
      {ATTNRT_FEATURE_MM_PREFIX, [&](auto& a) { a.prefix_ranges = few; },
       "prefix_ranges.shape[0] is 4, wanted at least 5"},
      {0, [&](auto& a) { a.prefix_ranges = ranges; }, "prefix_ranges is given"},
      {ATTNRT_FEATURE_SPARSE_TOPK, [&](auto& a) { a.sparse_indices = indices; }, ""},
      {ATTNRT_FEATURE_SPARSE_TOPK, [&](auto& a) { a.sparse_indices = ranges; },
       "sparse_indices.shape[1] is 2, wanted 32"},
      {0, [&](auto& a) { a.sparse_indices = indices; }, "sparse_indices is given"},
      {ATTNRT_FEATURE_BLOCK_SPARSE, [&](auto& a) { a.block_sparse = &pattern; }, ""},
      {ATTNRT_FEATURE_BLOCK_SPARSE, [](auto&) {}, "block_sparse is NULL"},
      {0, [](auto& a) { a.flex = kElsewhere; }, "flex is given"},
      {0, [&](auto& a) { a.q_rope = q; }, "q_rope is given"},
      {ATTNRT_FEATURE_SINKS, [&](auto& a) { a.sinks = sinks; }, ""},
      {ATTNRT_FEATURE_SINKS, [&](auto& a) { a.sinks = host; }, "sinks lies on device type 1, wanted 2"},
      {ATTNRT_FEATURE_ALIBI_SQRT, [&](auto& a) { a.alibi_slopes = sinks; }, "alibi_slopes is bf16, wanted fp32"},
      {ATTNRT_FEATURE_KV_SCALES, [&](auto& a) { a.k_scale = scale, a.v_scale = scale; }, ""},
      {ATTNRT_FEATURE_KV_SCALES, [&](auto& a) { a.k_scale = wide; }, "k_scale is bf16, wanted fp32"},
      {ATTNRT_FEATURE_KV_SCALES, [&](auto& a) { a.v_scale = sinks; }, "v_scale has 1 dimensions, wanted 2"},
      {ATTNRT_FEATURE_KV_SCALES, [&](auto& a) { a.k_scale = by_head; }, "k_scale.shape[1] is 2, wanted 1"},
      {ATTNRT_FEATURE_PER_HEAD_SCALES, [&](auto& a) { a.k_scale = by_head, a.v_scale = scale; }, ""},
      {ATTNRT_FEATURE_PER_HEAD_SCALES, [&](auto& a) { a.v_scale = by_three; }, "v_scale.shape[1] is 3, wanted 1 or 2"},
      {ATTNRT_FEATURE_PER_HEAD_SCALES, [&](auto& a) { a.v_scale = by_request; }, ""},
      {ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES, [&](auto& a) { a.k_scale = scale; },
       "kv_dtype is bf16, wanted one of 8 bits with per-token-head scales"},
  };
  for (const auto& row : table) {
    attnrt_problem p = problem(dev, ATTNRT_KV_NHD);
    p.features |= row.features;
    p.sparse_topk = 32;
    attnrt_run_args a{};
    a.struct_size = sizeof a;
    a.scale = 0.125f;
    a.q = q, a.out = out, a.k_cache = cache, a.v_cache = cache;
    row.give(a);
    const std::string text = said([&](const Diag& d) { return check_run(d, p, limits(), {2, 5, 0}, a); });
    if (*row.fragment) CHECK_THAT(text, Contains(row.fragment));
    else CHECK(text == "");
  }
}

TEST_CASE("cache views have the form of their layout") {
  const int32_t dev = ATTNRT_DEVICE_CUDA;
  const Tensor q(dev, to_dlpack(ATTNRT_BF16), {5, 4, 576}), out(dev, to_dlpack(ATTNRT_BF16), {5, 4, 512});
  const Tensor latent(dev, to_dlpack(ATTNRT_BF16), {8, 16, 1, 576}), rows(dev, to_dlpack(ATTNRT_INT8), {8, 16, 1, 656});
  const Tensor bytes(dev, to_dlpack(ATTNRT_INT8), {8, 4096}), few(dev, to_dlpack(ATTNRT_BF16), {7, 16, 1, 576});
  const struct { uint32_t layout; const attnrt_tensor* cache; const char* fragment; } table[] = {
      {ATTNRT_KV_MLA_LATENT, latent, ""},
      {ATTNRT_KV_MLA_LATENT, few, "k_cache.shape[0] is 7, wanted at least 8"},
      {ATTNRT_KV_MLA_LATENT, rows, "k_cache.shape[3] is 656, wanted 576"},
      {ATTNRT_KV_MLA_LATENT, nullptr, "k_cache is NULL, wanted a tensor of 4 dimensions"},
      {ATTNRT_KV_FP8_DS_MLA, rows, ""},
      {ATTNRT_KV_FP8_DS_MLA, latent, "k_cache.shape[3] is 576, wanted 656"},
  };
  for (const auto& row : table) {
    const attnrt_problem p = problem(dev, row.layout);
    attnrt_run_args a{};
    a.struct_size = sizeof a;
    a.scale = 1;
    a.q = q, a.out = out, a.k_cache = row.cache;
    const std::string text = said([&](const Diag& d) { return check_run(d, p, limits(), {2, 5, 0}, a); });
    if (*row.fragment) CHECK_THAT(text, Contains(row.fragment));
    else CHECK(text == "");
  }
  // A scale lies behind each row: 64 bytes of a row, 4 of its scale.
  const Tensor tight(dev, to_dlpack(ATTNRT_INT8), {8, 16, 2, 64});
  Tensor roomy(dev, to_dlpack(ATTNRT_INT8), {8, 16, 2, 64}), odd(dev, to_dlpack(ATTNRT_INT8), {8, 16, 2, 64});
  roomy.strides = {2176, 136, 68, 1}, roomy.face.strides = roomy.strides.data();
  odd.strides = {2208, 138, 69, 1}, odd.face.strides = odd.strides.data();
  const Tensor q64(dev, to_dlpack(ATTNRT_BF16), {5, 4, 64});
  for (const auto& [cache, fragment] : {std::pair<const attnrt_tensor*, const char*>{roomy, ""},
                                        {tight, "k_cache.strides[2] is 64, wanted a multiple of 4 of at least 68"},
                                        {odd, "k_cache.strides[1] is 138, wanted a multiple of 4 of at least 68"}}) {
    attnrt_problem p = problem(dev, ATTNRT_KV_NHD);
    p.kv_dtype = ATTNRT_INT8;
    p.features |= ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES;
    attnrt_run_args a{};
    a.struct_size = sizeof a;
    a.scale = 1;
    a.q = q64, a.out = q64, a.k_cache = cache, a.v_cache = cache;
    const std::string text = said([&](const Diag& d) { return check_run(d, p, limits(), {2, 5, 0}, a); });
    if (*fragment) CHECK_THAT(text, Contains(fragment));
    else CHECK(text == "");
  }
  const attnrt_problem native = problem(dev, ATTNRT_KV_NATIVE);
  CHECK(said([&](const Diag& d) { return detail::check_cache(d, native, 8, bytes, nullptr); }) == "");
  CHECK_THAT(said([&](const Diag& d) { return detail::check_cache(d, native, 9, bytes, nullptr); }),
             Contains("wanted at least 9"));
  CHECK_THAT(said([&](const Diag& d) { return detail::check_cache(d, native, 8, latent, nullptr); }),
             Contains("wanted 2"));
}

TEST_CASE("a gather stays inside rows, tables and both caches") {
  const attnrt_problem p = problem(ATTNRT_DEVICE_CPU, ATTNRT_KV_NHD);
  const attnrt_dtype bf16 = to_dlpack(ATTNRT_BF16);
  const Tensor k(1, bf16, {30, 2, 64}), v(1, bf16, {30, 2, 64}), cache(1, bf16, {8, 16, 2, 64}),
      small(1, bf16, {2, 16, 2, 64});
  int32_t starts[] = {0, 16}, lens[] = {20, 10}, at[] = {0, 20, 30}, blocks[] = {3, 0, -1, 5};
  const struct { std::function<void(attnrt_gather_args&)> spoil; const char* fragment; } table[] = {
      {[](auto&) {}, ""},
      {[](auto& a) { a.num_seqs = -1; }, "gather.num_seqs is -1"},
      {[](auto& a) { a.kv_lens = nullptr; }, "kv_lens, kv_start_loc or block_table is NULL, wanted all three"},
      {[](auto& a) { a.block_table = nullptr; }, "wanted all three"},
      {[&](auto&) { lens[1] = 11; }, "gather request 1: start 16, length 11, row 20, wanted them inside 30 rows"},
      {[&](auto&) { lens[0] = -1; }, "gather request 0: start 0, length -1"},
      {[&](auto&) { starts[1] = -16; }, "gather request 1: start -16"},
      {[&](auto&) { at[0] = -1; }, "row -1"},
      {[&](auto&) { starts[1] = 30; }, "gather request 1 needs 3 blocks, the block table holds 2"},
      {[&](auto&) { blocks[3] = 8; }, "block_table[1][1] is 8, wanted 0 to 7"},
      {[&](auto&) { blocks[0] = -1; }, "block_table[0][0] is -1, wanted 0 to 7"},
      {[&](auto& a) { a.v_cache = small; }, "block_table[0][0] is 3, wanted 0 to 1"},
      {[](auto& a) { a.block_table_stride = -2; }, "block_table_stride is -2, wanted at least the width 2"},
      {[](auto& a) { a.v_cache = nullptr; }, "v_cache is NULL"},
      {[](auto& a) { a.k = nullptr; }, "k is NULL"},
  };
  for (const auto& row : table) {
    starts[0] = 0, starts[1] = 16, lens[0] = 20, lens[1] = 10, at[0] = 0, blocks[0] = 3, blocks[3] = 5;
    attnrt_gather_args a{};
    a.struct_size = sizeof a;
    a.num_seqs = 2;
    a.kv_starts = starts, a.kv_lens = lens, a.kv_start_loc = at, a.block_table = blocks;
    a.block_table_stride = a.block_table_width = 2;
    a.k = k, a.v = v, a.k_cache = a.v_cache = cache;
    row.spoil(a);
    const std::string text = said([&](const Diag& d) { return check_gather(d, p, a); });
    if (*row.fragment) CHECK_THAT(text, Contains(row.fragment));
    else CHECK(text == "");
  }
}

TEST_CASE("a merge has partials of one shape") {
  const attnrt_problem p = problem(ATTNRT_DEVICE_CUDA, ATTNRT_KV_NHD);
  const Tensor out(2, to_dlpack(ATTNRT_BF16), {5, 4, 64}), wide(2, to_dlpack(ATTNRT_FP32), {5, 4, 64}),
      few(2, to_dlpack(ATTNRT_BF16), {4, 4, 64});
  const Tensor inside(2, to_dlpack(ATTNRT_FP32), {5, 4});
  void* const behind = reinterpret_cast<void*>(uintptr_t{1} << 20);
  const Tensor lse(2, to_dlpack(ATTNRT_FP32), {5, 4}, behind), half(2, to_dlpack(ATTNRT_FP16), {5, 4});
  const attnrt_tensor *outs[2] = {}, *lses[2] = {};
  const struct { std::function<void(attnrt_merge_args&)> spoil; const char* fragment; } table[] = {
      {[](auto&) {}, ""},
      {[&](auto&) { outs[1] = wide; }, ""},
      {[](auto& a) { a.num_partials = 0; }, "merge.num_partials is 0, wanted 1 to 65536"},
      {[](auto& a) { a.num_tokens = -1; }, "merge.num_tokens is -1"},
      {[](auto& a) { a.num_merged_tokens = 6; }, "merge.num_merged_tokens is 6, wanted 0 to 5"},
      {[](auto& a) { a.lses = nullptr; }, "merge.outs or merge.lses is NULL"},
      {[](auto& a) { a.out = nullptr; }, "out is NULL"},
      {[&](auto& a) { a.out = few; }, "out.shape[0] is 4, wanted at least 5"},
      {[&](auto& a) { a.lse = half; }, "lse is fp16, wanted fp32"},
      {[&](auto& a) { a.lse = inside; }, "out and lse share memory, wanted two tensors that do not overlap"},
      {[&](auto&) { outs[1] = nullptr; }, "a partial out is NULL"},
      {[&](auto&) { outs[0] = few; }, "a partial out.shape[0] is 4"},
      {[&](auto&) { lses[1] = out; }, "a partial lse has 3 dimensions, wanted 2"},
  };
  for (const auto& row : table) {
    outs[0] = outs[1] = out, lses[0] = lses[1] = lse;
    attnrt_merge_args a{};
    a.struct_size = sizeof a;
    a.num_partials = 2;
    a.outs = outs, a.lses = lses, a.out = out, a.lse = lse;
    a.num_tokens = a.num_merged_tokens = 5;
    row.spoil(a);
    const std::string text = said([&](const Diag& d) { return check_merge(d, p, a); });
    if (*row.fragment) CHECK_THAT(text, Contains(row.fragment));
    else CHECK(text == "");
  }
}
