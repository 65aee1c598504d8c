// SPDX-License-Identifier: Apache-2.0
//
// panel_tile.hpp: register tiles over packed panels: dot products of a few queries with up to 64 keys, and weighted
// sums of values for a few queries and up to 64 dims. Where pages come from memory (decode), each step prefetches
// as many lines of what comes next as it reads, of several strips each a slice of them: a burst at the
// start of a page gains nothing, and after one of the first strip memory would stand still while the others compute.
#ifndef ATTNRT_CPU_ATTN_SIMD_PANEL_TILE_HPP
#define ATTNRT_CPU_ATTN_SIMD_PANEL_TILE_HPP
#include <cstdint>
#include <utility>

#include "dot.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

/// Columns of a register tile.
constexpr int64_t kTileColumns = kTileVectors * kLanes;

/// Columns of probabilities that a step of values multiplies: up to a multiple of them, those beside what is seen are
/// 0.
template <class D>
constexpr int64_t kStepColumns = D::kPair;

/// What a tile prefetches meanwhile:
///   kNextTile    what the next tile of keys reads at the place of B, into the second cache
///   kNextPage    what the next page of this tile reads, into the first cache
///   kSlice       a slice of the next tile, one line after the other, as memory has them
///   kBursts      rows of the next tile, in bursts of four lines, one a step
///   kDecodeItem  what a decode item reads, a line or less a step
enum class Prefetch { kNone, kNextTile, kNextPage, kSlice, kBursts, kDecodeItem };
constexpr int64_t kLineBytes = 64;

/// Lines that a decode item reads: each step prefetches that at `begin` and advances by `step_bytes`, at most
/// kLineBytes. A burst of lines would keep the tile's own from coming.
struct DecodeLines {
  const char* begin;
  int64_t step_bytes;
};
constexpr int64_t kBurstBytes = 256;

/// Scores: C = A B. b[j]: vector j of the first step; prefetch[j]: what kNextTile and kNextPage prefetch beside it.
template <class D>
struct ScoreOperands {
  const typename D::A* a;
  int64_t lda;
  const char* b[kTileVectors];
  const char* prefetch[kTileVectors];
  const char* slice[2];  ///< the lines of a slice, in up to two places
  int64_t slice_switch;  ///< steps before the second place
  int64_t slice_step;    ///< bytes of it for each step
  const char* const* bursts;
  int64_t num_bursts;
  DecodeLines decode_lines;
  int64_t step_bytes;
  int64_t steps;
  int64_t sum_block;  ///< steps that are summed from zero before they are added to C
  float* c;
  int64_t ldc;
};

/// Steps of values whose panel rows follow each other in memory.
struct ValueSegment {
  const char* b;
  const char* prefetch;
  int64_t steps;
};

/// Values: C = factor of the row * C + A B over all segments; the columns of A follow each other through them.
template <class D>
struct ValueOperands {
  const typename D::A* a;
  int64_t lda;
  int64_t column;  ///< of the tile of keys, the first of A
  const ValueSegment* segments;
  int64_t num_segments;
  DecodeLines decode_lines;
  int64_t offset;      ///< bytes of a step before the columns of the tile
  int64_t slice;       ///< bytes before the slice for each step of a segment
  int64_t slice_step;  ///< bytes of it for each step
  int64_t step_bytes;
  float* c;
  int64_t ldc;
  const float* factors;
};

/// The lines of a slice that a step prefetches.
template <class D, int Vectors>
ATTNRT_KERNEL_INLINE void prefetch_slice(const char* line) {
  constexpr int64_t kBytes = Vectors * kLanes * D::kPair * D::kBytes / 2;
  ATTNRT_KERNEL_UNROLL
  for (int64_t at = 0; at < kBytes; at += kLineBytes) __builtin_prefetch(line + at, 0, 2);
}

template <class D, int Rows, int Vectors, Prefetch Mode>
ATTNRT_KERNEL_INLINE void score_tile(const ScoreOperands<D>& t) {
  const typename D::A* a = t.a;
  const char* b[Vectors];
  const char* prefetch[Vectors];
  ATTNRT_KERNEL_UNROLL
  for (int j = 0; j < Vectors; ++j) b[j] = t.b[j], prefetch[j] = t.prefetch[j];
  [[maybe_unused]] const char* const* next = t.bursts;
  [[maybe_unused]] const char* const* last_burst = t.bursts + t.num_bursts;
  [[maybe_unused]] const char* line = Mode == Prefetch::kSlice ? t.slice[0] : t.decode_lines.begin;
  [[maybe_unused]] const int64_t switch_at = Mode == Prefetch::kSlice ? t.slice_switch * t.step_bytes : 0;
  const int64_t end = t.steps * t.step_bytes, sum_block = t.sum_block * t.step_bytes;
  for (int64_t at = 0; at < end;) {
    Vec acc[Rows][Vectors];
    ATTNRT_KERNEL_UNROLL
    for (int i = 0; i < Rows; ++i) ATTNRT_KERNEL_UNROLL
    for (int j = 0; j < Vectors; ++j) acc[i][j] = Vec{};
    const bool first = at == 0;
    const int64_t stop = end - at < sum_block ? end : at + sum_block;
    for (; at < stop; at += t.step_bytes, a += D::kPair) {
      if constexpr (Mode == Prefetch::kNextTile || Mode == Prefetch::kNextPage) ATTNRT_KERNEL_UNROLL
      for (int j = 0; j < Vectors; ++j) __builtin_prefetch(prefetch[j] + at, 0, Mode == Prefetch::kNextPage ? 3 : 2);
      if constexpr (Mode == Prefetch::kSlice) {
        if (at == switch_at) line = t.slice[1];
        prefetch_slice<D, Vectors>(line);
        line += t.slice_step;
      }
      if constexpr (Mode == Prefetch::kBursts)
        if (next < last_burst) {
          ATTNRT_KERNEL_UNROLL
          for (int64_t offset = 0; offset < kBurstBytes; offset += kLineBytes) __builtin_prefetch(*next + offset, 0, 2);
          ++next;
        }
      if constexpr (Mode == Prefetch::kDecodeItem) {
        __builtin_prefetch(line, 0, 2);
        line += t.decode_lines.step_bytes;
      }
      D::template step<Rows, Vectors>(acc, a, t.lda, b, at);
    }
    float* c = t.c;
    if (first) {
      ATTNRT_KERNEL_UNROLL
      for (int i = 0; i < Rows; ++i, c += t.ldc) ATTNRT_KERNEL_UNROLL
      for (int j = 0; j < Vectors; ++j) store(c + j * kLanes, acc[i][j]);
    } else {
      ATTNRT_KERNEL_UNROLL
      for (int i = 0; i < Rows; ++i, c += t.ldc) ATTNRT_KERNEL_UNROLL
      for (int j = 0; j < Vectors; ++j) store(c + j * kLanes, load(c + j * kLanes) + acc[i][j]);
    }
  }
}

template <class D, int Rows, int Vectors, Prefetch Mode>
ATTNRT_KERNEL_INLINE void value_tile(const ValueOperands<D>& t) {
  Vec acc[Rows][Vectors];
  ATTNRT_KERNEL_UNROLL
  for (int i = 0; i < Rows; ++i) ATTNRT_KERNEL_UNROLL
  for (int j = 0; j < Vectors; ++j) acc[i][j] = load(t.c + i * t.ldc + j * kLanes) * broadcast(t.factors[i]);
  const typename D::A* a = t.a;
  [[maybe_unused]] const char* line = t.decode_lines.begin;
  constexpr int64_t kVectorBytes = kLanes * D::kPair * D::kBytes;
  for (const ValueSegment* segment = t.segments; segment < t.segments + t.num_segments; ++segment) {
    const char* b[Vectors];
    ATTNRT_KERNEL_UNROLL
    for (int j = 0; j < Vectors; ++j) b[j] = segment->b + t.offset + j * kVectorBytes;
    const int64_t end = segment->steps * t.step_bytes;
    if constexpr (Mode == Prefetch::kSlice) line = segment->prefetch + segment->steps * t.slice;
    for (int64_t at = 0; at < end; at += t.step_bytes, a += D::kPair) {
      if constexpr (Mode == Prefetch::kNextTile || Mode == Prefetch::kNextPage) ATTNRT_KERNEL_UNROLL
      for (int64_t next = 0; next < Vectors * kVectorBytes; next += kLineBytes)
        __builtin_prefetch(segment->prefetch + t.offset + at + next, 0, Mode == Prefetch::kNextPage ? 3 : 2);
      if constexpr (Mode == Prefetch::kSlice) {
        prefetch_slice<D, Vectors>(line);
        line += t.slice_step;
      }
      if constexpr (Mode == Prefetch::kDecodeItem) {
        __builtin_prefetch(line, 0, 2);
        line += t.decode_lines.step_bytes;
      }
      D::template step<Rows, Vectors>(acc, a, t.lda, b, at);
    }
  }
  ATTNRT_KERNEL_UNROLL
  for (int i = 0; i < Rows; ++i) ATTNRT_KERNEL_UNROLL
  for (int j = 0; j < Vectors; ++j) store(t.c + i * t.ldc + j * kLanes, acc[i][j]);
}

/// A function for each shape: 1 to kTileRows rows x 1 to kTileVectors vectors.
template <class D, Prefetch Mode>
struct PanelTiles {
  using ScoreFn = void (*)(const ScoreOperands<D>&);
  using ValueFn = void (*)(const ValueOperands<D>&);

  template <int Rows, int Vectors>
  static void scores_of(const ScoreOperands<D>& t) {
    score_tile<D, Rows, Vectors, Mode>(t);
  }
  template <int Rows, int Vectors>
  static void values_of(const ValueOperands<D>& t) {
    value_tile<D, Rows, Vectors, Mode>(t);
  }

#define ATTNRT_KERNEL_ROWS(f, vectors) \
  { &f<1, vectors>, &f<2, vectors>, &f<3, vectors>, &f<4, vectors>, &f<5, vectors>, &f<6, vectors> }
#if defined(ATTNRT_KERNEL_AVX512)
#define ATTNRT_KERNEL_SHAPES(f) \
  { ATTNRT_KERNEL_ROWS(f, 1), ATTNRT_KERNEL_ROWS(f, 2), ATTNRT_KERNEL_ROWS(f, 3), ATTNRT_KERNEL_ROWS(f, 4) }
#else
#define ATTNRT_KERNEL_SHAPES(f) \
  { ATTNRT_KERNEL_ROWS(f, 1), ATTNRT_KERNEL_ROWS(f, 2) }
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
template <class D, Prefetch Mode, int Fewest>
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

/// Whole strips that prefetch what a decode item reads.
template <class D>
using OverlapTiles = FullTiles<D, Prefetch::kDecodeItem, kTileRows - 1>;
/// Tiles that prefetch a slice: where they hold a whole panel, those of several strips; narrower ones read parts of its
/// lines and have slices even where there is one strip.
template <class D>
using SliceTiles = FullTiles<D, Prefetch::kSlice, kTileColumns == 64 ? 3 : 1>;

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
