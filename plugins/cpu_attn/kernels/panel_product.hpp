// SPDX-License-Identifier: Apache-2.0
//
// panel_product.hpp: the products of an item's strips of rows with the panels of a tile: scores with its keys, sums of
// its values, by the register tiles that fit, which prefetch meanwhile (panel_tile.hpp).
#ifndef ATTNRT_CPU_ATTN_PANEL_PRODUCT_HPP
#define ATTNRT_CPU_ATTN_PANEL_PRODUCT_HPP
#include <cstdint>

#include "../simd/panel_tile.hpp"
#include "attention.hpp"
#include "item_rows.hpp"
#include "panel_scratch.hpp"
#include "panel_source.hpp"
#include "visible_values.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

template <class S, class Packed, class Direct>
class DecodeOverlap;

/// S: as stored; Packed: the dot over packed rows; Direct: over native pages. D: the dot of a product.
template <class S, class Packed, class Direct>
class PanelProducts {
 public:
  /// Refers to all of them. `overlap`: whose lines the tiles prefetch, NULL = none.
  PanelProducts(const cpu::AttentionShape& shape, const PanelScratch& at, const ItemRows& rows,
                const PanelSource<S, Packed>& source, DecodeOverlap<S, Packed, Direct>* overlap, Pass pass)
      : shape_(shape),
        at_(at),
        rows_(rows),
        source_(source),
        overlap_(overlap),
        width_(source.packed().padded_v()),
        pass_(pass) {}

  /// May its strips prefetch what a decode item reads?
  bool overlaps_decode() const { return overlap_ != nullptr; }

  /// Scores of all strips with the keys that the source found.
  template <class D, Prefetch Mode>
  void score(const PanelLayout& layout) const {
    constexpr bool kPrefetches = Mode == Prefetch::kNextTile || Mode == Prefetch::kNextPage;
    ScoreOperands<D> t;
    t.lda = layout.head_size_qk;
    t.step_bytes = layout.key_step();
    t.steps = layout.head_size_qk / D::kPair;
    t.sum_block = sizeof(S) == 4 ? cpu::kSumBlockDims / D::kPair : t.steps;
    t.ldc = shape_.tile_keys;
    t.bursts = nullptr;
    t.num_bursts = 0;
    const bool sliced = Mode == Prefetch::kNextTile && slices_prefetch();
    PrefetchSlice slice[kMaxSlices];
    if (sliced) t.slice_step = cut_slices<D>(t.steps, slice);
    [[maybe_unused]] int64_t next_burst = 0;
    for (int64_t column = 0; column < shape_.tile_keys; column += kTileColumns)
      for (int i = 0; i < rows_.num_strips(); ++i) {
        const Strip& strip = rows_.strip(i);
        const int64_t high = (strip.end + kGranule - 1) / kGranule * kGranule;
        const int64_t from = strip.begin > column ? strip.begin : column;
        const int64_t to = high < column + kTileColumns ? high : column + kTileColumns;
        if (from >= to) continue;
        t.a = reinterpret_cast<const typename D::A*>(at_.q) + strip.row * layout.head_size_qk;
        t.c = at_.scores + strip.row * shape_.tile_keys + from;
        for (int64_t c = from, j = 0; c < to; c += kLanes, ++j) {
          t.b[j] = source_.keys(c) + c % kGranule * D::kPair * D::kBytes;
          t.prefetch[j] = kPrefetches ? source_.prefetch(c) + c % kGranule * D::kPair * D::kBytes : nullptr;
        }
        if (Mode == Prefetch::kBursts && i == 0) {
          t.bursts = source_.bursts() + next_burst;
          t.num_bursts = source_.num_bursts() - next_burst < t.steps ? source_.num_bursts() - next_burst : t.steps;
          next_burst += t.num_bursts;
        }
        const int64_t vectors = (to - from) / kLanes;
        if constexpr (Mode == Prefetch::kNextTile && kSlices)
          if (sliced && SliceTiles<D>::has(strip.rows, vectors)) {
            for (int j = 0; j < 2; ++j)
              t.slice[j] = slice_line<D>(layout, from + slice[i].column[j], t.steps, slice[i].at[j]);
            t.slice_switch = slice[i].switch_at;
            SliceTiles<D>::scores(t, strip.rows);
            continue;
          }
        if (Mode != Prefetch::kNone && i == 0)
          PanelTiles<D, Mode>::scores(t, strip.rows, vectors);
        else if (overlaps<D>(strip.rows, vectors) && overlap_->lines(t.steps, t.decode_lines))
          OverlapTiles<D>::scores(t, strip.rows);
        else
          PanelTiles<D, Prefetch::kNone>::scores(t, strip.rows, vectors);
      }
  }

  /// A value panel of `dims` dims. find_segments(begin, end, segments): its steps for those columns.
  template <class D, Prefetch Mode, class FindSegments>
  void add_values(int64_t panel, int64_t step_bytes, int64_t dims, FindSegments&& find_segments) const {
    if (pass_ != Pass::kPlain && !rows_.sees_all()) return add_seen<D>(panel, step_bytes, dims, find_segments);
    ValueSegment segments[cpu::kMaxTileKeys / kGranule + 1];
    ValueOperands<D> t;
    t.lda = shape_.tile_keys * 4 / static_cast<int64_t>(sizeof(typename D::A));
    t.step_bytes = step_bytes;
    t.ldc = width_;
    t.segments = segments;
    int64_t begin = -1, end = -1;
    const bool sliced = Mode == Prefetch::kNextTile && slices_prefetch();
    const int64_t tiles = dims / kTileColumns, parts = rows_.num_strips() * tiles;
    for (int i = 0; i < rows_.num_strips(); ++i) {
      const Strip& strip = rows_.strip(i);
      if (strip.begin >= strip.end) continue;
      if (strip.begin != begin || strip.end != end) {
        begin = strip.begin;
        end = strip.end;
        t.num_segments = find_segments(begin, end, segments);
      }
      t.column = begin;
      t.a = reinterpret_cast<const typename D::A*>(at_.scores) + strip.row * t.lda + begin;
      t.factors = at_.factors + strip.row;
      float* c = at_.part.acc + strip.row * width_ + panel * kPanelWidth;
      for (int64_t column = 0; column < dims; column += kTileColumns) {
        const int64_t rest = dims - column;
        t.c = c + column;
        t.offset = column * D::kPair * D::kBytes;
        const int64_t vectors = (rest < kTileColumns ? rest : kTileColumns) / kLanes;
        if constexpr (Mode == Prefetch::kNextTile && kSlices)
          if (sliced && SliceTiles<D>::has(strip.rows, vectors)) {
            t.slice = step_bytes * (i * tiles + column / kTileColumns) / parts;
            t.slice_step = (step_bytes + parts - 1) / parts;
            SliceTiles<D>::values(t, strip.rows);
            continue;
          }
        if ((Mode == Prefetch::kNextTile || Mode == Prefetch::kNextPage) && i == 0)
          PanelTiles<D, Mode>::values(t, strip.rows, vectors);
        else if (overlaps<D>(strip.rows, vectors) && overlap_->lines((end - begin) / D::kPair, t.decode_lines))
          OverlapTiles<D>::values(t, strip.rows);
        else
          PanelTiles<D, Prefetch::kNone>::values(t, strip.rows, vectors);
      }
    }
  }

 private:
  /// The same, row by row, of the values that each sees.
  template <class D, class FindSegments>
  [[gnu::noinline]] void add_seen(int64_t panel, int64_t step_bytes, int64_t dims, FindSegments& find_segments) const {
    VisibleValues<D> values{step_bytes, dims, width_, at_.part.acc + panel * kPanelWidth,
                            shape_.tile_keys * 4 / static_cast<int64_t>(sizeof(typename D::A))};
    for (int i = 0; i < rows_.num_strips(); ++i) {
      const Strip& strip = rows_.strip(i);
      for (int row = strip.row; row < strip.row + strip.rows && strip.begin < strip.end; ++row) {
        const MaskedColumns& seen = rows_.columns(row);
        if (seen.begin >= seen.end) continue;
        if (seen.holes)
          rows_.mask().fill(rows_.query(row), rows_.head(row), rows_.tile(), seen.begin, seen.end, at_.bias);
        values.add(
            reinterpret_cast<const typename D::A*>(at_.scores), row, at_.factors[row], strip.begin, strip.end,
            [&](int64_t c) {
              return c >= seen.begin && c < seen.end && !(seen.holes && at_.bias[c] == RowMask::kHides);
            },
            find_segments);
      }
    }
  }

  static constexpr int kMaxSlices = cpu::kMaxSlices;
  static constexpr bool kSlices = kStripRows == kTileRows;
  static_assert(kTileColumns % kGranule == 0);

  /// What a strip prefetches while its scores with a tile of columns are computed, of the values of the columns'
  /// granules, one after the other: from byte at[0] of the granule at column[0] on, after `switch_at` steps from the
  /// second.
  struct PrefetchSlice {
    int64_t column[2], at[2], switch_at;
  };

  /// Does each strip prefetch a slice of the next tile? They see the same keys then, and prefetch for no other item.
  bool slices_prefetch() const {
    const int n = rows_.num_strips();
    if (!kSlices || overlap_ || n > kMaxSlices || (kTileColumns == kPanelWidth && n == 1)) return false;
    for (int i = 1; i < n; ++i)
      if (rows_.strip(i).begin != rows_.strip(0).begin || rows_.strip(i).end != rows_.strip(0).end) return false;
    return true;
  }
  /// Bytes of a granule's keys in a step.
  template <class D>
  static constexpr int64_t kGranuleStep = kGranule* D::kPair* D::kBytes;

  /// One for each strip; returns the bytes of it for each step.
  template <class D>
  int64_t cut_slices(int64_t steps, PrefetchSlice* to) const {
    const int64_t n = rows_.num_strips(), granule = steps * kGranuleStep<D>, all = kTileColumns / kGranule * granule;
    const int64_t step = (all / steps + n - 1) / n;
    for (int64_t i = 0; i < n; ++i) {
      const int64_t begin = i * all / n, at = begin % granule, column = begin / granule * kGranule;
      const bool continues = begin + granule - at < all;
      to[i] = {{column, continues ? column + kGranule : column}, {at, 0}, (granule - at + step - 1) / step};
    }
    return step;
  }
  /// Granules of a panel follow each other in its steps: there their parts are cut out of the panel as a whole.
  template <class D>
  const char* slice_line(const PanelLayout& layout, int64_t column, int64_t steps, int64_t at) const {
    const char* values = source_.prefetch(column);
    if (layout.key_width() == kPanelWidth) at += column % kPanelWidth / kGranule * (steps - 1) * kGranuleStep<D>;
    return values + at;
  }
  template <class D>
  bool overlaps(int rows, int64_t vectors) const {
    return overlap_ && OverlapTiles<D>::has(rows, vectors);
  }

  const cpu::AttentionShape& shape_;
  const PanelScratch& at_;
  const ItemRows& rows_;
  const PanelSource<S, Packed>& source_;
  DecodeOverlap<S, Packed, Direct>* const overlap_;
  const int64_t width_;  ///< of a row of sums
  const Pass pass_;
};

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
