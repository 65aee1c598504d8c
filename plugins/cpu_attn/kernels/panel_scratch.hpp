// SPDX-License-Identifier: Apache-2.0
//
// panel_scratch.hpp: the memory of one worker of the panel kernels.
#ifndef ATTNRT_CPU_ATTN_PANEL_SCRATCH_HPP
#define ATTNRT_CPU_ATTN_PANEL_SCRATCH_HPP
#include <cstddef>
#include <cstdint>

#include "../simd/panel_fold.hpp"
#include "../simd/panel_layout.hpp"
#include "attention.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

/// The page that rows are packed into: one tile of keys.
inline PanelLayout tile_layout(const cpu::AttentionShape& shape, int64_t bytes, int64_t pair) {
  return {shape.tile_keys, shape.head_size_qk, shape.head_size_v, bytes, pair, 0};
}

/// One worker's scratch, cut out of the bytes that the plan was given.
struct PanelScratch {
  float *q, *scores, *factors;
  float* q_panels;   ///< of latent keys: the queries as panels
  PanelRows part, total;
  char *page, *tail;
  float* zero;       ///< a row of keys or values
  float* bias;       ///< of the columns of a tile
  float* positions;  ///< of its keys
  float *key_scales, *value_scales;  ///< likewise, where rows have scales
  float* stage;       ///< a granule of rows of 8 bits as fp32
  int64_t floats = 0;

  PanelScratch(std::byte* memory, const cpu::AttentionShape& shape)
      : PanelScratch(memory, shape, shape.item_rows, true) {}
  /// For items of `rows` rows at most, which pack no keys where `packs` is false.
  PanelScratch(std::byte* memory, const cpu::AttentionShape& shape, int64_t rows, bool packs) {
    const auto take = [&](int64_t count) {
      const int64_t at = floats;
      floats += (count + 15) / 16 * 16;
      return memory ? reinterpret_cast<float*>(memory) + at : nullptr;
    };
    const PanelLayout tile = tile_layout(shape, 4, 1);
    // AMX reads whole tiles of rows, from any row on (visible_values.hpp).
    const int64_t read = kStripRows == kTileRows ? rows : (rows + 2 * kGranule - 2) / kGranule * kGranule;
    q = take(read * shape.head_size_qk);
    q_panels = take(shape.latent ? (rows + kGranule - 1) / kGranule * kGranule * shape.head_size_qk : 0);
    scores = take(read * shape.tile_keys);
    factors = take(rows);
    part = panel_rows(take(panel_rows_floats(rows, tile.padded_v())), rows);
    total = panel_rows(take(panel_rows_floats(rows, tile.padded_v())), rows);
    page = reinterpret_cast<char*>(take(packs ? tile.head_bytes() / 4 : 0));
    tail = reinterpret_cast<char*>(take(tile.padded_v()));
    const int64_t widest = shape.head_size_qk > shape.head_size_v ? shape.head_size_qk : shape.head_size_v;
    zero = take(packs ? widest + 1 : 0);
    bias = take(shape.tile_keys);
    positions = take(shape.tile_keys);
    key_scales = take(shape.row_scales ? shape.tile_keys : 0);
    value_scales = take(shape.row_scales ? shape.tile_keys : 0);
    stage = take(packs && shape.kv_8bit ? kGranule * widest : 0);
  }
};

/// Of an item, and of the decode item beside it (decode_overlap.hpp).
inline std::size_t panel_item_bytes(const cpu::AttentionShape& shape) {
  return static_cast<std::size_t>(PanelScratch(nullptr, shape).floats) * sizeof(float);
}
inline PanelScratch overlap_scratch(std::byte* memory, const cpu::AttentionShape& shape) {
  return {memory, shape, shape.tuning.decode_rows, false};
}
inline std::size_t panel_scratch_bytes(const cpu::AttentionShape& shape) {
  const int64_t side = cpu::mixes(shape) ? overlap_scratch(nullptr, shape).floats : 0;
  return panel_item_bytes(shape) + static_cast<std::size_t>(side) * sizeof(float);
}
inline int64_t panel_split_floats(const cpu::AttentionShape& shape, int64_t rows) {
  return (panel_rows_floats(rows, tile_layout(shape, 4, 1).padded_v()) + 15) / 16 * 16;
}

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
