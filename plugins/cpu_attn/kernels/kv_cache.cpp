// SPDX-License-Identifier: Apache-2.0
#include "kv_cache.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>

#include "attnrt/plugin.hpp"
#include "kv8_rows.hpp"
#include "row_io.hpp"
#include "slots.hpp"

namespace attnrt::cpu {
namespace {

using kernel::portable::read_row;
using kernel::portable::stage_row;
using kernel::portable::write_row;

float scale_of(const CachePart& part, int64_t head) {
  if (!part.scale) return 1.0f;
  const auto* scales = reinterpret_cast<const float*>(data_of(*part.scale));
  return scales[part.scale->shape[0] == 1 ? 0 : head * part.scale->strides[0]];
}

constexpr int64_t kBuffer = 64;

/// `n` numbers of type `from` divided by their scale to bytes of type T.
template <class T>
void narrow_kv8(uint32_t from, const std::byte* row, std::byte* to, int64_t n, float scale) {
  float numbers[kBuffer];
  for (int64_t at = 0; at < n; at += kBuffer) {
    const int64_t count = std::min(kBuffer, n - at);
    read_row(from, row, at, numbers, count);
    for (int64_t i = 0; i < count; ++i) numbers[i] = scale == 0.0f ? 0.0f : numbers[i] / scale;
    narrow_row(numbers, reinterpret_cast<T*>(to) + at, count);
  }
}
void narrow_kv8(uint32_t from, uint32_t to_type, const std::byte* row, std::byte* to, int64_t n, float scale) {
  switch (to_type) {
    case ATTNRT_FP8_E4M3:
      return narrow_kv8<kernel::portable::E4m3>(from, row, to, n, scale);
    case ATTNRT_FP8_E5M2:
      return narrow_kv8<kernel::portable::E5m2>(from, row, to, n, scale);
    default:
      return narrow_kv8<kernel::portable::Int8>(from, row, to, n, scale);
  }
}

/// The scale with which a row's largest number becomes the type's: infinite where one is, so that the row is read as
/// NaN. int8 has no NaN: there the scale is NaN where a number is. fp8 keeps those in their places.
float scale_for(uint32_t from, uint32_t to_type, const std::byte* row, int64_t n) {
  const float largest = to_type == ATTNRT_FP8_E4M3 ? 448.0f : to_type == ATTNRT_FP8_E5M2 ? 57344.0f : 127.0f;
  float numbers[kBuffer], most = 0.0f;
  for (int64_t at = 0; at < n; at += kBuffer) {
    const int64_t count = std::min(kBuffer, n - at);
    read_row(from, row, at, numbers, count);
    for (int64_t i = 0; i < count; ++i) {
      if (to_type == ATTNRT_INT8 && std::isnan(numbers[i])) return numbers[i];
      most = std::max(most, std::fabs(numbers[i]));
    }
  }
  return most / largest;
}

void widen_kv8(uint32_t type, uint32_t to_type, const std::byte* bytes, std::byte* row, int64_t n, float scale) {
  float numbers[kBuffer];
  for (int64_t at = 0; at < n; at += kBuffer) {
    const int64_t count = std::min(kBuffer, n - at);
    stage_row(type, reinterpret_cast<const uint8_t*>(bytes) + at, numbers, count, scale);
    write_row(to_type, numbers, row, at, count);
  }
}

/// The heads of one row, between row `row` of the tensor and slot `slot` of the cache.
void copy_row(const CachePart& part, int64_t row, int64_t slot, bool to_cache) {
  const attnrt_tensor& cache = *part.cache;
  const int64_t cell = cache.dtype.bits / 8, block_size = cache.shape[1];
  const auto dtype = static_cast<uint32_t>(sdk::dtype_of(cache.dtype));
  std::byte* cells = data_of(cache) +
                     (slot / block_size * cache.strides[0] + slot % block_size * cache.strides[1] + part.column) * cell;
  for (int64_t head = 0; head < part.rows->shape[1]; ++head)
    copy_head(part, dtype, row, head, cells + head * cache.strides[2] * cell, to_cache);
}

}  // namespace

void copy_head(const CachePart& part, uint32_t dtype, int64_t row, int64_t head, std::byte* cells, bool to_cache) {
  const attnrt_tensor& rows = *part.rows;
  const int64_t bytes = rows.dtype.bits / 8, n = rows.shape[2];
  const auto outer = static_cast<uint32_t>(sdk::dtype_of(rows.dtype));
  std::byte* outside = data_of(rows) + (row * rows.strides[0] + head * rows.strides[1]) * bytes;
  if (outer == dtype) {
    std::memcpy(to_cache ? cells : outside, to_cache ? outside : cells, static_cast<std::size_t>(n * bytes));
    return;
  }
  float scale = scale_of(part, head);
  if (part.row_scales) {
    if (to_cache) scale = scale_for(outer, dtype, outside, n);
    std::byte* behind = cells + kernel::portable::row_scale_at(n);
    std::memcpy(to_cache ? static_cast<void*>(behind) : &scale, to_cache ? static_cast<void*>(&scale) : behind,
                sizeof scale);
  }
  if (to_cache)
    narrow_kv8(outer, dtype, outside, cells, n, scale);
  else
    widen_kv8(dtype, outer, cells, outside, n, scale);
}

void write_rows(const CachePart (&parts)[2], const attnrt_tensor& slot_mapping, attnrt_stream stream) {
  write_slots(slot_mapping, stream, [&](int64_t row, int64_t slot) {
    for (const CachePart& part : parts) copy_row(part, row, slot, true);
  });
}

void gather_rows(const CachePart (&parts)[2], const attnrt_gather_args& args, attnrt_stream stream) {
  gather_slots(args, parts[0].cache->shape[1], stream, [&](int64_t row, int64_t slot) {
    for (const CachePart& part : parts) copy_row(part, row, slot, false);
  });
}

}  // namespace attnrt::cpu
