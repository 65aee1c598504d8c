// SPDX-License-Identifier: Apache-2.0
#include "kv_cache.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>

#include "attnrt/plugin.hpp"
#include "byte_rows.hpp"
#include "row_io.hpp"

namespace attnrt::cpu {
namespace {

using kernel::portable::read_row;
using kernel::portable::stage_row;
using kernel::portable::write_row;

std::byte* data_of(const attnrt_tensor& t) { return static_cast<std::byte*>(t.data) + t.byte_offset; }

float scale_of(const CachePart& part, int64_t head) {
  if (!part.scale) return 1.0f;
  const auto* scales = reinterpret_cast<const float*>(data_of(*part.scale));
  return scales[part.scale->shape[0] == 1 ? 0 : head * part.scale->strides[0]];
}

constexpr int64_t kPiece = 64;

/// `n` numbers of type `from` divided by their scale to bytes of type T.
template <class T>
void narrow_bytes(uint32_t from, const std::byte* row, std::byte* to, int64_t n, float scale) {
  float numbers[kPiece];
  for (int64_t at = 0; at < n; at += kPiece) {
    const int64_t count = std::min(kPiece, n - at);
    read_row(from, row, at, numbers, count);
    for (int64_t i = 0; i < count; ++i) numbers[i] = scale == 0.0f ? 0.0f : numbers[i] / scale;
    narrow_row(numbers, reinterpret_cast<T*>(to) + at, count);
  }
}
void narrow_bytes(uint32_t from, uint32_t to_type, const std::byte* row, std::byte* to, int64_t n, float scale) {
  switch (to_type) {
    case ATTNRT_FP8_E4M3: return narrow_bytes<kernel::portable::E4m3>(from, row, to, n, scale);
    case ATTNRT_FP8_E5M2: return narrow_bytes<kernel::portable::E5m2>(from, row, to, n, scale);
    default: return narrow_bytes<kernel::portable::Int8>(from, row, to, n, scale);
  }
}

/// The scale with which a row's largest number becomes the type's.
float scale_for(uint32_t from, uint32_t to_type, const std::byte* row, int64_t n) {
  const float largest = to_type == ATTNRT_FP8_E4M3 ? 448.0f : to_type == ATTNRT_FP8_E5M2 ? 57344.0f : 127.0f;
  float numbers[kPiece], most = 0.0f;
  for (int64_t at = 0; at < n; at += kPiece) {
    const int64_t count = std::min(kPiece, n - at);
    read_row(from, row, at, numbers, count);
    for (int64_t i = 0; i < count; ++i) most = std::max(most, std::fabs(numbers[i]));
  }
  return most / largest;
}

void widen_bytes(uint32_t type, uint32_t to_type, const std::byte* bytes, std::byte* row, int64_t n, float scale) {
  float numbers[kPiece];
  for (int64_t at = 0; at < n; at += kPiece) {
    const int64_t count = std::min(kPiece, n - at);
    stage_row(type, reinterpret_cast<const uint8_t*>(bytes) + at, numbers, count, scale);
    write_row(to_type, numbers, row, at, count);
  }
}

/// The heads of one row, between row `row` of the tensor and slot `slot` of the cache.
void copy_row(const CachePart& part, int64_t row, int64_t slot, bool to_cache) {
  const attnrt_tensor &rows = *part.rows, &cache = *part.cache;
  const int64_t bytes = rows.dtype.bits / 8, cell = cache.dtype.bits / 8, block_size = cache.shape[1],
                n = rows.shape[2];
  const auto outer = static_cast<uint32_t>(sdk::dtype_of(rows.dtype)),
             inner = static_cast<uint32_t>(sdk::dtype_of(cache.dtype));
  std::byte* outside = data_of(rows) + row * rows.strides[0] * bytes;
  std::byte* inside = data_of(cache) + (slot / block_size * cache.strides[0] + slot % block_size * cache.strides[1] +
                                        part.column) * cell;
  for (int64_t head = 0; head < rows.shape[1]; ++head) {
    std::byte* a = outside + head * rows.strides[1] * bytes;
    std::byte* b = inside + head * cache.strides[2] * cell;
    if (outer == inner) {
      std::memcpy(to_cache ? b : a, to_cache ? a : b, static_cast<std::size_t>(n * bytes));
      continue;
    }
    float scale = scale_of(part, head);
    if (part.row_scales) {
      if (to_cache) scale = scale_for(outer, inner, a, n);
      std::memcpy(to_cache ? static_cast<void*>(b + n) : &scale, to_cache ? static_cast<void*>(&scale) : b + n,
                  sizeof scale);
    }
    if (to_cache)
      narrow_bytes(outer, inner, a, b, n, scale);
    else
      widen_bytes(inner, outer, b, a, n, scale);
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
      const int64_t block_size = parts[0].cache->shape[1];
      for (int64_t i = 0; i < args.kv_lens[r]; ++i) {
        const int64_t j = start + i;
        const int64_t slot = table[j / block_size] * block_size + j % block_size;
        for (const CachePart& part : parts) copy_row(part, args.kv_start_loc[r] + i, slot, false);
      }
    }
  });
}

}  // namespace attnrt::cpu
