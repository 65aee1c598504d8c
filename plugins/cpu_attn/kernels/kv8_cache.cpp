// SPDX-License-Identifier: Apache-2.0
#include "kv8_cache.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "kv_cache.hpp"
#include "slots.hpp"

namespace attnrt::cpu {
namespace {

using kernel::PanelLayout, kernel::chunk_at, kernel::kChunkElements, kernel::kGranule;

/// No row is wider (caps.hpp).
constexpr int64_t kMaxWidth = 512, kScaleBytes = 4;

void copy_bytes(std::byte* row, std::byte* page, std::size_t n, bool to_page) {
  std::memcpy(to_page ? page : row, to_page ? row : page, n);
}

/// A key's elements are its dims, pairs of which stand together.
void copy_key(const PanelLayout& layout, std::byte* page, int64_t token, std::byte* row, bool to_page) {
  const int64_t lane = token % kGranule;
  for (int64_t d = 0; d < layout.head_size_qk; d += 2) {
    std::byte* chunk = page + layout.key_at(token - lane) + d / kChunkElements * layout.key_step();
    copy_bytes(row + d, chunk + chunk_at(lane, d % kChunkElements), 2, to_page);
  }
}

/// A value's elements are the tokens of its four.
void copy_value(const PanelLayout& layout, std::byte* page, int64_t token, std::byte* row, bool to_page) {
  for (int64_t first = 0; first < layout.head_size_v; first += kGranule) {
    std::byte* chunk = page + layout.value_at(token, first / kernel::kPanelWidth) +
                       first % kernel::kPanelWidth * kChunkElements;
    for (int64_t d = 0; d < std::min(kGranule, layout.head_size_v - first); ++d)
      copy_bytes(row + first + d, chunk + chunk_at(d, token % kChunkElements), 1, to_page);
  }
}

/// All heads of row `row` of the tensors, and of slot `slot` of the cache.
void copy_slot(const PanelLayout& layout, uint32_t dtype, const attnrt_tensor& cache, const CachePart (&parts)[2],
               int64_t row, int64_t slot, bool to_cache) {
  const int64_t token = slot % layout.tokens;
  std::byte* page = data_of(cache) + slot / layout.tokens * cache.strides[0];
  for (int64_t head = 0; head < parts[0].rows->shape[1]; ++head, page += layout.head_bytes())
    for (int side = 0; side < 2; ++side) {
      const int64_t width = side == 0 ? layout.head_size_qk : layout.head_size_v;
      const bool has_scale = parts[side].row_scales &&
                             static_cast<uint32_t>(sdk::dtype_of(parts[side].rows->dtype)) != dtype;
      std::byte cells[kMaxWidth + kScaleBytes];
      std::byte* scale = page + (side == 0 ? layout.key_scales_at() : layout.value_scales_at()) + token * kScaleBytes;
      const auto copy = [&] {
        side == 0 ? copy_key(layout, page, token, cells, to_cache) : copy_value(layout, page, token, cells, to_cache);
        if (has_scale) copy_bytes(cells + width, scale, kScaleBytes, to_cache);
      };
      if (!to_cache) copy();
      copy_head(parts[side], dtype, row, head, cells, to_cache);
      if (to_cache) copy();
    }
}

}  // namespace

void write_kv8_pages(const PanelLayout& page, uint32_t dtype, const attnrt_tensor& cache, const CachePart (&parts)[2],
                      const attnrt_tensor& slot_mapping, attnrt_stream stream) {
  write_slots(slot_mapping, stream,
              [&](int64_t row, int64_t slot) { copy_slot(page, dtype, cache, parts, row, slot, true); });
}

void gather_kv8_pages(const PanelLayout& page, uint32_t dtype, const attnrt_tensor& cache, const CachePart (&parts)[2],
                       const attnrt_gather_args& args, attnrt_stream stream) {
  gather_slots(args, page.tokens, stream,
               [&](int64_t row, int64_t slot) { copy_slot(page, dtype, cache, parts, row, slot, false); });
}

}  // namespace attnrt::cpu
