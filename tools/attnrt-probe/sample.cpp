// SPDX-License-Identifier: Apache-2.0
#include "sample.hpp"

#include <algorithm>
#include <bit>

namespace attnrt::probe {
namespace {

uint32_t first_bit(uint32_t mask) { return mask & (~mask + 1); }
uint32_t first_dtype(uint32_t mask) { return mask ? static_cast<uint32_t>(std::countr_zero(mask)) : 0; }
uint32_t first_size(const attnrt_sizes& s) {
  if (s.preferred) return s.preferred;
  if (s.list_count) return s.list[0];
  const uint32_t step = std::max(1u, s.multiple);
  return std::max(step, (s.min + step - 1) / step * step);
}

}  // namespace

attnrt_problem sample_problem(const attnrt_caps& caps) {
  attnrt_problem p{};
  p.struct_size = sizeof p;
  p.device_type = caps.device_type;
  p.arch = caps.num_arch_ranges ? caps.arch_ranges[0] : 0;
  p.isa = caps.isa;
  p.family = first_bit(caps.families);
  p.attn_type = first_bit(caps.attn_types);
  p.phase = first_bit(caps.phases);
  p.q_dtype = first_dtype(caps.q_dtypes);
  p.kv_dtype = caps.kv_dtypes >> p.q_dtype & 1 ? p.q_dtype : first_dtype(caps.kv_dtypes);
  p.out_dtype = caps.out_dtypes >> p.q_dtype & 1 ? p.q_dtype : first_dtype(caps.out_dtypes);
  const uint32_t paged = caps.kv_layouts & ~ATTNRT_KV_CONTIGUOUS;  // asks more of a plugin
  p.kv_layouts = first_bit(paged ? paged : caps.kv_layouts);
  p.block_size = p.kv_layouts == ATTNRT_KV_CONTIGUOUS ? 0 : first_size(*caps.block_sizes);
  p.head_size_qk = first_size(*caps.head_sizes);
  p.head_size_v = caps.head_sizes_v ? first_size(*caps.head_sizes_v) : p.head_size_qk;
  p.num_heads = p.num_kv_heads = 8;
  // The other dimensions of MLA are DeepSeek's. Its prefill is a standard problem without a cache whose keys are wider.
  const uint32_t wider = p.head_size_qk - std::min(p.head_size_qk, p.head_size_v);
  if (p.family == ATTNRT_FAMILY_MLA) {
    p.num_kv_heads = 1;
    p.mla_kv_lora = p.head_size_v;
    p.mla_rope = wider;
    p.mla_nope = p.mla_v = 128;
  } else if (wider && p.kv_layouts == ATTNRT_KV_CONTIGUOUS) {
    p.mla_kv_lora = 512;
    p.mla_rope = wider;
    p.mla_nope = p.mla_v = p.head_size_v;
  }
  p.window_left = p.window_right = -1;
  p.causal = caps.features & ATTNRT_FEATURE_CAUSAL ? ATTNRT_CAUSAL_ALWAYS : ATTNRT_CAUSAL_NEVER;
  p.features = p.causal ? ATTNRT_FEATURE_CAUSAL : ATTNRT_FEATURE_NON_CAUSAL;
  if (p.family == ATTNRT_FAMILY_STANDARD && p.head_size_qk != p.head_size_v) p.features |= ATTNRT_FEATURE_DIFF_KV;
  if (caps.features & ATTNRT_FEATURE_SPARSE_TOPK) {
    p.features |= ATTNRT_FEATURE_SPARSE_TOPK;
    p.sparse_topk = 128;
  }
  p.provides = ATTNRT_PROVIDES_ALL_;
  p.decode_query_len = 1;
  return p;
}

}  // namespace attnrt::probe
