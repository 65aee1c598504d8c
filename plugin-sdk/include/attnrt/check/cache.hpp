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

/// The cache views of a run, write or gather; num_blocks 0 = any.
inline bool check_cache(const Diag& diag, const attnrt_problem& p, int32_t num_blocks, const attnrt_tensor* k,
                        const attnrt_tensor* v) {
  const int64_t blocks = num_blocks > 0 ? ~int64_t{num_blocks} : -1, bs = p.block_size;
  if (p.kv_layouts & ATTNRT_KV_NATIVE) return check_rows(diag, p.device_type, {"k_cache", k, 0, 2, {blocks, -1, 0, 0}});
  if (p.kv_layouts & ATTNRT_KV_FP8_DS_MLA)
    return check_rows(diag, p.device_type, {"k_cache", k, 0, 4, {blocks, bs, 1, 656}});
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
