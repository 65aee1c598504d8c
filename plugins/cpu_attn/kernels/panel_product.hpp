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
#include "seen_values.hpp"

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
                const PanelSource<S, Packed>& source, SideStream<S, Packed, Direct>* side, Pass pass)
      : shape_(shape),
        at_(at),
        rows_(rows),
        source_(source),
        side_(side),
        width_(source.packed().padded_v()),
        pass_(pass) {}

  /// May its strips ask for what another item reads?
  bool hosts() const { return side_ != nullptr; }

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
    const bool even = Mode == Ahead::kStream && shares();
    Share share[kMostShares];
    if (even) t.share_step = cut_shares<D>(t.steps, share);
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
        if constexpr (Mode == Ahead::kStream && kMayShare)
          if (even && ShareTiles<D>::has(strip.rows, vectors)) {
            for (int j = 0; j < 2; ++j)
              t.share[j] = share_line<D>(layout, from + share[i].column[j], t.steps, share[i].at[j]);
            t.share_turn = share[i].turn;
            ShareTiles<D>::scores(t, strip.rows);
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
    if (pass_ != Pass::kPlain && !rows_.sees_all()) return add_seen<D>(panel, step_bytes, dims, find_runs);
    ValueRun runs[cpu::kMaxTileKeys / kGranule + 1];
    ValueOperands<D> t;
    t.lda = shape_.tile_keys * 4 / static_cast<int64_t>(sizeof(typename D::A));
    t.step_bytes = step_bytes;
    t.ldc = width_;
    t.runs = runs;
    int64_t begin = -1, end = -1;
    const bool even = Mode == Ahead::kStream && shares();
    const int64_t tiles = dims / kTileColumns, parts = rows_.num_strips() * tiles;
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
        if constexpr (Mode == Ahead::kStream && kMayShare)
          if (even && ShareTiles<D>::has(strip.rows, vectors)) {
            t.share = step_bytes * (i * tiles + column / kTileColumns) / parts;
            t.share_step = (step_bytes + parts - 1) / parts;
            ShareTiles<D>::values(t, strip.rows);
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
  /// The same, row by row, of the values that each sees.
  template <class D, class FindRuns>
  [[gnu::noinline]] void add_seen(int64_t panel, int64_t step_bytes, int64_t dims, FindRuns& find_runs) const {
    SeenValues<D> values{step_bytes, dims, width_, at_.part.acc + panel * kPanelWidth,
                         shape_.tile_keys * 4 / static_cast<int64_t>(sizeof(typename D::A))};
    for (int i = 0; i < rows_.num_strips(); ++i) {
      const Strip& strip = rows_.strip(i);
      for (int row = strip.row; row < strip.row + strip.rows && strip.begin < strip.end; ++row) {
        const MaskedColumns& seen = rows_.columns(row);
        if (seen.begin >= seen.end) continue;
        if (seen.holes)
          rows_.mask().fill(rows_.query(row), rows_.head(row), rows_.tile(), seen.begin, seen.end, at_.bias);
        values.add(reinterpret_cast<const typename D::A*>(at_.scores), row, at_.factors[row], strip.begin, strip.end,
                   [&](int64_t c) {
                     return c >= seen.begin && c < seen.end && !(seen.holes && at_.bias[c] == RowMask::kHides);
                   },
                   find_runs);
      }
    }
  }

  /// With more strips products take most of the time; more were not measured to gain.
  static constexpr int kMostShares = 12;
  static constexpr bool kMayShare = kStripRows == kTileRows;
  static_assert(kTileColumns % kGranule == 0);

  /// What a strip asks for while its scores with a tile of columns are computed, of the values of the columns'
  /// granules, one after the other: from byte at[0] of the granule at column[0] on, after `turn` steps from the second.
  struct Share {
    int64_t column[2], at[2], turn;
  };

  /// Does each strip ask for a share of the stream? They see the same keys then, and ask for no other item's.
  bool shares() const {
    const int n = rows_.num_strips();
    if (!kMayShare || side_ || n > kMostShares || (kTileColumns == kPanelWidth && n == 1)) return false;
    for (int i = 1; i < n; ++i)
      if (rows_.strip(i).begin != rows_.strip(0).begin || rows_.strip(i).end != rows_.strip(0).end) return false;
    return true;
  }
  /// Bytes of a granule's keys in a step.
  template <class D>
  static constexpr int64_t kGranuleStep = kGranule * D::kPair * D::kBytes;

  /// One for each strip; returns the bytes of it for each step.
  template <class D>
  int64_t cut_shares(int64_t steps, Share* to) const {
    const int64_t n = rows_.num_strips(), granule = steps * kGranuleStep<D>, all = kTileColumns / kGranule * granule;
    const int64_t step = (all / steps + n - 1) / n;
    for (int64_t i = 0; i < n; ++i) {
      const int64_t begin = i * all / n, at = begin % granule, column = begin / granule * kGranule;
      const bool turns = begin + granule - at < all;
      to[i] = {{column, turns ? column + kGranule : column}, {at, 0}, (granule - at + step - 1) / step};
    }
    return step;
  }
  /// Granules of a panel follow each other in its steps: there their parts are cut out of the panel as a whole.
  template <class D>
  const char* share_line(const PanelLayout& layout, int64_t column, int64_t steps, int64_t at) const {
    const char* values = source_.fetch(column);
    if (layout.key_width() == kPanelWidth) at += column % kPanelWidth / kGranule * (steps - 1) * kGranuleStep<D>;
    return values + at;
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
  const Pass pass_;
};

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
