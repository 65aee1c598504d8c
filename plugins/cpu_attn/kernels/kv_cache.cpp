// SPDX-License-Identifier: Apache-2.0
#include "kv_cache.hpp"

#include <cstddef>
#include <cstring>

#include "attnrt/plugin.hpp"

namespace attnrt::cpu {
namespace {

std::byte* data_of(const attnrt_tensor& t) { return static_cast<std::byte*>(t.data) + t.byte_offset; }

/// The heads of one row, between row `row` of the tensor and slot `slot` of the cache. Without a cast the types are
/// equal.
void copy_row(const CachePart& part, int64_t row, int64_t slot, bool to_cache) {
  const attnrt_tensor &rows = *part.rows, &cache = *part.cache;
  const int64_t bytes = rows.dtype.bits / 8, block_size = cache.shape[1];
  const auto width = static_cast<std::size_t>(rows.shape[2] * bytes);
  std::byte* outside = data_of(rows) + row * rows.strides[0] * bytes;
  std::byte* inside = data_of(cache) + (slot / block_size * cache.strides[0] + slot % block_size * cache.strides[1] +
                                        part.column) * bytes;
  for (int64_t head = 0; head < rows.shape[1]; ++head) {
    std::byte* a = outside + head * rows.strides[1] * bytes;
    std::byte* b = inside + head * cache.strides[2] * bytes;
    std::memcpy(to_cache ? b : a, to_cache ? a : b, width);
  }
}

}  // namespace

void write_slots(const CachePart (&parts)[2], const attnrt_tensor& slot_mapping, attnrt_stream stream) {
  const auto* slots = reinterpret_cast<const int64_t*>(data_of(slot_mapping));
  const int64_t stride = slot_mapping.strides[0];
  sdk::Executor(stream).parallel_for(slot_mapping.shape[0], 64, [&](int64_t begin, int64_t end, uint32_t) noexcept {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t slot = slots[i * stride];
      if (slot < 0) continue;
      for (const CachePart& part : parts) copy_row(part, i, slot, true);
    }
  });
}

void gather_rows(const CachePart (&parts)[2], const attnrt_gather_args& args, attnrt_stream stream) {
  sdk::Executor(stream).parallel_for(args.num_seqs, 1, [&](int64_t begin, int64_t end, uint32_t) noexcept {
    for (int64_t r = begin; r < end; ++r) {
      const int32_t* table = args.block_table + r * args.block_table_stride;
      const int64_t start = args.kv_starts ? args.kv_starts[r] : 0;
      const int64_t block_size = args.k_cache->shape[1];
      for (int64_t i = 0; i < args.kv_lens[r]; ++i) {
        const int64_t j = start + i;
        const int64_t slot = table[j / block_size] * block_size + j % block_size;
        for (const CachePart& part : parts) copy_row(part, args.kv_start_loc[r] + i, slot, false);
      }
    }
  });
}

attnrt_kv_layout cache_layout(const attnrt_problem& p) {
  attnrt_kv_layout layout{};
  layout.struct_size = sizeof layout;
  layout.alignment = 64;
  layout.block_size = p.block_size;
  layout.dtype = p.kv_dtype;
  const int64_t heads = p.num_kv_heads, slots = p.block_size, qk = p.head_size_qk, v = p.head_size_v;
  const int64_t bytes = sdk::dtype_bytes(p.kv_dtype);
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
    layout.id = nhd ? "nhd" : "hnd";
    layout.v_offset = static_cast<uint64_t>(slots * heads * qk * bytes);
    layout.k_strides[0] = layout.v_strides[0] = elements;
    layout.k_strides[1] = nhd ? heads * qk : qk;
    layout.k_strides[2] = nhd ? qk : slots * qk;
    layout.v_strides[1] = nhd ? heads * v : v;
    layout.v_strides[2] = nhd ? v : slots * v;
  } else {
    elements = 0;
    layout.kind = ATTNRT_KV_CONTIGUOUS;
    layout.id = "contiguous";
  }
  layout.block_bytes = static_cast<uint64_t>(elements * bytes);
  return layout;
}

}  // namespace attnrt::cpu
