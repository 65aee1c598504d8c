// SPDX-License-Identifier: Apache-2.0
// Problems: defaults, completion, the prefill half of MLA, the description in messages.
#include "problem.hpp"

#include <cmath>
#include <functional>
#include <limits>

#include "scratch.hpp"

using namespace attnrt::core;
using Catch::Matchers::Contains;

namespace {

attnrt_problem on_cpu() { return default_problem({ATTNRT_DEVICE_CPU, 0, 0, ATTNRT_ISA_AVX2}); }

attnrt_problem latent() {
  attnrt_problem p = default_problem({ATTNRT_DEVICE_CUDA, -1, 90, 0});
  p.family = ATTNRT_FAMILY_MLA;
  p.num_heads = 16;
  p.num_kv_heads = 1;
  p.mla_kv_lora = 512;
  p.mla_nope = 128;
  p.mla_rope = 64;
  p.mla_v = 128;
  p.head_size_qk = 576;
  p.head_size_v = 512;
  return p;
}

}  // namespace

TEST_CASE("the default problem is complete as it stands") {
  const attnrt_problem p = on_cpu();
  CHECK(p.struct_size == sizeof p);
  CHECK(p.isa == ATTNRT_ISA_AVX2);
  const auto whole = complete(p);
  REQUIRE(whole);
  CHECK(whole->features == ATTNRT_FEATURE_CAUSAL);
  CHECK((whole->kv_layouts & (ATTNRT_KV_NHD | ATTNRT_KV_HND | ATTNRT_KV_NATIVE)) ==
        (ATTNRT_KV_NHD | ATTNRT_KV_HND | ATTNRT_KV_NATIVE));
  CHECK_FALSE(whole->kv_layouts & (ATTNRT_KV_CONTIGUOUS | ATTNRT_KV_MLA_LATENT));
}

TEST_CASE("feature bits and layouts follow from fields") {
  const struct {
    std::function<void(attnrt_problem&)> set;
    uint64_t features;
  } table[] = {
      {[](auto& p) { p.causal = ATTNRT_CAUSAL_NEVER; }, ATTNRT_FEATURE_NON_CAUSAL},
      {[](auto& p) { p.causal = ATTNRT_CAUSAL_PER_REQUEST; }, ATTNRT_FEATURE_CAUSAL_PER_REQUEST},
      {[](auto& p) { p.window_left = 0; }, ATTNRT_FEATURE_CAUSAL | ATTNRT_FEATURE_SLIDING_WINDOW},
      {[](auto& p) { p.window_right = 7; }, ATTNRT_FEATURE_CAUSAL | ATTNRT_FEATURE_SLIDING_WINDOW},
      {[](auto& p) { p.softcap = 30; }, ATTNRT_FEATURE_CAUSAL | ATTNRT_FEATURE_SOFTCAP},
      {[](auto& p) { p.head_size_v = 64; }, ATTNRT_FEATURE_CAUSAL | ATTNRT_FEATURE_DIFF_KV},
      {[](auto& p) { p.cp_size = 2, p.cp_interleave = 1; },
       ATTNRT_FEATURE_CAUSAL | ATTNRT_FEATURE_CONTEXT_PARALLEL | ATTNRT_FEATURE_LSE},
      {[](auto& p) { p.sparse_topk = 2048; }, ATTNRT_FEATURE_CAUSAL | ATTNRT_FEATURE_SPARSE_TOPK},
      {[](auto& p) { p.features = ATTNRT_FEATURE_ALIBI; }, ATTNRT_FEATURE_CAUSAL | ATTNRT_FEATURE_ALIBI},
  };
  for (const auto& row : table) {
    attnrt_problem p = on_cpu();
    row.set(p);
    const auto whole = complete(p);
    REQUIRE(whole);
    CHECK(whole->features == row.features);
  }
  attnrt_problem p = on_cpu();
  p.decode_query_len = 0;
  CHECK(complete(p)->decode_query_len == 1);
  for (const uint32_t type : {ATTNRT_ATTN_ENCODER, ATTNRT_ATTN_ENCODER_ONLY}) {
    p.attn_type = type;
    p.causal = ATTNRT_CAUSAL_NEVER;
    CHECK(complete(p)->kv_layouts == ATTNRT_KV_CONTIGUOUS);
    p.causal = ATTNRT_CAUSAL_PER_REQUEST;
    CHECK(complete(p)->kv_layouts == ATTNRT_KV_CONTIGUOUS);
  }
  p.kv_layouts = ATTNRT_KV_HND;
  CHECK(complete(p)->kv_layouts == ATTNRT_KV_HND);
  CHECK((complete(latent())->kv_layouts & (ATTNRT_KV_MLA_LATENT | ATTNRT_KV_NHD)) == ATTNRT_KV_MLA_LATENT);
}

TEST_CASE("head_size_v follows where it is 0") {
  attnrt_problem p = on_cpu();
  p.head_size_qk = 80;  // and nothing else
  CHECK(complete(p)->head_size_v == 80);
  CHECK_FALSE(complete(p)->features & ATTNRT_FEATURE_DIFF_KV);
  p.head_size_v = 64;
  CHECK(complete(p)->head_size_v == 64);
  p = latent();
  p.head_size_v = 0;
  CHECK(complete(p)->head_size_v == 512);
  p = mla_prefill_half(latent());
  p.head_size_v = 0;
  CHECK(complete(p)->head_size_v == 128);
}

TEST_CASE("a problem at odds with itself has its sentence") {
  constexpr float inf = std::numeric_limits<float>::infinity();
  const struct {
    std::function<void(attnrt_problem&)> spoil;
    const char* fragment;
  } table[] = {
      {[](auto& p) { p.device_type = 0; }, "device_type is 0, wanted 1 (cpu), 2 (cuda) or 10 (rocm)"},
      {[](auto& p) { p.family = 3; }, "family is 3, wanted one known bit"},
      {[](auto& p) { p.family = 0; }, "family is 0"},
      {[](auto& p) { p.attn_type = 16; }, "attn_type is 16"},
      {[](auto& p) { p.phase = 0; }, "phase is 0"},
      {[](auto& p) { p.kv_layouts = 0x100; }, "kv_layouts is 256, wanted known bits"},
      {[](auto& p) { p.features = UINT64_C(1) << 63; }, "features holds unknown bits: 9223372036854775808"},
      {[](auto& p) { p.provides = 8; }, "provides holds unknown bits: 8"},
      {[](auto& p) { p.q_dtype = ATTNRT_DTYPE_COUNT_; }, "q_dtype is 7, wanted 0 to 6"},
      {[](auto& p) { p.kv_dtype = UINT32_MAX; }, "kv_dtype is 4294967295"},
      {[](auto& p) { p.out_dtype = 9; }, "out_dtype is 9"},
      {[](auto& p) { p.num_heads = 0; }, "num_heads is 0, wanted 1 to 65536"},
      {[](auto& p) { p.num_kv_heads = 0; }, "num_kv_heads is 0, wanted 1 to 32"},
      {[](auto& p) { p.num_kv_heads = 64; }, "num_kv_heads is 64, wanted 1 to 32"},
      {[](auto& p) { p.num_kv_heads = 5; }, "num_heads is 32, wanted a multiple of num_kv_heads 5"},
      {[](auto& p) { p.head_size_qk = 0; }, "head_size_qk is 0"},
      {[](auto& p) { p.head_size_v = UINT32_MAX; }, "head_size_v is 4294967295, wanted 1 to 65536"},
      {[](auto& p) { p.block_size = UINT32_MAX; }, "block_size is 4294967295"},
      {[](auto& p) { p.window_left = -2; }, "window_left is -2, wanted -1 to"},
      {[](auto& p) { p.window_right = INT32_MIN; }, "window_right is -2147483648"},
      {[](auto& p) { p.causal = 3; }, "causal is 3, wanted 0 to 2"},
      {[](auto& p) { p.determinism = 4; }, "determinism is 4"},
      {[](auto& p) { p.graph_level = 4; }, "graph_level is 4"},
      {[](auto& p) { p.attn_type = ATTNRT_ATTN_ENCODER_ONLY; },
       "attn_type is encoder_only and causal is always, wanted causal never: a token of an encoder sees all others"},
      {[](auto& p) { p.attn_type = ATTNRT_ATTN_ENCODER; }, "attn_type is encoder and causal is always"},
      {[](auto& p) { p.softcap = -1; }, "softcap is -1, wanted 0 (off) or a positive number"},
      {[](auto& p) { p.softcap = NAN; }, "softcap is"},
      {[](auto& p) { p.softcap = inf; }, "softcap is inf"},
      {[](auto& p) { p.cp_size = 2, p.cp_rank = 2, p.cp_interleave = 1; }, "cp_rank is 2 of cp_size 2"},
      {[](auto& p) { p.cp_size = 2; }, "with cp_interleave 0"},
      {[](auto& p) { p = latent(), p.head_size_qk = 512; },
       "MLA head sizes are 512 and 512, wanted kv_lora + rope = 576"},
      {[](auto& p) { p = latent(), p.mla_kv_lora = 0; }, "MLA head sizes are"},
      {[](auto& p) { p = latent(), p.num_kv_heads = 16; }, "MLA num_kv_heads is 16, wanted 1"},
  };
  for (const auto& row : table) {
    attnrt_problem p = on_cpu();
    row.spoil(p);
    const auto whole = complete(p);
    CAPTURE(row.fragment);
    REQUIRE_FALSE(whole);
    CHECK(whole.error().code == ATTNRT_INVALID);
    CHECK_THAT(whole.error().text, Contains("problem: ") && Contains(row.fragment));
  }
}

TEST_CASE("the prefill half of MLA is a standard problem without a cache") {
  attnrt_problem p = latent();
  p.kv_dtype = ATTNRT_FP8_E4M3;
  p.block_size = 64;
  p.sparse_topk = 2048;
  p.features = ATTNRT_FEATURE_SPARSE_TOPK | ATTNRT_FEATURE_SPLIT_Q | ATTNRT_FEATURE_KV_SCALES | ATTNRT_FEATURE_CAUSAL;
  const attnrt_problem half = mla_prefill_half(p);
  CHECK(is_mla_prefill(half));
  CHECK_FALSE(is_mla_prefill(p));
  CHECK(half.family == ATTNRT_FAMILY_STANDARD);
  CHECK(half.phase == ATTNRT_PHASE_PREFILL);
  CHECK(half.kv_layouts == ATTNRT_KV_CONTIGUOUS);
  CHECK(half.block_size == 0);
  CHECK(half.num_kv_heads == 16);
  CHECK(half.head_size_qk == 192);
  CHECK(half.head_size_v == 128);
  CHECK(half.kv_dtype == p.q_dtype);
  CHECK(half.features ==
        (ATTNRT_FEATURE_CAUSAL | ATTNRT_FEATURE_NON_CAUSAL | ATTNRT_FEATURE_LSE | ATTNRT_FEATURE_DIFF_KV));
  REQUIRE(complete(half));
  CHECK(complete(half)->features == half.features);
}

TEST_CASE("a problem describes itself in messages") {
  CHECK(describe(*complete(on_cpu())) ==
        "cpu with head_size=128, dtype=bf16, kv_cache_dtype=auto, block_size=any, num_heads=32, num_kv_heads=8, "
        "family=standard, attn_type=decoder, phase=mixed, features=[causal]");
  attnrt_problem p = latent();
  p.kv_dtype = ATTNRT_FP8_E4M3;
  p.block_size = 64;
  p.determinism = ATTNRT_DETERMINISM_BATCH_INVARIANT;
  CHECK_THAT(describe(p), Contains("cuda (9.0) with head_size=576, head_size_v=512") &&
                              Contains("kv_cache_dtype=fp8_e4m3") && Contains("block_size=64") &&
                              Contains("family=mla") && Contains("determinism=batch"));
  CHECK_THAT(describe(mla_prefill_half(p)), Contains("family=mla prefill"));
  CHECK(is_attention_free(attnrt_problem{}));
}
