// SPDX-License-Identifier: Apache-2.0
//
// attnrt/check/cache.hpp: the views of a paged cache. Header-only, C++17. [thread-safe]
#ifndef ATTNRT_CHECK_CACHE_HPP
#define ATTNRT_CHECK_CACHE_HPP
#include <cstdint>

#include "attnrt/check/tensor.hpp"

namespace attnrt::sdk {
namespace detail {

/// Is there room for a scale behind each row of a cache with PER_TOKEN_HEAD_SCALES, and is it aligned?
inline bool check_row_scales(const Diag& diag, const attnrt_problem& p, const char* name, const attnrt_tensor* t) {
  if (!(p.features & ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES)) return true;
  if (dtype_bytes(p.kv_dtype) != 1)
    return diag.fail(say("kv_dtype is ", dtype_name(p.kv_dtype), ", wanted one of 8 bits with per-token-head scales"));
  if ((reinterpret_cast<uintptr_t>(t->data) + t->byte_offset) % 4)
    return diag.fail(say(name, " is not aligned to 4 bytes, wanted that for the scales behind its rows"));
  const int64_t row = (t->shape[3] + 3) / 4 * 4 + 4;
  for (int32_t i = 0; i < 3; ++i)
    if (t->shape[i] > 1 && (t->strides[i] < row || t->strides[i] % 4))
      return diag.fail(say(name, ".strides[", i, "] is ", t->strides[i], ", wanted a multiple of 4 of at least ", row,
                           ": a scale lies behind each row"));
  return true;
}

/// What a block holds of a head, from dimension 2 on, lies without gaps.
inline bool check_dense_heads(const Diag& diag, const char* name, const attnrt_tensor* t) {
  int64_t step = 1;
  for (int32_t i = t->ndim - 1; i >= 2; step *= t->shape[i--])
    if (t->shape[i] > 1 && t->strides[i] != step)
      return diag.fail(say(name, ".strides[", i, "] is ", t->strides[i], ", wanted ", step));
  return true;
}

/// The views of XPACKED: K [blocks, Hkv, Dqk / x, slots, x] with x elements to 16 bytes, V [blocks, Hkv, Dv, slots].
inline bool check_xpacked(const Diag& diag, const attnrt_problem& p, int64_t blocks, const attnrt_tensor* k,
                          const attnrt_tensor* v) {
  const int64_t x = xpacked_elements(p.kv_dtype), slots = p.block_size, heads = p.num_kv_heads;
  if (p.head_size_qk % x)
    return diag.fail(say("head_size_qk is ", p.head_size_qk, ", wanted a multiple of ", x, " in an xpacked cache of ",
                         dtype_name(p.kv_dtype)));
  const int64_t kinds = only(p.kv_dtype);
  return check_tensor(diag, p.device_type, {"k_cache", k, kinds, 5, {blocks, heads, p.head_size_qk / x, slots, x}}) &&
         check_dense_heads(diag, "k_cache", k) &&
         check_tensor(diag, p.device_type, {"v_cache", v, kinds, 4, {blocks, heads, p.head_size_v, slots}}) &&
         check_dense_heads(diag, "v_cache", v);
}

/// The cache views of a run, write or gather; num_blocks 0 = any.
inline bool check_cache(const Diag& diag, const attnrt_problem& p, int32_t num_blocks, const attnrt_tensor* k,
                        const attnrt_tensor* v) {
  const int64_t blocks = num_blocks > 0 ? ~int64_t{num_blocks} : -1, bs = p.block_size;
  if (p.kv_layouts & ATTNRT_KV_NATIVE) return check_rows(diag, p.device_type, {"k_cache", k, 0, 2, {blocks, -1, 0, 0}});
  if (p.kv_layouts & ATTNRT_KV_FP8_DS_MLA)
    return check_rows(diag, p.device_type, {"k_cache", k, 0, 4, {blocks, bs, 1, 656}});
  if (p.kv_layouts & ATTNRT_KV_XPACKED) return check_xpacked(diag, p, blocks, k, v);
  const int64_t kinds = only(p.kv_dtype);
  if (!check_rows(diag, p.device_type, {"k_cache", k, kinds, 4, {blocks, bs, p.num_kv_heads, p.head_size_qk}}))
    return false;
  if (!check_row_scales(diag, p, "k_cache", k)) return false;
  if (p.kv_layouts & ATTNRT_KV_MLA_LATENT) return true;
  return check_rows(diag, p.device_type, {"v_cache", v, kinds, 4, {blocks, bs, p.num_kv_heads, p.head_size_v}}) &&
         check_row_scales(diag, p, "v_cache", v);
}

/// A cache that is written, after check_cache.
inline bool check_written_cache(const Diag& diag, const attnrt_problem& p, const attnrt_tensor* k,
                                const attnrt_tensor* v) {
  if (p.kv_layouts & ATTNRT_KV_XPACKED) {  // heads are dense: a head is a row
    const auto apart = [&](const char* name, const attnrt_tensor& t, int64_t row) {
      attnrt_tensor rows = t;
      int64_t shape[3] = {t.shape[0], t.shape[1], row}, strides[3] = {t.strides[0], t.strides[1], 1};
      rows.ndim = 3;
      rows.shape = shape;
      rows.strides = strides;
      return check_written(diag, name, rows);
    };
    return apart("k_cache", *k, int64_t{p.head_size_qk} * p.block_size) &&
           apart("v_cache", *v, int64_t{p.head_size_v} * p.block_size);
  }
  const auto row_bytes = [&p](const attnrt_tensor& t) {
    return p.features & ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES && t.ndim == 4 ? (t.shape[3] + 3) / 4 * 4 + 4 : int64_t{0};
  };
  if (!check_written(diag, "k_cache", *k, row_bytes(*k))) return false;
  const bool one = p.kv_layouts & (ATTNRT_KV_NATIVE | ATTNRT_KV_FP8_DS_MLA | ATTNRT_KV_MLA_LATENT);
  return one || check_written(diag, "v_cache", *v, row_bytes(*v));
}

}  // namespace detail
}  // namespace attnrt::sdk
#endif
