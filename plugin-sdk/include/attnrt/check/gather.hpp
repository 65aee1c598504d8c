// SPDX-License-Identifier: Apache-2.0
//
// attnrt/check/gather.hpp: a cache read-out. Header-only, C++17. [thread-safe]
#ifndef ATTNRT_CHECK_GATHER_HPP
#define ATTNRT_CHECK_GATHER_HPP
#include <algorithm>
#include <cstdint>

#include "attnrt/check/cache.hpp"
#include "attnrt/check/range.hpp"
#include "attnrt/check/scale.hpp"
#include "attnrt/match.hpp"

namespace attnrt::sdk {

/// A cache read-out: tables as in check_batch.
inline bool check_gather(const Diag& diag, const attnrt_problem& p, const attnrt_gather_args& a) {
  using namespace detail;
  const int32_t dev = p.device_type;
  if (!is_paged(p.kv_layouts)) return diag.fail("gather_kv: the problem has no cache, wanted a paged KV layout");
  if (!check_scales(diag, p, {{"k_scale", a.k_scale}, {"v_scale", a.v_scale}})) return false;
  if (!check_cache_scale(diag, p, "k_scale", a.k_scale) || !check_cache_scale(diag, p, "v_scale", a.v_scale))
    return false;
  if (!within(diag, "gather.num_seqs", a.num_seqs, 0, INT32_MAX - 1)) return false;
  const bool mla = p.family == ATTNRT_FAMILY_MLA;
  const bool own_scales = p.features & ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES;
  const int64_t heads = p.num_kv_heads, kinds = own_scales ? only(p.q_dtype) : only(p.q_dtype) | only(p.kv_dtype);
  const int64_t k_size = mla ? p.mla_kv_lora : p.head_size_qk, v_size = mla ? p.mla_rope : p.head_size_v;
  if (!check_rows(diag, dev, {"k", a.k, kinds, 3, {-1, heads, k_size, 0}})) return false;
  if (!check_rows(diag, dev, {"v", a.v, kinds, 3, {-1, heads, v_size, 0}})) return false;
  if (!check_written(diag, "k", *a.k) || !check_written(diag, "v", *a.v)) return false;
  if (!check_cache(diag, p, 0, a.k_cache, a.v_cache)) return false;
  if (a.num_seqs && (!a.kv_lens || !a.kv_start_loc || !a.block_table))
    return diag.fail("gather: kv_lens, kv_start_loc or block_table is NULL, wanted all three");
  if (a.block_table_stride < a.block_table_width)
    return diag.fail(say("gather.block_table_stride is ", a.block_table_stride, ", wanted at least the width ",
                         a.block_table_width));
  if (dev != ATTNRT_DEVICE_CPU) return true;
  const int64_t rows = std::min(a.k->shape[0], a.v->shape[0]);
  const int64_t num_blocks =
      mla || !a.v_cache ? a.k_cache->shape[0] : std::min(a.k_cache->shape[0], a.v_cache->shape[0]);
  for (int32_t r = 0; r < a.num_seqs; ++r) {
    const int64_t start = a.kv_starts ? a.kv_starts[r] : 0, len = a.kv_lens[r], at = a.kv_start_loc[r];
    if (start < 0 || len < 0 || at < 0 || at + len > rows)
      return diag.fail(say("gather request ", r, ": start ", start, ", length ", len, ", row ", at,
                           ", wanted them inside ", rows, " rows"));
    if (len == 0) continue;
    const int64_t last = (start + len - 1) / p.block_size;
    if (last >= a.block_table_width)
      return diag.fail(
          say("gather request ", r, " needs ", last + 1, " blocks, the block table holds ", a.block_table_width));
    for (int64_t i = start / p.block_size; i <= last; ++i) {
      const int32_t id = a.block_table[r * a.block_table_stride + i];
      if (id < 0 || id >= num_blocks)
        return diag.fail(say("block_table[", r, "][", i, "] is ", id, ", wanted 0 to ", num_blocks - 1));
    }
  }
  return true;
}

}  // namespace attnrt::sdk
#endif
