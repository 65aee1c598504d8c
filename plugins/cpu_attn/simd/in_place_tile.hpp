// SPDX-License-Identifier: Apache-2.0
//
// in_place_tile.hpp: register tiles over rows of keys and values as an engine lays them out (contiguous, NHD, HND), for
// few queries: what panel_tile.hpp computes from packed panels, to the bit, with the order of panels made in the
// registers. Where each row is used by a handful of queries alone, writing it to scratch first costs more than the
// products do.
#ifndef ATTNRT_CPU_ATTN_SIMD_IN_PLACE_TILE_HPP
#define ATTNRT_CPU_ATTN_SIMD_IN_PLACE_TILE_HPP
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kv8_pack.hpp"
#include "panel_tile.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

#if defined(ATTNRT_KERNEL_AVX512) && !defined(ATTNRT_KERNEL_AMX)
constexpr bool kHasInPlaceTiles = true;
#else
constexpr bool kHasInPlaceTiles = false;
#endif

/// Columns of a step of values: D's, or a chunk's for numbers of 8 bits.
template <class S, class D>
constexpr int kInPlaceStep = sizeof(S) == 1 ? static_cast<int>(kChunkElements) : D::kPair;

/// Which of the lines of as many rows a product prefetches meanwhile: the `slice`-th of `slices` equal parts and
/// those that follow it.
struct RowSlice {
  int slice, count, slices;
};

/// Scores of one granule of keys or two, whose rows are given. `prefetch`: rows to prefetch meanwhile, in the order of
/// memory.
template <class D>
struct InPlaceScoreOperands {
  const typename D::A* a;
  int64_t lda;
  const char* const* rows;
  const char* const* prefetch;
  RowSlice slice;
  int64_t dims;
  int64_t sum_block;  ///< dims that are summed from zero before they are added up
  float* c;
  int64_t ldc;
};

/// Values [dim, dim + 16 Vectors) of `columns` rows: C = factor of the row * C + A B.
template <class D>
struct InPlaceValueOperands {
  const typename D::A* a;
  int64_t lda;
  const char* const* rows;
  const char* const* prefetch;
  RowSlice slice;
  int64_t columns;
  int64_t dim, dims;  ///< dims from `dims` on are zeros
  float* c;
  int64_t ldc;
  const float* factors;
};

#if defined(ATTNRT_KERNEL_AVX512)
/// Prefetches a slice of `num_lines` lines of rows from line `first` on, one after the other, as memory has them.
class RowPrefetch {
 public:
  RowPrefetch(const char* const* rows, int64_t row_bytes, int64_t first, int64_t num_lines, const RowSlice& slice)
      : bytes_(lines(row_bytes) * kLineBytes), step_((kLineBytes * slice.count + slice.slices - 1) / slice.slices) {
    first += num_lines * slice.slice / slice.slices;
    row_ = rows + first / lines(row_bytes);
    at_ = first % lines(row_bytes) * kLineBytes;
  }

  ATTNRT_KERNEL_INLINE void prefetch() {
    __builtin_prefetch(*row_ + at_, 0, 2);
    at_ += step_;
    const bool ends = at_ >= bytes_;
    row_ += ends;
    at_ -= ends ? bytes_ : 0;
  }

 private:
  static int64_t lines(int64_t bytes) { return (bytes + kLineBytes - 1) / kLineBytes; }

  const int64_t bytes_;  ///< of a row, in whole lines
  const int64_t step_;   ///< less than a line where others prefetch the rest: some lines are then prefetched twice
  const char* const* row_;
  int64_t at_;
};

/// Words (4 bytes) [at, at + 16) of 16 rows, less where the row ends, as columns. Whole lines at once: rows of many
/// heads are a power of two apart, and a line that is left half used is gone from the cache before its turn comes.
ATTNRT_KERNEL_INLINE_MOVES void load_columns(const char* const* rows, int64_t at, int64_t words,
                                             Vec (&column)[kLanes]) {
  Vec quarter[4][4];  // [q][k]: words 4 q to 4 q + 3 of row 4 L + k in lane L
  ATTNRT_KERNEL_UNROLL
  for (int k = 0; k < 4; ++k) {
    Vec line[4], split[4];
    ATTNRT_KERNEL_UNROLL
    for (int lane = 0; lane < 4; ++lane) {
      const auto* row = reinterpret_cast<const float*>(rows[4 * lane + k]) + at;
      line[lane] = words - at >= kLanes ? load(row)
                                        : _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << (words - at)) - 1u), row);
    }
    split_quarters(line[0], line[1], line[2], line[3], split);
    ATTNRT_KERNEL_UNROLL
    for (int q = 0; q < 4; ++q) quarter[q][k] = split[q];
  }
  ATTNRT_KERNEL_UNROLL
  for (int q = 0; q < 4; ++q) transpose_quarters(quarter[q], column + 4 * q);
}

/// The same of pairs of fp16, which the shuffles take apart as they transpose: word w becomes two columns of 16
/// numbers, at half_column(w) and half_column(w) + 32. Out of columns of words two numbers took five instructions to
/// widen.
constexpr int64_t half_column(int64_t w) { return w / 8 * 256 + w % 4 * 64 + w / 4 % 2 * 16; }
ATTNRT_KERNEL_INLINE_MOVES void load_half_columns(const char* const* rows, int64_t at, int64_t words,
                                                  Vec (&column)[kLanes]) {
  constexpr auto all8 = static_cast<__mmask8>(-1);  // g++ 12 warns of its own unmasked ones
  constexpr auto all16 = static_cast<__mmask16>(-1);
  constexpr auto all32 = static_cast<__mmask32>(-1);
  const __m512i low = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11), high = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
  const auto mask = words - at >= kLanes ? all16 : static_cast<__mmask16>((1u << (words - at)) - 1u);
  __m512i r[2][8];  // [i][j], a quarter each: numbers 16 i to 16 i + 7 of rows j and j + 8, then the next eight
  ATTNRT_KERNEL_UNROLL
  for (int j = 0; j < 8; ++j) {
    const __m512i a = _mm512_maskz_loadu_epi32(mask, rows[j] + 4 * at);
    const __m512i b = _mm512_maskz_loadu_epi32(mask, rows[j + 8] + 4 * at);
    r[0][j] = _mm512_maskz_permutex2var_epi64(all8, a, low, b);
    r[1][j] = _mm512_maskz_permutex2var_epi64(all8, a, high, b);
  }
  ATTNRT_KERNEL_UNROLL
  for (int i = 0; i < 2; ++i) {
    __m512i two[8], four[8];  // of two rows, of four rows
    ATTNRT_KERNEL_UNROLL
    for (int j = 0; j < 8; j += 2) {
      two[j] = _mm512_maskz_unpacklo_epi16(all32, r[i][j], r[i][j + 1]);
      two[j + 1] = _mm512_maskz_unpackhi_epi16(all32, r[i][j], r[i][j + 1]);
    }
    ATTNRT_KERNEL_UNROLL
    for (int j = 0; j < 8; j += 4) ATTNRT_KERNEL_UNROLL
    for (int half = 0; half < 2; ++half) {
      four[j + 2 * half] = _mm512_maskz_unpacklo_epi32(all16, two[j + half], two[j + 2 + half]);
      four[j + 2 * half + 1] = _mm512_maskz_unpackhi_epi32(all16, two[j + half], two[j + 2 + half]);
    }
    ATTNRT_KERNEL_UNROLL
    for (int j = 0; j < 4; ++j) {
      Vec* to = column + i * 8 + 2 * j;
      _mm512_storeu_si512(to, _mm512_maskz_unpacklo_epi64(all8, four[j], four[j + 4]));
      _mm512_storeu_si512(to + 1, _mm512_maskz_unpackhi_epi64(all8, four[j], four[j + 4]));
    }
  }
}

/// Adds the products of word w of 16 rows, given in columns, and its numbers of A.
template <class S, class D, int Rows, int Granules>
ATTNRT_KERNEL_INLINE void add_word(Vec (&acc)[Rows][Granules], const typename D::A* a, int64_t lda, int64_t w,
                                   const Vec (&columns)[Granules][kLanes]) {
  if constexpr (sizeof(S) == 1) {
    ATTNRT_KERNEL_UNROLL
    for (int g = 0; g < Granules; ++g) {
      Vec first, second;
      Kv8Pairs<S>{}.of(chunk_of(columns[g][w]), first, second);
      DotKv8<S, D>::add(acc, g, a, lda, first, second);
    }
  } else if constexpr (D::kPair == 2 || sizeof(S) == 4) {
    Vec word[Granules];
    ATTNRT_KERNEL_UNROLL
    for (int g = 0; g < Granules; ++g) word[g] = columns[g][w];
    D::template add<Rows, Granules>(acc, a, lda, word);
  } else {
    ATTNRT_KERNEL_UNROLL
    for (int odd = 0; odd < 2; ++odd) {
      Vec wide[Granules];
      ATTNRT_KERNEL_UNROLL
      for (int g = 0; g < Granules; ++g)
        if constexpr (std::is_same_v<S, Bf16>)
          wide[g] = odd ? odd_of(columns[g][w]) : even_of(columns[g][w]);
        else
          wide[g] = widen_vec(reinterpret_cast<const Fp16*>(columns[g]) + half_column(w) + odd * 32);
      D::template add<Rows, Granules>(acc, a + odd, lda, wide);
    }
  }
}

/// Two granules are twice as many sums that do not wait for each other. Prefetches stand between their products: all
/// at once, they delayed the granule's own lines.
template <class S, class D, int Rows, int Granules>
inline void in_place_scores(const InPlaceScoreOperands<D>& t) {
  constexpr int64_t kWord = 4 / static_cast<int64_t>(sizeof(S));  // elements
  const int64_t words = t.dims / kWord, sum_block = t.sum_block / kWord;
  const typename D::A* a = t.a;
  Vec acc[Rows][Granules] = {}, sum[Rows][Granules] = {};
  const auto row_bytes = t.dims * static_cast<int64_t>(sizeof(S));
  RowPrefetch lines(t.prefetch, row_bytes, 0, Granules * kGranule * ((row_bytes + kLineBytes - 1) / kLineBytes),
                    t.slice);
  for (int64_t at = 0; at < words; at += kLanes) {
    if (at > 0 && at % sum_block == 0) {
      ATTNRT_KERNEL_UNROLL
      for (int i = 0; i < Rows; ++i) ATTNRT_KERNEL_UNROLL
      for (int g = 0; g < Granules; ++g)
        sum[i][g] = at == sum_block ? acc[i][g] : sum[i][g] + acc[i][g], acc[i][g] = Vec{};
    }
    Vec columns[Granules][kLanes];
    ATTNRT_KERNEL_UNROLL
    for (int g = 0; g < Granules; ++g)
      if constexpr (std::is_same_v<S, Fp16>)
        load_half_columns(t.rows + g * kGranule, at, words, columns[g]);
      else
        load_columns(t.rows + g * kGranule, at, words, columns[g]);
    const int64_t end = words - at < kLanes ? words - at : kLanes;
    for (int64_t w = end; w < kLanes; ++w)
      for (int g = 0; g < Granules; ++g) lines.prefetch();
    for (int64_t w = 0; w < end; ++w, a += kWord) {
      ATTNRT_KERNEL_UNROLL
      for (int g = 0; g < Granules; ++g) lines.prefetch();
      add_word<S, D>(acc, a, t.lda, w, columns);
    }
  }
  ATTNRT_KERNEL_UNROLL
  for (int i = 0; i < Rows; ++i) ATTNRT_KERNEL_UNROLL
  for (int g = 0; g < Granules; ++g)
    store(t.c + i * t.ldc + g * kGranule, words > sum_block ? sum[i][g] + acc[i][g] : acc[i][g]);
}

/// Values of Pair rows at `dim`, interleaved: what pack_values writes.
template <int Pair, int Vectors, class S>
ATTNRT_KERNEL_INLINE void load_values(const S* const* rows, int64_t dim, int64_t dims, Vec (&b)[Vectors]) {
  if constexpr (Pair == 2 && Vectors % 2 == 0) {
    if (dims - dim >= Vectors * kLanes) {
      using Halves = uint16_t __attribute__((vector_size(64)));
      ATTNRT_KERNEL_UNROLL
      for (int j = 0; j < Vectors; j += 2) {
        Halves even, odd;
        std::memcpy(&even, rows[0] + dim + j * kLanes, sizeof even);
        std::memcpy(&odd, rows[1] + dim + j * kLanes, sizeof odd);
        const Halves low = __builtin_shufflevector(even, odd, 0, 32, 1, 33, 2, 34, 3, 35, 4, 36, 5, 37, 6, 38, 7, 39, 8,
                                                   40, 9, 41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47);
        const Halves high =
            __builtin_shufflevector(even, odd, 16, 48, 17, 49, 18, 50, 19, 51, 20, 52, 21, 53, 22, 54, 23, 55, 24, 56,
                                    25, 57, 26, 58, 27, 59, 28, 60, 29, 61, 30, 62, 31, 63);
        std::memcpy(&b[j], &low, sizeof low);
        std::memcpy(&b[j + 1], &high, sizeof high);
      }
      return;
    }
  }
  if constexpr (Pair == 1) {
    if (dims - dim >= Vectors * kLanes) {
      ATTNRT_KERNEL_UNROLL
      for (int j = 0; j < Vectors; ++j) b[j] = widen_vec(rows[0] + dim + j * kLanes);
      return;
    }
  }
  ATTNRT_KERNEL_UNROLL
  for (int j = 0; j < Vectors; ++j) b[j] = value_words<Pair>(rows, dim + j * kLanes, dims);
}

template <class S, class D, int Rows, int Vectors>
inline void in_place_values(const InPlaceValueOperands<D>& t) {
  Vec acc[Rows][Vectors];
  ATTNRT_KERNEL_UNROLL
  for (int i = 0; i < Rows; ++i) ATTNRT_KERNEL_UNROLL
  for (int j = 0; j < Vectors; ++j) acc[i][j] = load(t.c + i * t.ldc + j * kLanes) * broadcast(t.factors[i]);
  const typename D::A* a = t.a;
  constexpr auto kBytes = static_cast<int64_t>(Vectors * kLanes * sizeof(S));
  constexpr int kStep = kInPlaceStep<S, D>;
  constexpr auto kElement = static_cast<int64_t>(sizeof(S));
  RowPrefetch lines(t.prefetch, t.dims * kElement, t.columns * (t.dim * kElement / kLineBytes),
                    t.columns * ((kBytes + kLineBytes - 1) / kLineBytes), t.slice);
  for (int64_t c = 0; c < t.columns; c += kStep, a += kStep) {
    ATTNRT_KERNEL_UNROLL
    for (int r = 0; r < kStep; ++r) ATTNRT_KERNEL_UNROLL
    for (int64_t line = 0; line < kBytes; line += kLineBytes) lines.prefetch();
    if constexpr (sizeof(S) == 1) {
      __m512i chunks[Vectors];
      load_chunks(t.rows + c, t.dim, t.dims, chunks);
      ATTNRT_KERNEL_UNROLL
      for (int j = 0; j < Vectors; ++j) {
        Vec first, second;
        Kv8Pairs<S>{}.of(chunks[j], first, second);
        DotKv8<S, D>::add(acc, j, a, t.lda, first, second);
      }
    } else {
      const S* rows[kStep];
      ATTNRT_KERNEL_UNROLL
      for (int r = 0; r < kStep; ++r) rows[r] = reinterpret_cast<const S*>(t.rows[c + r]);
      Vec b[Vectors];
      load_values<kStep>(rows, t.dim, t.dims, b);
      D::template add<Rows, Vectors>(acc, a, t.lda, b);
    }
  }
  ATTNRT_KERNEL_UNROLL
  for (int i = 0; i < Rows; ++i) ATTNRT_KERNEL_UNROLL
  for (int j = 0; j < Vectors; ++j) store(t.c + i * t.ldc + j * kLanes, acc[i][j]);
}

/// Rows that one transposition of two granules of keys serves.
constexpr int kInPlaceTileRows = 2 * kTileRows;

/// A function for each shape: 1 to kTileRows rows, of two granules to kInPlaceTileRows; 1 to 4 vectors of dims.
template <class S, class D>
struct InPlaceTiles {
  using ScoreFn = void (*)(const InPlaceScoreOperands<D>&);
  using ValueFn = void (*)(const InPlaceValueOperands<D>&);

#define ATTNRT_KERNEL_ROWS(f, n) \
  { &f<S, D, 1, n>, &f<S, D, 2, n>, &f<S, D, 3, n>, &f<S, D, 4, n>, &f<S, D, 5, n>, &f<S, D, 6, n> }
  static void scores(const InPlaceScoreOperands<D>& t, int rows, int granules) {
    static constexpr ScoreFn table[2][6] = {ATTNRT_KERNEL_ROWS(in_place_scores, 1),
                                            ATTNRT_KERNEL_ROWS(in_place_scores, 2)};
    static constexpr ScoreFn more[6] = {&in_place_scores<S, D, 7, 2>,  &in_place_scores<S, D, 8, 2>,
                                        &in_place_scores<S, D, 9, 2>,  &in_place_scores<S, D, 10, 2>,
                                        &in_place_scores<S, D, 11, 2>, &in_place_scores<S, D, 12, 2>};
    (rows > kTileRows ? more[rows - kTileRows - 1] : table[granules - 1][rows - 1])(t);
  }
  static void values(const InPlaceValueOperands<D>& t, int rows, int64_t vectors) {
    static constexpr ValueFn table[4][6] = {
        ATTNRT_KERNEL_ROWS(in_place_values, 1), ATTNRT_KERNEL_ROWS(in_place_values, 2),
        ATTNRT_KERNEL_ROWS(in_place_values, 3), ATTNRT_KERNEL_ROWS(in_place_values, 4)};
    static constexpr ValueFn more[6] = {&in_place_values<S, D, 7, 2>,  &in_place_values<S, D, 8, 2>,
                                        &in_place_values<S, D, 9, 2>,  &in_place_values<S, D, 10, 2>,
                                        &in_place_values<S, D, 11, 2>, &in_place_values<S, D, 12, 2>};
    (rows > kTileRows ? more[rows - kTileRows - 1] : table[vectors - 1][rows - 1])(t);
  }
#undef ATTNRT_KERNEL_ROWS
};
#endif

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
