// SPDX-License-Identifier: Apache-2.0
//
// kv_walk.hpp: where the rows of a request's keys or values lie, paged or not, as one walk over addresses. NHD, HND,
// MLA latent and contiguous differ in their strides alone.
#ifndef ATTNRT_CPU_ATTN_SIMD_KV_WALK_HPP
#define ATTNRT_CPU_ATTN_SIMD_KV_WALK_HPP
#include <cstdint>

#include "isa.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

/// Rows of one head of one request. Strides are in elements.
template <class T>
struct KvWalk {
  const T* base;               ///< of this head; without a table, of the request's first row too
  const int32_t* block_table;  ///< the request's blocks, NULL without a cache
  int64_t block_stride, slot_stride;
  int64_t block_size;  ///< 1 where there is no table

  /// rows[i] = address of row begin + i, for i < end - begin. Reads the table's entries of those rows alone.
  ATTNRT_KERNEL_INLINE void rows(int64_t begin, int64_t end, const T** out) const {
    if (!block_table) {
      for (int64_t j = begin; j < end; ++j) *out++ = base + j * slot_stride;
      return;
    }
    int64_t block = begin / block_size, slot = begin % block_size;
    for (int64_t j = begin; j < end; ++block, slot = 0) {
      const T* row = base + block_table[block] * block_stride + slot * slot_stride;
      for (; slot < block_size && j < end; ++slot, ++j, row += slot_stride) *out++ = row;
    }
  }
};

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
