// SPDX-License-Identifier: Apache-2.0
//
// panel_probabilities.hpp: the scores of an item's rows in a tile of keys become probabilities
// (panel_softmax.hpp), not yet divided by their sum: scales, softcap, ALiBi, biases and masks, the running maximum and
// sum.
#ifndef ATTNRT_CPU_ATTN_PANEL_PROBABILITIES_HPP
#define ATTNRT_CPU_ATTN_PANEL_PROBABILITIES_HPP
#include <cstdint>
#include <type_traits>

#include "../simd/panel_fold.hpp"
#include "attention.hpp"
#include "item_rows.hpp"
#include "kv8_rows.hpp"
#include "non_finite.hpp"
#include "panel_scratch.hpp"
#include "row_io.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

/// S: keys as stored; Packed: the dot that takes the probabilities. State goes to at.part.
template <class S, class Packed>
class PanelProbabilities {
 public:
  PanelProbabilities(const cpu::AttentionCall& call, const cpu::AttentionItem& item, int32_t kv_head,
                     const PanelScratch& at, ItemRows& rows, Pass pass)
      : call_(call),
        shape_(call.shape),
        item_(item),
        kv_head_(kv_head),
        at_(at),
        rows_(rows),
        columns_(shape_.row_scales       ? at.value_scales
                 : pass == Pass::kScaled ? kSmall.factors
                                         : nullptr) {
    adds_ = shape_.softcap > 0.0f || call.alibi_slopes.data || call.masks.tree.data ||
            call.masks.dense.kind > cpu::DenseMask::Kind::kBool || (call.masks.program && call.masks.program->scores);
    scale_for(item.request, kv_head);
  }

  /// Where the tile's keys stand, for biases by distance.
  void place(int64_t tile) {
    if (!call_.alibi_slopes.data) return;
    for (int64_t c = 0; c < shape_.tile_keys; ++c)
      at_.positions[c] = static_cast<float>(rows_.mask().mask().positions.of(tile + c));
  }

  /// Scores of a strip to probabilities. `step`: columns that a product takes at a time; columns beside what the strip
  /// sees, up to whole steps, become 0.
  void make_probabilities(int64_t tile, const Strip& strip, int64_t step) {
    if (strip.begin >= strip.end) return;
    const int64_t from = strip.begin / step * step, to = (strip.end + step - 1) / step * step;
    BiasKey filled{-1, -1};
    bool any = false;
    MaskedColumns columns[kStripRows];
    constexpr int kPadded = (kStripRows + kLanes - 1) / kLanes * kLanes;
    float maxima[kPadded] = {}, units[kPadded] = {};
    if (item_.heads > 1 && call_.k_scale.stride[1] != 0) scale_for(item_.request, kv_head_ + strip.kv_head);
    for (int i = 0, row = strip.row; i < strip.rows; ++i, ++row) {
      if (item_.is_prefix() && call_.k_scale.stride[0] != 0) scale_for(rows_.request(row), kv_head_);
      const PanelScoreMap map{scale_, shape_.softcap, call_.alibi_slopes.data ? at_.positions : nullptr,
                              (shape_.features & ATTNRT_FEATURE_ALIBI_SQRT) != 0};
      at_.part.scale[row] = mapped_ ? 1.0f : scale_;
      units[i] = at_.part.scale[row] * kLog2e;
      float* s = at_.scores + row * shape_.tile_keys;
      MaskedColumns& seen = columns[i] = rows_.columns(row);
      if (shape_.row_scales && seen.begin < seen.end)
        scale_columns(s, at_.key_scales, seen.begin / kLanes * kLanes, seen.end);
      if (mapped_ && seen.begin < seen.end)
        map_scores(s, seen.begin / kLanes * kLanes, seen.end, map, slope(row),
                   static_cast<float>(rows_.mask().mask().position(rows_.query(row))));
      if (const cpu::PairProgram* program = call_.masks.program; program && program->scores && seen.begin < seen.end)
        program->score(
            program->self,
            rows_.mask().program_row(rows_.query(row), rows_.head(row), tile + seen.begin, seen.end - seen.begin),
            s + seen.begin);
      if (seen.holes && seen.begin < seen.end) {
        const BiasKey key{rows_.query(row), rows_.mask().has_one_bias() ? 0 : rows_.head(row)};
        if (key.query != filled.query || key.head != filled.head) any = fill_bias(tile, row, seen);
        filled = key;
        if (any)
          add_bias(s, at_.bias, seen.begin / kLanes * kLanes, seen.end);
        else
          seen.begin = seen.end = 0;
      }
      maxima[i] = seen.begin < seen.end ? max_of(s, seen.begin, seen.end) : at_.part.max[row];
    }
    for (int i = 0; i < strip.rows; i += kLanes)
      raise_maxima(at_.part.max + strip.row + i, maxima + i, units + i, at_.factors + strip.row + i,
                   strip.rows - i < kLanes ? strip.rows - i : kLanes);
    const auto softmax_rows = [&](auto exact) {
      for (int i = 0, row = strip.row; i < strip.rows; ++i, ++row)
        softmax_row<Packed, kDegree, exact.value>(at_.scores + row * shape_.tile_keys, columns[i].begin, columns[i].end,
                                                  from, to, units[i], at_.part.max[row], at_.factors[row],
                                                  at_.part.sum + row * kStateLanes, at_.part.exact + row * kStateLanes,
                                                  columns_);
    };
    if (Packed::kRoundsProbabilities && call_.lse.data)
      softmax_rows(std::true_type{});
    else
      softmax_rows(std::false_type{});
  }

 private:
  static constexpr int kDegree = sizeof(S) == 4 ? 5 : 4;

  /// What the biases of a tile were computed for.
  struct BiasKey {
    int64_t query, head;
  };
  bool fill_bias(int64_t tile, int32_t row, const MaskedColumns& seen) {
    const int64_t from = seen.begin / kLanes * kLanes, to = (seen.end + kLanes - 1) / kLanes * kLanes;
    for (int64_t c = from; c < seen.begin; ++c) at_.bias[c] = 0.0f;
    for (int64_t c = seen.end; c < to; ++c) at_.bias[c] = 0.0f;
    return rows_.mask().fill(rows_.query(row), rows_.head(row), tile, seen.begin, seen.end, at_.bias);
  }

  void scale_for(int32_t request, int32_t kv_head) {
    scale_ = call_.scale * scale_of(call_.k_scale, request, kv_head);
    mapped_ = adds_ || !(scale_ > 1e-6f && scale_ < 1e4f);
  }

  float slope(int32_t row) const {
    const cpu::View& slopes = call_.alibi_slopes;
    return slopes.data ? static_cast<const float*>(slopes.data)[rows_.head(row) * slopes.stride[0]] : 0.0f;
  }

  const cpu::AttentionCall& call_;
  const cpu::AttentionShape& shape_;
  const cpu::AttentionItem& item_;
  const int32_t kv_head_;
  const PanelScratch& at_;
  ItemRows& rows_;
  const float* columns_;  ///< what probabilities are multiplied by, NULL = 1
  bool adds_;
  float scale_;
  bool mapped_;  ///< scores need more than a scale before the softmax
};

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
