// SPDX-License-Identifier: Apache-2.0
//
// attnrt/check/write.hpp: a cache write. Header-only, C++17. [thread-safe]
#ifndef ATTNRT_CHECK_WRITE_HPP
#define ATTNRT_CHECK_WRITE_HPP
#include <algorithm>
#include <cstdint>

#include "attnrt/check/cache.hpp"
#include "attnrt/check/scale.hpp"
#include "attnrt/match.hpp"

namespace attnrt::sdk {

/// A cache write: rows that agree, and (on the CPU) slots inside the cache.
inline bool check_write(const Diag& diag, const attnrt_problem& p, const attnrt_write_args& a) {
  using namespace detail;
  const int32_t dev = p.device_type;
  if (!is_paged(p.kv_layouts)) return diag.fail("write_kv: the problem has no cache, wanted a paged KV layout");
  if (!check_scales(diag, p, {{"k_scale", a.k_scale}, {"v_scale", a.v_scale}})) return false;
  if (!check_cache_scale(diag, p, "k_scale", a.k_scale) || !check_cache_scale(diag, p, "v_scale", a.v_scale))
    return false;
  const bool mla = p.family == ATTNRT_FAMILY_MLA;
  const int64_t heads = p.num_kv_heads;
  const int64_t k_size = mla ? p.mla_kv_lora : p.head_size_qk, v_size = mla ? p.mla_rope : p.head_size_v;
  const bool own_scales = p.features & ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES;
  const int64_t kinds = own_scales ? only(p.q_dtype) : only(p.q_dtype) | only(p.kv_dtype);
  if (!check_rows(diag, dev, {"k", a.k, kinds, 3, {-1, heads, k_size, 0}})) return false;
  if (!check_rows(diag, dev, {"v", a.v, kinds, 3, {-1, heads, v_size, 0}})) return false;
  if (!check_tensor(diag, dev, {"slot_mapping", a.slot_mapping, 0, 1, {-1, 0, 0, 0}}) ||
      !check_int(diag, "slot_mapping", a.slot_mapping, 64))
    return false;
  const int64_t n = a.slot_mapping->shape[0];
  if (a.k->shape[0] < n || a.v->shape[0] < n)
    return diag.fail(say("slot_mapping has ", n, " entries, k has ", a.k->shape[0], " rows and v ", a.v->shape[0],
                         ", wanted at least as many rows"));
  if (!check_cache(diag, p, 0, a.k_cache, a.v_cache) || !check_written_cache(diag, p, a.k_cache, a.v_cache))
    return false;
  if (dev != ATTNRT_DEVICE_CPU) return true;
  int64_t blocks = a.k_cache->shape[0];
  if (!mla && a.v_cache) blocks = std::min(blocks, a.v_cache->shape[0]);
  const auto* slots =
      reinterpret_cast<const int64_t*>(static_cast<const char*>(a.slot_mapping->data) + a.slot_mapping->byte_offset);
  for (int64_t i = 0; i < n; ++i) {
    const int64_t slot = slots[i * a.slot_mapping->strides[0]];
    if (slot < -1 || slot >= blocks * p.block_size)
      return diag.fail(say("slot_mapping[", i, "] is ", slot, ", wanted -1 (skip) to ", blocks * p.block_size - 1));
  }
  return true;
}

}  // namespace attnrt::sdk
#endif
