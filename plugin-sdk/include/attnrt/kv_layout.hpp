// SPDX-License-Identifier: Apache-2.0
//
// attnrt/kv_layout.hpp: the caches that several backends may share, so that all of them lay a block out alike and call
// it by the same id. Header-only, C++17.
#ifndef ATTNRT_KV_LAYOUT_HPP
#define ATTNRT_KV_LAYOUT_HPP
#include "attnrt/check.hpp"

namespace attnrt::sdk {

/// The cache that NHD, HND, XPACKED or MLA latent describes for a problem whose layout and block size are settled: a block holds
/// its keys, then its values, with room for a scale behind each row where the problem has PER_TOKEN_HEAD_SCALES (the id
/// says so). Other layouts have none: "contiguous", 0 bytes. `alignment` is what the kernels ask of a block's address,
/// in bytes. [thread-safe]
inline attnrt_kv_layout affine_layout(const attnrt_problem& p, uint64_t alignment = 64) {
  attnrt_kv_layout layout{};
  layout.struct_size = sizeof layout;
  layout.alignment = alignment;
  layout.block_size = p.block_size;
  layout.dtype = p.kv_dtype;
  const bool row_scales = p.features & ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES;
  const auto row = [row_scales](int64_t size) { return row_scales ? (size + 3) / 4 * 4 + 4 : size; };
  const int64_t heads = p.num_kv_heads, slots = p.block_size, qk = row(p.head_size_qk), v = row(p.head_size_v);
  const int64_t bytes = dtype_bytes(p.kv_dtype);
  int64_t elements = slots * heads * (qk + v);
  if (p.kv_layouts & ATTNRT_KV_MLA_LATENT) {
    elements = slots * qk;
    layout.kind = ATTNRT_KV_MLA_LATENT;
    layout.id = "mla";
    layout.k_strides[0] = layout.v_strides[0] = elements;
    layout.k_strides[1] = layout.v_strides[1] = qk;
    layout.k_strides[2] = layout.v_strides[2] = qk;
  } else if (p.kv_layouts & (ATTNRT_KV_NHD | ATTNRT_KV_HND)) {
    const bool nhd = p.kv_layouts & ATTNRT_KV_NHD;
    layout.kind = nhd ? ATTNRT_KV_NHD : ATTNRT_KV_HND;
    layout.id = row_scales ? (nhd ? "nhd+row_scales" : "hnd+row_scales") : nhd ? "nhd" : "hnd";
    layout.v_offset = static_cast<uint64_t>(slots * heads * qk * bytes);
    layout.k_strides[0] = layout.v_strides[0] = elements;
    layout.k_strides[1] = nhd ? heads * qk : qk;
    layout.k_strides[2] = nhd ? qk : slots * qk;
    layout.v_strides[1] = nhd ? heads * v : v;
    layout.v_strides[2] = nhd ? v : slots * v;
  } else if (p.kv_layouts & ATTNRT_KV_XPACKED) {  // strides of slots: of x elements of a key, of one of a value
    layout.kind = ATTNRT_KV_XPACKED;
    layout.id = "xpacked";
    layout.v_offset = static_cast<uint64_t>(slots * heads * qk * bytes);
    layout.k_strides[0] = layout.v_strides[0] = elements;
    layout.k_strides[1] = xpacked_elements(p.kv_dtype);
    layout.v_strides[1] = 1;
    layout.k_strides[2] = slots * qk;
    layout.v_strides[2] = slots * v;
  } else {
    elements = 0;
    layout.kind = ATTNRT_KV_CONTIGUOUS;
    layout.id = "contiguous";
  }
  layout.block_bytes = static_cast<uint64_t>(elements * bytes);
  return layout;
}

}  // namespace attnrt::sdk
#endif
