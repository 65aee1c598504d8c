// SPDX-License-Identifier: Apache-2.0
//
// slots.hpp: the rows of a write and of a gather with the slots of the cache that they belong to, divided over the
// executor's workers. `copy(row, slot)` must not throw.
#ifndef ATTNRT_CPU_ATTN_SLOTS_HPP
#define ATTNRT_CPU_ATTN_SLOTS_HPP
#include <cstddef>
#include <cstdint>

#include "workers.hpp"

namespace attnrt::cpu {

/// The first element. [thread-safe]
inline std::byte* data_of(const attnrt_tensor& t) { return static_cast<std::byte*>(t.data) + t.byte_offset; }

/// Rows whose slot is -1 are skipped. [thread-safe]
template <class Copy>
void write_slots(const attnrt_tensor& slot_mapping, attnrt_stream stream, Copy&& copy) {
  const auto* slots = reinterpret_cast<const int64_t*>(data_of(slot_mapping));
  const int64_t stride = slot_mapping.strides[0];
  Workers(stream).parallel_for(slot_mapping.shape[0], 64, [&](int64_t begin, int64_t end, uint32_t) noexcept {
    for (int64_t i = begin; i < end; ++i)
      if (const int64_t slot = slots[i * stride]; slot >= 0) copy(i, slot);
  });
}

/// Keys [kv_starts, kv_starts + kv_lens) of each request, packed from kv_start_loc on. [thread-safe]
template <class Copy>
void gather_slots(const attnrt_gather_args& args, int64_t block_size, attnrt_stream stream, Copy&& copy) {
  Workers(stream).parallel_for(args.num_seqs, 1, [&](int64_t begin, int64_t end, uint32_t) noexcept {
    for (int64_t r = begin; r < end; ++r) {
      const int32_t* table = args.block_table + r * args.block_table_stride;
      const int64_t start = args.kv_starts ? args.kv_starts[r] : 0;
      for (int64_t j = start; j < start + args.kv_lens[r]; ++j)
        copy(args.kv_start_loc[r] + j - start, table[j / block_size] * block_size + j % block_size);
    }
  });
}

}  // namespace attnrt::cpu
#endif
