// SPDX-License-Identifier: Apache-2.0
//
// attnrt/match.hpp: does a capability sheet admit a problem? Pure, allocation-free, shared by the host's selection and
// by plugin.hpp, so that both sides of the ABI read a sheet in the same way. Header-only, C++17.
#ifndef ATTNRT_MATCH_HPP
#define ATTNRT_MATCH_HPP
#include <cstdint>
#include <initializer_list>

#include "attnrt/plugin.h"

namespace attnrt::sdk {

/// One bit for each attnrt_why.
using WhySet = uint64_t;
static_assert(ATTNRT_WHY_COUNT_ <= 64, "a set of reasons is one word");
constexpr WhySet why_bit(attnrt_why why) { return WhySet{1} << why; }

/// Is `value` one of the sizes admitted?
constexpr bool admits(const attnrt_sizes& sizes, uint32_t value) {
  for (uint32_t i = 0; i < sizes.list_count; ++i)
    if (sizes.list[i] == value) return true;
  return sizes.multiple != 0 && value >= sizes.min && (sizes.max == 0 || value <= sizes.max) &&
         value % sizes.multiple == 0;
}

/// Is `index` in a set of (1u << index)? Any index may be asked for.
constexpr bool in_set(uint32_t set, uint32_t index) { return index < 32 && (set >> index & 1u) != 0; }

/// The largest admitted kernel block that divides a manager's block of `value` tokens; 0 where there is none.
constexpr uint32_t kernel_block(const attnrt_sizes& sizes, uint32_t value) {
  if (value == 0 || admits(sizes, value)) return value;
  uint32_t best = 0;
  for (uint32_t i = 0; i < sizes.list_count; ++i)
    if (sizes.list[i] != 0 && value % sizes.list[i] == 0 && sizes.list[i] > best) best = sizes.list[i];
  if (sizes.multiple == 0 || value % sizes.multiple != 0) return best;
  // Divisors of the quotient come in pairs, so that no block takes more than 2^16 steps.
  const uint32_t quotient = value / sizes.multiple;
  for (uint32_t small = 1; small <= quotient / small; ++small) {
    if (quotient % small != 0) continue;
    for (const uint32_t block : {quotient / small * sizes.multiple, small * sizes.multiple})
      if (block > best && admits(sizes, block)) best = block;
  }
  return best;
}

/// True where K and V are read from a paged cache rather than from tensors of their own.
constexpr bool is_paged(uint32_t kv_layouts) { return (kv_layouts & ~ATTNRT_KV_CONTIGUOUS) != 0; }

/// Every reason for which `caps` does not admit `problem`; 0 = admitted as far as the sheet can say. [thread-safe]
constexpr WhySet refusals(const attnrt_caps& caps, const attnrt_problem& p) {
  WhySet out = 0;
  const auto refuse = [&out](bool refused, attnrt_why why) { out |= refused ? why_bit(why) : 0; };
  const uint64_t missing = p.features & ~caps.features;
  const auto lacks = [missing](uint64_t feature) { return (missing & feature) != 0; };

  const attnrt_sizes& v_sizes = caps.head_sizes_v ? *caps.head_sizes_v : *caps.head_sizes;
  refuse(!admits(*caps.head_sizes, p.head_size_qk) || !admits(v_sizes, p.head_size_v), ATTNRT_WHY_HEAD_SIZE);
  refuse(!in_set(caps.q_dtypes, p.q_dtype) || !in_set(caps.out_dtypes, p.out_dtype), ATTNRT_WHY_DTYPE);
  refuse(!in_set(caps.kv_dtypes, p.kv_dtype) || lacks(ATTNRT_FEATURE_KV_SCALES), ATTNRT_WHY_KV_CACHE_DTYPE);
  refuse(p.block_size != 0 && is_paged(p.kv_layouts) && kernel_block(*caps.block_sizes, p.block_size) == 0,
         ATTNRT_WHY_BLOCK_SIZE);
  refuse(lacks(ATTNRT_FEATURE_MM_PREFIX), ATTNRT_WHY_MM_PREFIX);
  refuse(!(caps.families & p.family), ATTNRT_WHY_FAMILY);
  refuse(lacks(ATTNRT_FEATURE_SINKS), ATTNRT_WHY_SINKS);
  // A sparse kernel reads only the keys it is told, so a dense problem is refused by it as well.
  refuse(lacks(ATTNRT_FEATURE_SPARSE_TOPK) ||
             ((caps.features & ATTNRT_FEATURE_SPARSE_TOPK) && !(p.features & ATTNRT_FEATURE_SPARSE_TOPK)),
         ATTNRT_WHY_SPARSE);
  refuse(lacks(ATTNRT_FEATURE_PER_HEAD_SCALES | ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES), ATTNRT_WHY_PER_HEAD_SCALES);

  bool arch = caps.device_type == p.device_type;
  if (arch && caps.num_arch_ranges) {
    arch = false;
    for (uint32_t i = 0; i < caps.num_arch_ranges; ++i)
      arch |= p.arch >= caps.arch_ranges[2 * i] && p.arch <= caps.arch_ranges[2 * i + 1];
  }
  refuse(!arch, ATTNRT_WHY_ARCH);
  refuse(caps.device_type == p.device_type && (caps.isa & ~p.isa) != 0, ATTNRT_WHY_ISA);
  refuse(!(caps.attn_types & p.attn_type), ATTNRT_WHY_ATTN_TYPE);
  refuse(lacks(ATTNRT_FEATURE_SLIDING_WINDOW | ATTNRT_FEATURE_WINDOW_PREFIX), ATTNRT_WHY_SLIDING_WINDOW);
  refuse(lacks(ATTNRT_FEATURE_NON_CAUSAL | ATTNRT_FEATURE_CAUSAL_PER_REQUEST), ATTNRT_WHY_NON_CAUSAL);
  refuse(p.determinism > caps.determinism, ATTNRT_WHY_BATCH_INVARIANCE);
  refuse(lacks(ATTNRT_FEATURE_CONTEXT_PARALLEL), ATTNRT_WHY_CONTEXT_PARALLEL);
  refuse(lacks(ATTNRT_FEATURE_SOFTCAP), ATTNRT_WHY_SOFTCAP);
  refuse(lacks(ATTNRT_FEATURE_ALIBI | ATTNRT_FEATURE_ALIBI_SQRT), ATTNRT_WHY_ALIBI);
  refuse(lacks(ATTNRT_FEATURE_LSE), ATTNRT_WHY_LSE);
  refuse(lacks(ATTNRT_FEATURE_DENSE_MASK), ATTNRT_WHY_DENSE_MASK);
  refuse(lacks(ATTNRT_FEATURE_TREE_MASK), ATTNRT_WHY_TREE_MASK);
  refuse(lacks(ATTNRT_FEATURE_BLOCK_SPARSE), ATTNRT_WHY_BLOCK_SPARSE);
  refuse(lacks(ATTNRT_FEATURE_DIFF_KV), ATTNRT_WHY_DIFF_KV);
  refuse(lacks(ATTNRT_FEATURE_OUTPUT_QUANT), ATTNRT_WHY_OUTPUT_QUANT);
  refuse(!(caps.phases & p.phase), ATTNRT_WHY_PHASE);
  refuse(p.phase != ATTNRT_PHASE_PREFILL && caps.decode_query_max != 0 && p.decode_query_len > caps.decode_query_max,
         ATTNRT_WHY_DECODE_QUERY_LEN);
  refuse(!(caps.kv_layouts & p.kv_layouts), ATTNRT_WHY_KV_LAYOUT);
  refuse(caps.gqa_group_max != 0 && p.num_kv_heads != 0 && p.num_heads / p.num_kv_heads > caps.gqa_group_max,
         ATTNRT_WHY_GQA_GROUP);
  refuse(p.graph_level > caps.graph_level, ATTNRT_WHY_GRAPH_LEVEL);
  refuse((caps.needs & ~p.provides) != 0, ATTNRT_WHY_HOST_LENGTHS);
  constexpr uint64_t plain = ATTNRT_FEATURE_CAUSAL | ATTNRT_FEATURE_FLEX | ATTNRT_FEATURE_SPLIT_Q;
  refuse((missing & (plain | ~ATTNRT_FEATURES_ALL_)) != 0, ATTNRT_WHY_FEATURE);
  return out;
}

}  // namespace attnrt::sdk
#endif
