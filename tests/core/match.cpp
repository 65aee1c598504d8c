// SPDX-License-Identifier: Apache-2.0
// match.hpp: sizes, kernel blocks, and one problem for each bit of refusal.
#include "attnrt/match.hpp"

#include <catch2/catch.hpp>
#include <functional>
#include <set>

using namespace attnrt::sdk;

namespace {

constexpr uint32_t kList[] = {64, 128};
constexpr attnrt_sizes listed{sizeof(attnrt_sizes), 2, kList, 0, 0, 0, 0};
constexpr attnrt_sizes stepped{sizeof(attnrt_sizes), 0, nullptr, 8, 32, 256, 0};
constexpr attnrt_sizes anything{sizeof(attnrt_sizes), 0, nullptr, 1, 1, 0, 0};

struct Case {
  attnrt_caps caps{};
  attnrt_problem problem{};
  Case() {
    caps.struct_size = sizeof caps;
    caps.device_type = ATTNRT_DEVICE_CUDA;
    caps.families = ATTNRT_FAMILY_STANDARD;
    caps.features = ATTNRT_FEATURE_CAUSAL;
    caps.q_dtypes = caps.out_dtypes = 1u << ATTNRT_BF16 | 1u << ATTNRT_FP16;
    caps.kv_dtypes = 1u << ATTNRT_BF16;
    caps.attn_types = ATTNRT_ATTN_DECODER;
    caps.phases = ATTNRT_PHASE_DECODE | ATTNRT_PHASE_PREFILL;
    caps.kv_layouts = ATTNRT_KV_NHD;
    caps.gqa_group_max = 8;
    caps.block_sizes = caps.head_sizes = &listed;
    caps.decode_query_max = 1;
    caps.graph_level = ATTNRT_GRAPH_UNIFORM_DECODE;
    caps.needs = ATTNRT_HOST_LENGTHS;
    problem.struct_size = sizeof problem;
    problem.device_type = ATTNRT_DEVICE_CUDA;
    problem.arch = 90;
    problem.family = ATTNRT_FAMILY_STANDARD;
    problem.features = ATTNRT_FEATURE_CAUSAL;
    problem.attn_type = ATTNRT_ATTN_DECODER;
    problem.phase = ATTNRT_PHASE_DECODE;
    problem.q_dtype = problem.kv_dtype = problem.out_dtype = ATTNRT_BF16;
    problem.kv_layouts = ATTNRT_KV_NHD | ATTNRT_KV_HND;
    problem.block_size = 128;
    problem.num_heads = 32;
    problem.num_kv_heads = 8;
    problem.head_size_qk = problem.head_size_v = 128;
    problem.causal = ATTNRT_CAUSAL_ALWAYS;
    problem.provides = ATTNRT_HOST_LENGTHS;
    problem.decode_query_len = 1;
  }
};

void lack(Case& c, uint64_t feature) { c.problem.features |= feature; }

}  // namespace

TEST_CASE("a size is admitted by the list or by the step within its range") {
  CHECK(admits(listed, 64));
  CHECK_FALSE(admits(listed, 96));
  CHECK(admits(stepped, 32));
  CHECK(admits(stepped, 256));
  CHECK_FALSE(admits(stepped, 24));
  CHECK_FALSE(admits(stepped, 264));
  CHECK_FALSE(admits(stepped, 36));
  CHECK(admits(anything, 1));
  CHECK(admits(anything, UINT32_MAX));
  CHECK_FALSE(admits(anything, 0));
  CHECK_FALSE(admits(attnrt_sizes{}, 16));
  constexpr attnrt_sizes both{sizeof(attnrt_sizes), 2, kList, 512, 512, 0, 0};
  CHECK(admits(both, 64));
  CHECK(admits(both, 1024));
  CHECK_FALSE(admits(both, 256));
}

TEST_CASE("a kernel block is the largest admitted divisor of the manager's block") {
  CHECK(kernel_block(listed, 128) == 128);
  CHECK(kernel_block(listed, 192) == 64);
  CHECK(kernel_block(listed, 256) == 128);
  CHECK(kernel_block(listed, 96) == 0);
  CHECK(kernel_block(stepped, 512) == 256);
  CHECK(kernel_block(stepped, 264) == 88);
  CHECK(kernel_block(stepped, 2 * 263) == 0);
  CHECK(kernel_block(anything, 24) == 24);
  constexpr attnrt_sizes both{sizeof(attnrt_sizes), 2, kList, 48, 48, 96, 0};
  CHECK(kernel_block(both, 192) == 96);
  CHECK(kernel_block(both, 384) == 128);
  CHECK(kernel_block(attnrt_sizes{}, 16) == 0);
}

TEST_CASE("a problem that fits is not refused") {
  Case c;
  CHECK(refusals(c.caps, c.problem) == 0);
  c.problem.block_size = 0;
  CHECK(refusals(c.caps, c.problem) == 0);
  c.problem.block_size = 7;  // without a cache the block says nothing
  c.caps.kv_layouts = c.problem.kv_layouts = ATTNRT_KV_CONTIGUOUS;
  CHECK(refusals(c.caps, c.problem) == 0);
  c.problem.phase = ATTNRT_PHASE_PREFILL;  // nor does a decode's length in a prefill
  c.problem.decode_query_len = 4;
  CHECK(refusals(c.caps, c.problem) == 0);
  constexpr uint32_t ranges[] = {80, 89, 90, 90};
  c.caps.arch_ranges = ranges;
  c.caps.num_arch_ranges = 2;
  CHECK(refusals(c.caps, c.problem) == 0);
  c.caps.features = ATTNRT_FEATURES_ALL_ & ~ATTNRT_FEATURE_SPARSE_TOPK;  // more than was asked for
  CHECK(refusals(c.caps, c.problem) == 0);
}

TEST_CASE("each reason stands alone") {
  const struct {
    std::function<void(Case&)> spoil;
    attnrt_why why;
  } table[] = {
      {[](Case& c) { c.problem.head_size_qk = 80; }, ATTNRT_WHY_HEAD_SIZE},
      {[](Case& c) { c.problem.head_size_v = 80; }, ATTNRT_WHY_HEAD_SIZE},
      {[](Case& c) { c.caps.head_sizes_v = &stepped, c.problem.head_size_v = 20; }, ATTNRT_WHY_HEAD_SIZE},
      {[](Case& c) { c.problem.q_dtype = ATTNRT_FP32; }, ATTNRT_WHY_DTYPE},
      {[](Case& c) { c.problem.out_dtype = ATTNRT_FP8_E4M3; }, ATTNRT_WHY_DTYPE},
      {[](Case& c) { c.problem.kv_dtype = ATTNRT_FP8_E4M3; }, ATTNRT_WHY_KV_CACHE_DTYPE},
      {[](Case& c) { c.problem.kv_dtype = c.problem.q_dtype = ATTNRT_FP16; }, ATTNRT_WHY_KV_CACHE_DTYPE},
      {[](Case& c) { lack(c, ATTNRT_FEATURE_KV_SCALES); }, ATTNRT_WHY_KV_CACHE_DTYPE},
      {[](Case& c) { c.problem.block_size = 24; }, ATTNRT_WHY_BLOCK_SIZE},
      {[](Case& c) { lack(c, ATTNRT_FEATURE_MM_PREFIX); }, ATTNRT_WHY_MM_PREFIX},
      {[](Case& c) { c.problem.family = ATTNRT_FAMILY_MLA; }, ATTNRT_WHY_FAMILY},
      {[](Case& c) { lack(c, ATTNRT_FEATURE_SINKS); }, ATTNRT_WHY_SINKS},
      {[](Case& c) { lack(c, ATTNRT_FEATURE_SPARSE_TOPK); }, ATTNRT_WHY_SPARSE},
      {[](Case& c) { c.caps.features |= ATTNRT_FEATURE_SPARSE_TOPK; }, ATTNRT_WHY_SPARSE},
      {[](Case& c) { lack(c, ATTNRT_FEATURE_PER_HEAD_SCALES); }, ATTNRT_WHY_PER_HEAD_SCALES},
      {[](Case& c) { lack(c, ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES); }, ATTNRT_WHY_PER_HEAD_SCALES},
      {[](Case& c) { c.problem.device_type = ATTNRT_DEVICE_ROCM; }, ATTNRT_WHY_ARCH},
      {[](Case& c) {
         static constexpr uint32_t ranges[] = {80, 89, 100, 109};
         c.caps.arch_ranges = ranges, c.caps.num_arch_ranges = 2;
       },
       ATTNRT_WHY_ARCH},
      {[](Case& c) { c.caps.isa = ATTNRT_ISA_AVX2; }, ATTNRT_WHY_ISA},
      {[](Case& c) { c.problem.attn_type = ATTNRT_ATTN_ENCODER; }, ATTNRT_WHY_ATTN_TYPE},
      {[](Case& c) { lack(c, ATTNRT_FEATURE_SLIDING_WINDOW); }, ATTNRT_WHY_SLIDING_WINDOW},
      {[](Case& c) { lack(c, ATTNRT_FEATURE_WINDOW_PREFIX); }, ATTNRT_WHY_SLIDING_WINDOW},
      {[](Case& c) { lack(c, ATTNRT_FEATURE_NON_CAUSAL); }, ATTNRT_WHY_NON_CAUSAL},
      {[](Case& c) { lack(c, ATTNRT_FEATURE_CAUSAL_PER_REQUEST); }, ATTNRT_WHY_NON_CAUSAL},
      {[](Case& c) { c.problem.determinism = ATTNRT_DETERMINISM_REPEATABLE; }, ATTNRT_WHY_BATCH_INVARIANCE},
      {[](Case& c) { lack(c, ATTNRT_FEATURE_CONTEXT_PARALLEL); }, ATTNRT_WHY_CONTEXT_PARALLEL},
      {[](Case& c) { lack(c, ATTNRT_FEATURE_SOFTCAP); }, ATTNRT_WHY_SOFTCAP},
      {[](Case& c) { lack(c, ATTNRT_FEATURE_ALIBI); }, ATTNRT_WHY_ALIBI},
      {[](Case& c) { lack(c, ATTNRT_FEATURE_ALIBI_SQRT); }, ATTNRT_WHY_ALIBI},
      {[](Case& c) { lack(c, ATTNRT_FEATURE_LSE); }, ATTNRT_WHY_LSE},
      {[](Case& c) { lack(c, ATTNRT_FEATURE_DENSE_MASK); }, ATTNRT_WHY_DENSE_MASK},
      {[](Case& c) { lack(c, ATTNRT_FEATURE_TREE_MASK); }, ATTNRT_WHY_TREE_MASK},
      {[](Case& c) { lack(c, ATTNRT_FEATURE_BLOCK_SPARSE); }, ATTNRT_WHY_BLOCK_SPARSE},
      {[](Case& c) { lack(c, ATTNRT_FEATURE_DIFF_KV); }, ATTNRT_WHY_DIFF_KV},
      {[](Case& c) { lack(c, ATTNRT_FEATURE_OUTPUT_QUANT); }, ATTNRT_WHY_OUTPUT_QUANT},
      {[](Case& c) { c.problem.phase = ATTNRT_PHASE_MIXED; }, ATTNRT_WHY_PHASE},
      {[](Case& c) { c.problem.decode_query_len = 2; }, ATTNRT_WHY_DECODE_QUERY_LEN},
      {[](Case& c) { c.problem.kv_layouts = ATTNRT_KV_HND; }, ATTNRT_WHY_KV_LAYOUT},
      {[](Case& c) { c.problem.num_kv_heads = 2; }, ATTNRT_WHY_GQA_GROUP},
      {[](Case& c) { c.problem.graph_level = ATTNRT_GRAPH_ALWAYS; }, ATTNRT_WHY_GRAPH_LEVEL},
      {[](Case& c) { c.problem.provides = ATTNRT_DECODES_FIRST; }, ATTNRT_WHY_HOST_LENGTHS},
      {[](Case& c) { c.caps.features = ATTNRT_FEATURE_LSE; }, ATTNRT_WHY_FEATURE},
      {[](Case& c) { lack(c, ATTNRT_FEATURE_FLEX); }, ATTNRT_WHY_FEATURE},
      {[](Case& c) { lack(c, ATTNRT_FEATURE_SPLIT_Q); }, ATTNRT_WHY_FEATURE},
      {[](Case& c) { lack(c, UINT64_C(1) << 40); }, ATTNRT_WHY_FEATURE},  // a bit of a newer ABI
  };
  WhySet seen = 0;
  for (const auto& row : table) {
    Case c;
    row.spoil(c);
    CAPTURE(row.why);
    CHECK(refusals(c.caps, c.problem) == why_bit(row.why));
    seen |= why_bit(row.why);
  }
  for (attnrt_why why = ATTNRT_WHY_HEAD_SIZE; why < ATTNRT_WHY_COUNT_; ++why) {
    CAPTURE(why);
    CHECK((seen & why_bit(why)) != 0);
  }
}

TEST_CASE("a common prefix is a hint and never refused") {
  Case c;
  lack(c, ATTNRT_FEATURE_COMMON_PREFIX);
  CHECK(refusals(c.caps, c.problem) == 0);
}

TEST_CASE("no reason hides another") {
  Case c;
  c.problem.head_size_qk = 80;
  c.problem.q_dtype = ATTNRT_FP32;
  lack(c, ATTNRT_FEATURE_SINKS | ATTNRT_FEATURE_ALIBI);
  CHECK(refusals(c.caps, c.problem) == (why_bit(ATTNRT_WHY_HEAD_SIZE) | why_bit(ATTNRT_WHY_DTYPE) |
                                        why_bit(ATTNRT_WHY_SINKS) | why_bit(ATTNRT_WHY_ALIBI)));
}
