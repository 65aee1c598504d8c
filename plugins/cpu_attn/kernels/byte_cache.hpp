// SPDX-License-Identifier: Apache-2.0
//
// byte_cache.hpp: the native cache of 8 bits: the rows of a block's KV head together, its keys, then its values, so
// that both come from memory in long runs. It is NHD in other strides.
#ifndef ATTNRT_CPU_ATTN_BYTE_CACHE_HPP
#define ATTNRT_CPU_ATTN_BYTE_CACHE_HPP
#include <algorithm>
#include <cstdint>

#include "attnrt/check.hpp"

namespace attnrt::cpu {

/// Do keys and values have 8 bits? [thread-safe]
constexpr bool quantised(const attnrt_problem& p) { return p.kv_dtype >= ATTNRT_FP8_E4M3; }

/// Bytes of a row of `width` elements of such a cache, its own scale included where it has one. [thread-safe]
constexpr int64_t byte_row(const attnrt_problem& p, uint32_t width) {
  return int64_t{width} + (p.features & ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES ? 4 : 0);
}

/// [num_blocks, block_size, Hkv, D] views of the keys and the values in a native cache of 8 bits, which lives as long.
struct ByteRows {
  attnrt_tensor k, v;
  int64_t k_shape[4], v_shape[4], k_strides[4], v_strides[4];

  ByteRows(const attnrt_problem& p, const attnrt_tensor& bytes) : k(bytes), v(bytes) {
    const int64_t slots = p.block_size, heads = p.num_kv_heads;
    const int64_t k_row = byte_row(p, p.head_size_qk), v_row = byte_row(p, p.head_size_v);
    const int64_t head = slots * (k_row + v_row);
    const auto lay = [&](attnrt_tensor& t, int64_t(&shape)[4], int64_t(&strides)[4], uint32_t width, int64_t row) {
      const int64_t sizes[] = {bytes.shape[0], slots, heads, int64_t{width}},
                    steps[] = {bytes.strides[0], row, head, 1};
      std::copy(sizes, sizes + 4, shape);
      std::copy(steps, steps + 4, strides);
      t.ndim = 4;
      t.dtype = sdk::to_dlpack(p.kv_dtype);
      t.shape = shape;
      t.strides = strides;
    };
    lay(k, k_shape, k_strides, p.head_size_qk, k_row);
    lay(v, v_shape, v_strides, p.head_size_v, v_row);
    v.byte_offset += static_cast<uint64_t>(slots * k_row);
  }
  ByteRows(const ByteRows&) = delete;
  ByteRows& operator=(const ByteRows&) = delete;
};

}  // namespace attnrt::cpu
#endif
