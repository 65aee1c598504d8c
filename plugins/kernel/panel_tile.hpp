// SPDX-License-Identifier: Apache-2.0
//
// panel_tile.hpp: register tiles over packed panels: dot products of a few queries with up to 64 keys, and weighted
// sums of values for a few queries and up to 64 dims. Where a stream of pages comes from memory (decode), each step
// asks for as many lines of what comes next as it reads, of several strips each for a share of them: a burst at the
// start of a page gains nothing, and after one of the first strip memory would stand still while the others compute.
#ifndef ATTNRT_KERNEL_PANEL_TILE_HPP
#define ATTNRT_KERNEL_PANEL_TILE_HPP
#include <cstdint>
#include <utility>

#include "dot.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

/// Columns of a register tile.
constexpr int64_t kTileColumns = kTileVectors * kLanes;

/// Columns of weights that a step of values multiplies: up to a multiple of them, weights beside what is seen are 0.
template <class D>
constexpr int64_t kStepColumns = D::kPair;

/// What a tile asks for meanwhile: nothing; a stream that goes along with B, into the second cache; one that is used
/// next, into the first; a share of a stream, whose lines are asked for one after the other, as memory has them; pieces
/// of four lines, one a step, for later; a line or less a step, for another item.
enum class Ahead { kNothing, kStream, kNear, kShare, kPieces, kTrickle };
constexpr int64_t kLineBytes = 64;

/// Lines that another item reads later: each step asks for that at `begin` and goes on by `step_bytes`, at most
/// kLineBytes. A burst of lines would keep the tile's own from coming.
struct Trickle {
  const char* begin;
  int64_t step_bytes;
};
constexpr int64_t kPieceBytes = 256;

/// Scores: C = A B. b[j]: vector j of the first step; ahead[j]: of the stream beside it.
template <class D>
struct ScoreOperands {
  const typename D::A* a;
  int64_t lda;
  const char* b[kTileVectors];
  const char* ahead[kTileVectors];
  const char* share[2];  ///< the lines of a share: up to two pieces
  int64_t share_turn;    ///< steps before the second piece
  int64_t share_step;    ///< bytes of it for each step
  const char* const* pieces;
  int64_t num_pieces;
  Trickle trickle;
  int64_t step_bytes;
  int64_t steps;
  int64_t piece;  ///< steps that are summed from zero before they are added to C
  float* c;
  int64_t ldc;
};

/// A run of steps whose panel rows follow each other in memory.
struct ValueRun {
  const char* b;
  const char* ahead;
  int64_t steps;
};

/// Values: C = factor of the row * C + A B over all runs; the columns of A follow each other through them.
template <class D>
struct ValueOperands {
  const typename D::A* a;
  int64_t lda;
  int64_t column;  ///< of the tile of keys, the first of A
  const ValueRun* runs;
  int64_t num_runs;
  Trickle trickle;
  int64_t offset;      ///< bytes of a step before the columns of the tile
  int64_t share;       ///< bytes before the share for each step of a run
  int64_t share_step;  ///< bytes of it for each step
  int64_t step_bytes;
  float* c;
  int64_t ldc;
  const float* factors;
};

/// The lines that a step asks for of a share.
template <class D, int Vectors>
ATTNRT_KERNEL_INLINE void ask_share(const char* line) {
  constexpr int64_t kBytes = Vectors * kLanes * D::kPair * D::kBytes / 2;
  ATTNRT_KERNEL_UNROLL
  for (int64_t at = 0; at < kBytes; at += kLineBytes) __builtin_prefetch(line + at, 0, 2);
}

template <class D, int Rows, int Vectors, Ahead Mode>
ATTNRT_KERNEL_INLINE void score_tile(const ScoreOperands<D>& t) {
  const typename D::A* a = t.a;
  const char* b[Vectors];
  const char* ahead[Vectors];
  ATTNRT_KERNEL_UNROLL
  for (int j = 0; j < Vectors; ++j) b[j] = t.b[j], ahead[j] = t.ahead[j];
  [[maybe_unused]] const char* const* next = t.pieces;
  [[maybe_unused]] const char* const* last_piece = t.pieces + t.num_pieces;
  [[maybe_unused]] const char* line = Mode == Ahead::kShare ? t.share[0] : t.trickle.begin;
  [[maybe_unused]] const int64_t turn = Mode == Ahead::kShare ? t.share_turn * t.step_bytes : 0;
  const int64_t end = t.steps * t.step_bytes, piece = t.piece * t.step_bytes;
  for (int64_t at = 0; at < end;) {
    Vec acc[Rows][Vectors];
    ATTNRT_KERNEL_UNROLL
    for (int i = 0; i < Rows; ++i)
      ATTNRT_KERNEL_UNROLL
      for (int j = 0; j < Vectors; ++j) acc[i][j] = Vec{};
    const bool first = at == 0;
    const int64_t stop = end - at < piece ? end : at + piece;
    for (; at < stop; at += t.step_bytes, a += D::kPair) {
      if constexpr (Mode == Ahead::kStream || Mode == Ahead::kNear)
        ATTNRT_KERNEL_UNROLL
        for (int j = 0; j < Vectors; ++j) __builtin_prefetch(ahead[j] + at, 0, Mode == Ahead::kNear ? 3 : 2);
      if constexpr (Mode == Ahead::kShare) {
        if (at == turn) line = t.share[1];
        ask_share<D, Vectors>(line);
        line += t.share_step;
      }
      if constexpr (Mode == Ahead::kPieces)
        if (next < last_piece) {
          ATTNRT_KERNEL_UNROLL
          for (int64_t offset = 0; offset < kPieceBytes; offset += kLineBytes) __builtin_prefetch(*next + offset, 0, 2);
          ++next;
        }
      if constexpr (Mode == Ahead::kTrickle) {
        __builtin_prefetch(line, 0, 2);
        line += t.trickle.step_bytes;
      }
      D::template step<Rows, Vectors>(acc, a, t.lda, b, at);
    }
    float* c = t.c;
    if (first) {
      ATTNRT_KERNEL_UNROLL
      for (int i = 0; i < Rows; ++i, c += t.ldc)
        ATTNRT_KERNEL_UNROLL
        for (int j = 0; j < Vectors; ++j) store(c + j * kLanes, acc[i][j]);
    } else {
      ATTNRT_KERNEL_UNROLL
      for (int i = 0; i < Rows; ++i, c += t.ldc)
        ATTNRT_KERNEL_UNROLL
        for (int j = 0; j < Vectors; ++j) store(c + j * kLanes, load(c + j * kLanes) + acc[i][j]);
    }
  }
}

template <class D, int Rows, int Vectors, Ahead Mode>
ATTNRT_KERNEL_INLINE void value_tile(const ValueOperands<D>& t) {
  Vec acc[Rows][Vectors];
  ATTNRT_KERNEL_UNROLL
  for (int i = 0; i < Rows; ++i)
    ATTNRT_KERNEL_UNROLL
    for (int j = 0; j < Vectors; ++j)
      acc[i][j] = load(t.c + i * t.ldc + j * kLanes) * broadcast(t.factors[i]);
  const typename D::A* a = t.a;
  [[maybe_unused]] const char* line = t.trickle.begin;
  constexpr int64_t kVectorBytes = kLanes * D::kPair * D::kBytes;
  for (const ValueRun* run = t.runs; run < t.runs + t.num_runs; ++run) {
    const char* b[Vectors];
    ATTNRT_KERNEL_UNROLL
    for (int j = 0; j < Vectors; ++j) b[j] = run->b + t.offset + j * kVectorBytes;
    const int64_t end = run->steps * t.step_bytes;
    if constexpr (Mode == Ahead::kShare) line = run->ahead + run->steps * t.share;
    for (int64_t at = 0; at < end; at += t.step_bytes, a += D::kPair) {
      if constexpr (Mode == Ahead::kStream || Mode == Ahead::kNear)
        ATTNRT_KERNEL_UNROLL
        for (int64_t next = 0; next < Vectors * kVectorBytes; next += kLineBytes)
          __builtin_prefetch(run->ahead + t.offset + at + next, 0, Mode == Ahead::kNear ? 3 : 2);
      if constexpr (Mode == Ahead::kShare) {
        ask_share<D, Vectors>(line);
        line += t.share_step;
      }
      if constexpr (Mode == Ahead::kTrickle) {
        __builtin_prefetch(line, 0, 2);
        line += t.trickle.step_bytes;
      }
      D::template step<Rows, Vectors>(acc, a, t.lda, b, at);
    }
  }
  ATTNRT_KERNEL_UNROLL
  for (int i = 0; i < Rows; ++i)
    ATTNRT_KERNEL_UNROLL
    for (int j = 0; j < Vectors; ++j) store(t.c + i * t.ldc + j * kLanes, acc[i][j]);
}

/// A function for each shape: 1 to kTileRows rows x 1 to kTileVectors vectors.
template <class D, Ahead Mode>
struct PanelTiles {
  using ScoreFn = void (*)(const ScoreOperands<D>&);
  using ValueFn = void (*)(const ValueOperands<D>&);

  template <int Rows, int Vectors>
  static void scores_of(const ScoreOperands<D>& t) { score_tile<D, Rows, Vectors, Mode>(t); }
  template <int Rows, int Vectors>
  static void values_of(const ValueOperands<D>& t) { value_tile<D, Rows, Vectors, Mode>(t); }

#define ATTNRT_KERNEL_ROWS(f, vectors) \
  { &f<1, vectors>, &f<2, vectors>, &f<3, vectors>, &f<4, vectors>, &f<5, vectors>, &f<6, vectors> }
#if defined(ATTNRT_KERNEL_AVX512)
#define ATTNRT_KERNEL_SHAPES(f) \
  { ATTNRT_KERNEL_ROWS(f, 1), ATTNRT_KERNEL_ROWS(f, 2), ATTNRT_KERNEL_ROWS(f, 3), ATTNRT_KERNEL_ROWS(f, 4) }
#else
#define ATTNRT_KERNEL_SHAPES(f) { ATTNRT_KERNEL_ROWS(f, 1), ATTNRT_KERNEL_ROWS(f, 2) }
#endif
  static void scores(const ScoreOperands<D>& t, int rows, int64_t vectors) {
    static constexpr ScoreFn table[kTileVectors][6] = ATTNRT_KERNEL_SHAPES(scores_of);
    table[vectors - 1][rows - 1](t);
  }
  static void values(const ValueOperands<D>& t, int rows, int64_t vectors) {
    static constexpr ValueFn table[kTileVectors][6] = ATTNRT_KERNEL_SHAPES(values_of);
    table[vectors - 1][rows - 1](t);
  }
#undef ATTNRT_KERNEL_SHAPES
#undef ATTNRT_KERNEL_ROWS
};

/// The shapes of `Fewest` to kTileRows rows x kTileVectors vectors again, for modes that pay only in these.
template <class D, Ahead Mode, int Fewest>
struct FullTiles {
  static bool has(int rows, int64_t vectors) { return rows >= Fewest && vectors == kTileVectors; }
  static void scores(const ScoreOperands<D>& t, int rows) { scores_of(t, rows, Rows{}); }
  static void values(const ValueOperands<D>& t, int rows) { values_of(t, rows, Rows{}); }

 private:
  using Rows = std::make_integer_sequence<int, kTileRows - Fewest + 1>;  // less Fewest
  template <int... I>
  static void scores_of(const ScoreOperands<D>& t, int rows, std::integer_sequence<int, I...>) {
    static constexpr void (*table[])(const ScoreOperands<D>&) = {&score_tile<D, Fewest + I, kTileVectors, Mode>...};
    table[rows - Fewest](t);
  }
  template <int... I>
  static void values_of(const ValueOperands<D>& t, int rows, std::integer_sequence<int, I...>) {
    static constexpr void (*table[])(const ValueOperands<D>&) = {&value_tile<D, Fewest + I, kTileVectors, Mode>...};
    table[rows - Fewest](t);
  }
};

/// Whole strips that ask for what another item reads.
template <class D>
using TrickleTiles = FullTiles<D, Ahead::kTrickle, kTileRows - 1>;
/// Tiles that share a stream: where they hold a whole panel, those of several strips; narrower ones read parts of its
/// lines and share them even where there is one strip.
template <class D>
using ShareTiles = FullTiles<D, Ahead::kShare, kTileColumns == 64 ? 3 : 1>;

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
