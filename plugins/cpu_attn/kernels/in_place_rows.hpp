// SPDX-License-Identifier: Apache-2.0
//
// in_place_rows.hpp: keys and values of a tile as an engine lays them out, read in place by few rows
// (in_place_tile.hpp): a slab of keys, or of values, for all the item's KV heads before the next slab, which is
// prefetched meanwhile, so that memory is read in its order.
#ifndef ATTNRT_CPU_ATTN_IN_PLACE_ROWS_HPP
#define ATTNRT_CPU_ATTN_IN_PLACE_ROWS_HPP
#include <cstdint>

#include "../simd/in_place_tile.hpp"
#include "item_rows.hpp"
#include "kv8_rows.hpp"
#include "panel_scratch.hpp"
#include "request_walk.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

class InPlaceRows {
 public:
  /// Serves items that use() is true of. `last_key`: where the item or subitem ends.
  InPlaceRows(const cpu::AttentionCall& call, const cpu::AttentionItem& item, int32_t kv_head, const PanelScratch& at,
              int64_t last_key)
      : shape_(call.shape), at_(at), heads_(item.heads), last_key_(last_key) {
    if (!use(call.shape, item)) return;
    element_ = shape_.kv_8bit ? 1 : shape_.kv_dtype == ATTNRT_FP32 ? 4 : 2;
    keys_ = request_walk<char>(call, call.k, item.request, kv_head, element_);
    values_ = request_walk<char>(call, call.v, item.request, kv_head, element_);
    key_head_stride_ = call.k.stride[2] * element_;
    value_head_stride_ = call.v.stride[2] * element_;
  }

  /// So few rows that packing does not pay.
  static bool use(const cpu::AttentionShape& shape, const cpu::AttentionItem& item) {
    return kHasInPlaceTiles && item.rows <= shape.in_place_rows && !item.is_prefix();
  }

  /// Keys [from, to) of a tile. The granules' other tokens are zeros.
  void find(int64_t tile, int64_t from, int64_t to) {
    tile_ = tile;
    first_ = from - tile;
    last_ = to - tile;
    keys_.rows(from, to, row_keys_ + first_);
    values_.rows(from, to, row_values_ + first_);
  }

  /// The scales of a head's rows, those of the granules' other tokens 0.
  void find_scales(int kv_head) {
    const int64_t begin = this->begin(), end = (last_ + kGranule - 1) / kGranule * kGranule;
    for (int64_t c = begin; c < end; ++c) {
      const bool is_key = c >= first_ && c < last_;
      at_.key_scales[c] = is_key ? scale_of_row(row_keys_[c] + kv_head * key_head_stride_, shape_.head_size_qk) : 0.0f;
      at_.value_scales[c] =
          is_key ? scale_of_row(row_values_[c] + kv_head * value_head_stride_, shape_.head_size_v) : 0.0f;
    }
  }

#if defined(ATTNRT_KERNEL_AVX512)
  /// Scores of all rows. S: as stored; D: the dot. `sum_block`: dims that are summed from zero before they are added
  /// up.
  template <class S, class D>
  void score(const ItemRows& rows, int64_t sum_block) {
    const int64_t size = slab(shape_.head_size_qk);
    for (int64_t c = begin(); c < last_; c += size) {
      if (c + size < last_)
        list_prefetch(keys_, key_head_stride_, tile_ + c + size, size);
      else
        list_prefetch(values_, value_head_stride_, tile_ + begin(), slab(shape_.head_size_v));
      score_slab<S, D>(rows, sum_block, c, c + size);
      if (shape_.row_scales) prefetch_value_scales(c, c + size);
    }
  }

  /// Adds the values times their probabilities to `acc`, [row][width].
  template <class S, class D>
  void add_values(const ItemRows& rows, float* acc, int64_t width) {
    const int64_t size = slab(shape_.head_size_v);
    for (int64_t c = begin(); c < last_; c += size) {
      if (c + size < last_)
        list_prefetch(values_, value_head_stride_, tile_ + c + size, size);
      else
        list_prefetch(keys_, key_head_stride_, tile_ + shape_.tile_keys, slab(shape_.head_size_qk));
      add_slab<S, D>(rows, acc, width, c, c + size);
    }
  }
#endif

 private:
  static constexpr int64_t kMaxTile = cpu::kMaxTileKeys, kMaxPrefetch = 2 * kMaxTile;

  static float scale_of_row(const char* row, int64_t size) {
    return row_scale(reinterpret_cast<const uint8_t*>(row), size);
  }
  void prefetch_value_scales(int64_t begin, int64_t end) const {
    for (int64_t c = begin < first_ ? first_ : begin; c < end && c < last_; ++c)
      for (int64_t h = 0; h < heads_; ++h)
        __builtin_prefetch(row_values_[c] + h * value_head_stride_ + shape_.head_size_v, 0, 2);
  }

  int64_t begin() const { return first_ / kGranule * kGranule; }

  /// Columns of `size` numbers for all the item's heads that the cache holds twice: those in use, and those that are
  /// prefetched. Two granules at least, where they fit the list of what to prefetch.
  int64_t slab(int64_t size) const {
    const int64_t columns = shape_.tuning.slab_bytes / (heads_ * size * element_) / kGranule * kGranule;
    const int64_t most = kMaxTile < kMaxPrefetch / heads_ ? kMaxTile : kMaxPrefetch / heads_ / kGranule * kGranule;
    const int64_t enough = columns < 2 * kGranule ? 2 * kGranule : columns;
    return enough < most ? enough : most;
  }

#if defined(ATTNRT_KERNEL_AVX512)
  template <class S, class D>
  void score_slab(const ItemRows& rows, int64_t sum_block, int64_t begin, int64_t end) {
    const char* keys[2 * kGranule];
    InPlaceScoreOperands<D> k;
    k.lda = k.dims = shape_.head_size_qk;
    k.sum_block = sum_block;
    k.ldc = shape_.tile_keys;
    k.rows = keys;
    for (int i = 0, together; i < rows.num_strips(); i += together) {
      const Strip& strip = rows.strip(i);
      k.slice = slice(rows, i);
      together = k.slice.count;
      const int64_t to = strip.end < end ? strip.end : end;
      for (int64_t c = strip.begin > begin ? strip.begin : begin, count; c < to; c += count) {
        count = to - c > kGranule ? 2 * kGranule : kGranule;
        head_rows(row_keys_ + c, c, count, strip.kv_head * key_head_stride_, keys);
        k.prefetch = prefetch_ + strip.kv_head * (end - begin) + c - begin;
        const auto multiply = [&](int row, int num_rows) __attribute__((always_inline)) {
          k.a = reinterpret_cast<const typename D::A*>(at_.q) + row * shape_.head_size_qk;
          k.c = at_.scores + row * shape_.tile_keys + c;
          InPlaceTiles<S, D>::scores(k, num_rows, static_cast<int>(count / kGranule));
        };
        if (together == 2 && count == 2 * kGranule) {
          multiply(strip.row, strip.rows + rows.strip(i + 1).rows);
          continue;
        }
        for (int j = i; j < i + together; ++j) multiply(rows.strip(j).row, rows.strip(j).rows);
      }
    }
  }

  /// The strips that are multiplied together from strip i on: one, or two of a KV head that see the same keys.
  RowSlice slice(const ItemRows& rows, int i) const {
    const int slices = rows.num_strips() / static_cast<int>(heads_);
    const Strip& strip = rows.strip(i);
    const bool has_next = i % slices + 1 < slices;
    const bool two = has_next && rows.strip(i + 1).begin == strip.begin && rows.strip(i + 1).end == strip.end;
    return {i % slices, two ? 2 : 1, slices};
  }

  template <class S, class D>
  void add_slab(const ItemRows& rows, float* acc, int64_t width, int64_t begin, int64_t end) {
    static constexpr float kOnes[kInPlaceTileRows] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    constexpr int64_t kStep = kInPlaceStep<S, D>;
    const char* values[kMaxTile + kStep];
    InPlaceValueOperands<D> v;
    v.lda = shape_.tile_keys * 4 / static_cast<int64_t>(sizeof(typename D::A));
    v.dims = shape_.head_size_v;
    v.ldc = width;
    v.rows = values;
    for (int i = 0, together; i < rows.num_strips(); i += together) {
      const Strip& strip = rows.strip(i);
      v.slice = slice(rows, i);
      together = v.slice.count;
      const int64_t from = strip.begin > begin ? strip.begin : begin, to = strip.end < end ? strip.end : end;
      if (from >= to) continue;
      v.columns = to - from;
      head_rows(row_values_ + from, from, (v.columns + kStep - 1) / kStep * kStep, strip.kv_head * value_head_stride_,
                values);
      v.prefetch = prefetch_ + strip.kv_head * (end - begin) + from - begin;
      const auto multiply = [&](int row, int num_rows, int64_t vectors) __attribute__((always_inline)) {
        v.a = reinterpret_cast<const typename D::A*>(at_.scores) + row * v.lda + from;
        v.c = acc + row * width + v.dim;
        v.factors = from == strip.begin ? at_.factors + row : kOnes;
        InPlaceTiles<S, D>::values(v, num_rows, vectors);
      };
      int64_t vectors = 0;
      for (v.dim = 0; v.dim < width; v.dim += vectors * kLanes) {
        vectors = (width - v.dim) / kLanes;
        if (together == 1) {
          vectors = vectors < 4 ? vectors : 4;
          multiply(strip.row, strip.rows, vectors);
        } else if (vectors >= 2) {
          vectors = 2;
          multiply(strip.row, strip.rows + rows.strip(i + 1).rows, 2);
        } else {
          for (int j = i; j < i + 2; ++j) multiply(rows.strip(j).row, rows.strip(j).rows, 1);
        }
      }
    }
  }
#endif

  void head_rows(const char* const* base, int64_t column, int64_t count, int64_t offset, const char** rows) const {
    if (column >= first_ && column + count <= last_) {
      for (int64_t i = 0; i < count; ++i) rows[i] = base[i] + offset;
      return;
    }
    for (int64_t i = 0; i < count; ++i)
      rows[i] = column + i >= first_ && column + i < last_ ? base[i] + offset : zero();
  }
  const char* zero() const { return reinterpret_cast<const char*>(at_.zero); }

  /// Rows of `count` keys from a position on, to prefetch while others are in use: place head * slab + column. Engines
  /// lay out the heads of a token side by side (NHD), or the tokens of a head (HND).
  void list_prefetch(const KvWalk<char>& walk, int64_t head_stride, int64_t from, int64_t count) {
    const char* rows[kMaxTile];
    const int64_t known = last_key_ - from < count ? last_key_ - from : count;
    if (known > 0) walk.rows(from, from + known, rows);
    const char** to = prefetch_;
    if (head_stride < walk.slot_stride) {
      for (int64_t i = 0; i < known; ++i)
        for (int64_t h = 0; h < heads_; ++h) *to++ = rows[i] + h * head_stride;
    } else {
      for (int64_t h = 0; h < heads_; ++h)
        for (int64_t i = 0; i < known; ++i) *to++ = rows[i] + h * head_stride;
    }
    // Chunks of keys and of values differ where K and V have different widths; a last step of values may be whole where
    // its rows are not.
    const int64_t keys = slab(shape_.head_size_qk), values = slab(shape_.head_size_v);
    while (to < prefetch_ + heads_ * (keys > values ? keys : values) + kGranule) *to++ = zero();
  }

  const cpu::AttentionShape& shape_;
  const PanelScratch& at_;
  const int64_t heads_;
  const int64_t last_key_;
  int64_t element_ = 0;  ///< bytes
  KvWalk<char> keys_{}, values_{};
  int64_t key_head_stride_ = 0, value_head_stride_ = 0;
  int64_t tile_ = 0, first_ = 0, last_ = 0;  ///< columns [first_, last_) of the tile are keys
  const char *row_keys_[kMaxTile + kGranule], *row_values_[kMaxTile + kGranule];
  const char* prefetch_[kMaxPrefetch + kGranule];
};

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
