// SPDX-License-Identifier: Apache-2.0
//
// request_walk.hpp: the rows of one request and KV head, in a cache or where k and v are packed.
#ifndef ATTNRT_CPU_ATTN_REQUEST_WALK_HPP
#define ATTNRT_CPU_ATTN_REQUEST_WALK_HPP
#include <cstdint>

#include "../simd/kv_walk.hpp"
#include "attention.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

/// `view`: keys or values of the call. T: as stored, or char for addresses, then `element` is the bytes of one stored.
template <class T>
KvWalk<T> request_walk(const cpu::AttentionCall& call, const cpu::View& view, int32_t request, int32_t kv_head,
                       int64_t element = 1) {
  const attnrt_batch& b = *call.batch;
  const T* base = static_cast<const T*>(view.data) + kv_head * view.stride[2] * element;
  const int64_t slot = view.stride[1] * element;
  if (call.shape.block_size > 0)
    return {base, b.block_table + request * b.block_table_stride, view.stride[0] * element, slot,
            call.shape.block_size};
  return {base + b.kv_start_loc[request] * slot, nullptr, 0, slot, 1};
}

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
