// SPDX-License-Identifier: Apache-2.0
//
// attnrt/check/problem.hpp: a problem by itself. Header-only, C++17. [thread-safe]
#ifndef ATTNRT_CHECK_PROBLEM_HPP
#define ATTNRT_CHECK_PROBLEM_HPP
#include <cmath>
#include <cstdint>

#include "attnrt/check/range.hpp"
#include "attnrt/plugin.h"

namespace attnrt::sdk {

/// A problem that is complete and consistent in itself: known values, and a feature bit for each field that needs one.
inline bool check_problem(const Diag& diag, const attnrt_problem& p) {
  using detail::one_bit;
  using detail::within;
  if (p.device_type != ATTNRT_DEVICE_CPU && p.device_type != ATTNRT_DEVICE_CUDA && p.device_type != ATTNRT_DEVICE_ROCM)
    return diag.fail(say("device_type is ", p.device_type, ", wanted 1 (cpu), 2 (cuda) or 10 (rocm)"));
  if (!one_bit(p.family, ATTNRT_FAMILIES_ALL_)) return diag.fail(say("family is ", p.family, ", wanted one known bit"));
  if (!one_bit(p.attn_type, ATTNRT_ATTN_ALL_))
    return diag.fail(say("attn_type is ", p.attn_type, ", wanted one known bit"));
  if (!one_bit(p.phase, ATTNRT_PHASES_ALL_)) return diag.fail(say("phase is ", p.phase, ", wanted one known bit"));
  if (!p.kv_layouts || (p.kv_layouts & ~ATTNRT_KV_LAYOUTS_ALL_))
    return diag.fail(say("kv_layouts is ", p.kv_layouts, ", wanted known bits and at least one"));
  if (p.features & ~ATTNRT_FEATURES_ALL_)
    return diag.fail(say("features holds unknown bits: ", p.features & ~ATTNRT_FEATURES_ALL_));
  if (p.provides & ~ATTNRT_PROVIDES_ALL_)
    return diag.fail(say("provides holds unknown bits: ", p.provides & ~ATTNRT_PROVIDES_ALL_));
  if (!within(diag, "q_dtype", p.q_dtype, 0, ATTNRT_DTYPE_COUNT_ - 1)) return false;
  if (!within(diag, "kv_dtype", p.kv_dtype, 0, ATTNRT_DTYPE_COUNT_ - 1)) return false;
  if (!within(diag, "out_dtype", p.out_dtype, 0, ATTNRT_DTYPE_COUNT_ - 1)) return false;
  if (!within(diag, "num_heads", p.num_heads, 1, 65536)) return false;
  if (!within(diag, "num_kv_heads", p.num_kv_heads, 1, p.num_heads)) return false;
  if (p.num_heads % p.num_kv_heads)
    return diag.fail(say("num_heads is ", p.num_heads, ", wanted a multiple of num_kv_heads ", p.num_kv_heads));
  if (!within(diag, "head_size_qk", p.head_size_qk, 1, 65536)) return false;
  if (!within(diag, "head_size_v", p.head_size_v, 1, 65536)) return false;
  if (!within(diag, "block_size", p.block_size, 0, 1 << 20)) return false;
  if (!within(diag, "window_left", p.window_left, -1, INT32_MAX)) return false;
  if (!within(diag, "window_right", p.window_right, -1, INT32_MAX)) return false;
  if (!within(diag, "causal", p.causal, 0, ATTNRT_CAUSAL_PER_REQUEST)) return false;
  if (!within(diag, "determinism", p.determinism, 0, ATTNRT_DETERMINISM_SCHEDULE_INVARIANT)) return false;
  if (!within(diag, "graph_level", p.graph_level, 0, ATTNRT_GRAPH_ALWAYS)) return false;
  if (!(p.softcap >= 0.0f) || std::isinf(p.softcap))
    return diag.fail(say("softcap is ", p.softcap, ", wanted 0 (off) or a positive number"));
  if (p.cp_size > 1 && (p.cp_rank >= p.cp_size || p.cp_interleave == 0))
    return diag.fail(say("cp_rank is ", p.cp_rank, " of cp_size ", p.cp_size, " with cp_interleave ", p.cp_interleave,
                         ", wanted a rank below the size and an interleave of at least 1"));
  if (p.family == ATTNRT_FAMILY_MLA) {
    if (p.mla_kv_lora == 0 || p.head_size_qk != p.mla_kv_lora + p.mla_rope || p.head_size_v != p.mla_kv_lora)
      return diag.fail(say("MLA head sizes are ", p.head_size_qk, " and ", p.head_size_v, ", wanted kv_lora + rope = ",
                           p.mla_kv_lora + p.mla_rope, " and kv_lora = ", p.mla_kv_lora));
    if (p.num_kv_heads != 1) return diag.fail(say("MLA num_kv_heads is ", p.num_kv_heads, ", wanted 1"));
  }
  const struct {
    bool used;
    uint64_t bit;
    const char* text;
  } needs[] = {
      {p.causal == ATTNRT_CAUSAL_ALWAYS, ATTNRT_FEATURE_CAUSAL, "causal is always, wanted the feature bit CAUSAL"},
      {p.causal == ATTNRT_CAUSAL_NEVER, ATTNRT_FEATURE_NON_CAUSAL,
       "causal is never, wanted the feature bit NON_CAUSAL"},
      {p.causal == ATTNRT_CAUSAL_PER_REQUEST, ATTNRT_FEATURE_CAUSAL_PER_REQUEST,
       "causal is per request, wanted the feature bit CAUSAL_PER_REQUEST"},
      {p.window_left >= 0 || p.window_right >= 0, ATTNRT_FEATURE_SLIDING_WINDOW,
       "a window is set, wanted the feature bit SLIDING_WINDOW"},
      {p.softcap > 0, ATTNRT_FEATURE_SOFTCAP, "softcap is set, wanted the feature bit SOFTCAP"},
      {p.family == ATTNRT_FAMILY_STANDARD && p.head_size_qk != p.head_size_v, ATTNRT_FEATURE_DIFF_KV,
       "head_size_v differs from head_size_qk, wanted the feature bit DIFF_KV"},
      {p.cp_size > 1, ATTNRT_FEATURE_CONTEXT_PARALLEL, "cp_size is above 1, wanted the feature bit CONTEXT_PARALLEL"},
      {p.sparse_topk > 0, ATTNRT_FEATURE_SPARSE_TOPK, "sparse_topk is set, wanted the feature bit SPARSE_TOPK"},
  };
  for (const auto& need : needs)
    if (need.used && !(p.features & need.bit)) return diag.fail(need.text);
  return true;
}

}  // namespace attnrt::sdk
#endif
