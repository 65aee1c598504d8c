// SPDX-License-Identifier: Apache-2.0
#include "conformance/case.hpp"

#include "attnrt/check.hpp"
#include "attnrt/words.hpp"
#include "conformance/flex_case.hpp"

namespace attnrt::conformance {

using sdk::dtype_name;
using sdk::say;

std::string text(const Case& c) {
  const attnrt_problem& p = c.problem;
  std::string out = say(p.family == ATTNRT_FAMILY_MLA ? "mla "
                        : p.mla_kv_lora               ? "mla prefill "
                                                      : "",
                        dtype_name(p.q_dtype));
  if (p.kv_dtype != p.q_dtype) out += say(" kv ", dtype_name(p.kv_dtype));
  if (p.out_dtype != p.q_dtype) out += say(" out ", dtype_name(p.out_dtype));
  out += say(" heads ", p.num_heads, "/", p.num_kv_heads, " size ", p.head_size_qk);
  if (p.head_size_v != p.head_size_qk) out += say("/", p.head_size_v);
  out += say(" ", sdk::words::kv_layouts.name(p.kv_layouts));
  if (sdk::is_paged(p.kv_layouts)) out += say(" block ", p.block_size);
  out += say(" ", sdk::words::attn_types.name(p.attn_type),
             p.causal == ATTNRT_CAUSAL_ALWAYS  ? " causal"
             : p.causal == ATTNRT_CAUSAL_NEVER ? " non-causal"
                                               : " causal per request");
  if (p.window_left >= 0 || p.window_right >= 0) out += say(" window (", p.window_left, ",", p.window_right, ")");
  if (p.softcap > 0) out += say(" softcap ", p.softcap);
  if (p.cp_size > 1) out += say(" rank ", p.cp_rank, " of ", p.cp_size, " interleave ", p.cp_interleave);
  const struct {
    uint64_t bit;
    const char* name;
  } features[] = {{ATTNRT_FEATURE_SINKS, " sinks"},
                  {ATTNRT_FEATURE_ALIBI, " alibi"},
                  {ATTNRT_FEATURE_ALIBI_SQRT, " alibi_sqrt"},
                  {ATTNRT_FEATURE_DENSE_MASK, " dense_mask"},
                  {ATTNRT_FEATURE_TREE_MASK, " tree_mask"},
                  {ATTNRT_FEATURE_MM_PREFIX, " prefix_ranges"},
                  {ATTNRT_FEATURE_BLOCK_SPARSE, " block_sparse"},
                  {ATTNRT_FEATURE_SPARSE_TOPK, " sparse_topk"},
                  {ATTNRT_FEATURE_WINDOW_PREFIX, " window_prefix"},
                  {ATTNRT_FEATURE_KV_SCALES, " kv_scales"},
                  {ATTNRT_FEATURE_PER_HEAD_SCALES, " per_head_scales"},
                  {ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES, " per_token_head_scales"},
                  {ATTNRT_FEATURE_SPLIT_Q, " split_q"}};
  for (const auto& feature : features)
    if (p.features & feature.bit) out += feature.name;
  if (p.features & ATTNRT_FEATURE_FLEX) out += say(" program '", flex_case(p).name, "'");
  if (c.lse) out += " lse";
  const Placement& where = c.placement;
  out += say(" workers ", where.workers, where.direct ? " direct" : "", where.strided ? " strided" : "");
  if (where.pad_tokens || where.pad_seqs) out += say(" padded ", where.pad_tokens, "+", where.pad_seqs);
  if (c.common_prefix) out += say(" common prefix ", c.common_prefix, where.tell_prefix ? "" : " untold");
  out += " lengths";
  for (const Length& l : c.lengths) out += say(" (", l.query, ",", l.keys, ")");
  return out + say(" seed ", c.seed);
}

double multiply_adds(const Case& c) {
  double pairs = 0;
  for (const Length& l : c.lengths) pairs += static_cast<double>(l.query) * l.keys;
  return pairs * c.problem.num_heads * (c.problem.head_size_qk + c.problem.head_size_v);
}

attnrt_problem empty_problem(uint64_t isa) {
  attnrt_problem p{};
  p.struct_size = sizeof(p);
  p.device_type = ATTNRT_DEVICE_CPU;
  p.isa = isa;
  p.window_left = p.window_right = -1;
  p.decode_query_len = 1;
  return p;
}

}  // namespace attnrt::conformance
