// SPDX-License-Identifier: Apache-2.0
//
// panel_product.hpp: the products of an item's strips of rows with the panels of a tile: scores with its keys, sums of
// its values, by the register tiles that fit, which ask for memory meanwhile (panel_tile.hpp).
#ifndef ATTNRT_CPU_ATTN_PANEL_PRODUCT_HPP
#define ATTNRT_CPU_ATTN_PANEL_PRODUCT_HPP
#include <cstdint>

#include "../../kernel/panel_tile.hpp"
#include "attention.hpp"
#include "item_rows.hpp"
#include "panel_scratch.hpp"
#include "panel_source.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

template <class S, class Packed, class Direct>
class SideStream;

/// Dims that fp32 scores sum at a time: short sums err less than one long one.
constexpr int64_t kPieceDims = 64;

/// S: as stored; Packed: the dot over packed rows; Direct: over native pages. D: the dot of a product.
template <class S, class Packed, class Direct>
class PanelProducts {
 public:
  /// Refers to all of them. `side`: whose lines the tiles ask for, NULL = none.
  PanelProducts(const cpu::AttentionShape& shape, const PanelScratch& at, const ItemRows& rows,
                const PanelSource<S, Packed>& source, SideStream<S, Packed, Direct>* side)
      : shape_(shape), at_(at), rows_(rows), source_(source), side_(side), width_(source.packed().padded_v()) {}

  /// Scores of all strips with the keys that the source found.
  template <class D, Ahead Mode>
  void score(const PanelLayout& layout) const {
    constexpr bool kAsks = Mode == Ahead::kStream || Mode == Ahead::kNear;
    ScoreOperands<D> t;
    t.lda = layout.head_size_qk;
    t.step_bytes = layout.key_step();
    t.steps = layout.head_size_qk / D::kPair;
    t.piece = sizeof(S) == 4 ? kPieceDims / D::kPair : t.steps;
    t.ldc = shape_.tile_keys;
    t.pieces = nullptr;
    t.num_pieces = 0;
    [[maybe_unused]] int64_t next_piece = 0;
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
          t.ahead[j] = kAsks ? source_.fetch(c) + c % kGranule * D::kPair * D::kBytes : nullptr;
        }
        if (Mode == Ahead::kPieces && i == 0) {
          t.pieces = source_.pieces() + next_piece;
          t.num_pieces = source_.num_pieces() - next_piece < t.steps ? source_.num_pieces() - next_piece : t.steps;
          next_piece += t.num_pieces;
        }
        const int64_t vectors = (to - from) / kLanes;
        if constexpr (Mode == Ahead::kStream && kMayHalve<D>)
          if (halves<D>(vectors)) {
            if (i == 1)
              for (int j = 0; j < kTileVectors / 2; ++j) t.ahead[j] = t.ahead[j + kTileVectors / 2];
            HalfTiles<D>::scores(t, strip.rows);
            continue;
          }
        if (Mode != Ahead::kNothing && i == 0)
          PanelTiles<D, Mode>::scores(t, strip.rows, vectors);
        else if (trickles<D>(strip.rows, vectors) && side_->lines(t.steps, t.trickle))
          TrickleTiles<D>::scores(t, strip.rows);
        else
          PanelTiles<D, Ahead::kNothing>::scores(t, strip.rows, vectors);
      }
  }

  /// A value panel of `dims` dims. find_runs(begin, end, runs): its steps for those columns.
  template <class D, Ahead Mode, class FindRuns>
  void add_values(int64_t panel, int64_t step_bytes, int64_t dims, FindRuns&& find_runs) const {
    ValueRun runs[cpu::kMaxTileKeys / kGranule + 1];
    ValueOperands<D> t;
    t.lda = shape_.tile_keys * 4 / static_cast<int64_t>(sizeof(typename D::A));
    t.step_bytes = step_bytes;
    t.ldc = width_;
    t.runs = runs;
    int64_t begin = -1, end = -1;
    for (int i = 0; i < rows_.num_strips(); ++i) {
      const Strip& strip = rows_.strip(i);
      if (strip.begin >= strip.end) continue;
      if (strip.begin != begin || strip.end != end) {
        begin = strip.begin;
        end = strip.end;
        t.num_runs = find_runs(begin, end, runs);
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
        if constexpr (Mode == Ahead::kStream && kMayHalve<D>)
          if (halves<D>(vectors)) {
            t.half = i * kTileColumns * D::kPair * D::kBytes / 2;
            HalfTiles<D>::values(t, strip.rows);
            continue;
          }
        if ((Mode == Ahead::kStream || Mode == Ahead::kNear) && i == 0)
          PanelTiles<D, Mode>::values(t, strip.rows, vectors);
        else if (trickles<D>(strip.rows, vectors) && side_->lines((end - begin) / D::kPair, t.trickle))
          TrickleTiles<D>::values(t, strip.rows);
        else
          PanelTiles<D, Ahead::kNothing>::values(t, strip.rows, vectors);
      }
    }
  }

 private:
  /// Do two strips that see the same keys ask for half a stream each?
  template <class D>
  bool halves(int64_t vectors) const {
    if (rows_.num_strips() != 2) return false;
    const Strip &a = rows_.strip(0), &b = rows_.strip(1);
    return a.begin == b.begin && a.end == b.end && HalfTiles<D>::has(b.rows, vectors);
  }
  template <class D>
  bool trickles(int rows, int64_t vectors) const {
    return side_ && TrickleTiles<D>::has(rows, vectors);
  }

  const cpu::AttentionShape& shape_;
  const PanelScratch& at_;
  const ItemRows& rows_;
  const PanelSource<S, Packed>& source_;
  SideStream<S, Packed, Direct>* const side_;
  const int64_t width_;  ///< of a row of sums
};

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
