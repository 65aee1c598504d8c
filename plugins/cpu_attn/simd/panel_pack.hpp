// SPDX-License-Identifier: Apache-2.0
//
// panel_pack.hpp: rows of keys and values become panels (panel_layout.hpp) in a worker's scratch: bf16 pairs where the
// dot instruction takes them, else fp32.
#ifndef ATTNRT_CPU_ATTN_SIMD_PANEL_PACK_HPP
#define ATTNRT_CPU_ATTN_SIMD_PANEL_PACK_HPP
#include <cstdint>
#include <cstring>

#include "dot.hpp"
#include "panel_layout.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

/// `count` <= kLanes elements as fp32, the rest of the lanes 0; reads no more than those.
template <class T>
ATTNRT_KERNEL_INLINE Vec widen_some(const T* from, int64_t count) {
  if (count >= kLanes) return widen_vec(from);
#if defined(ATTNRT_KERNEL_AVX512)
  const auto mask = static_cast<__mmask16>((1u << count) - 1u);
  if constexpr (sizeof(T) == 4) {
    return _mm512_maskz_loadu_ps(mask, from);
  } else {
    T whole[kLanes];
    const __m256i halves = _mm256_maskz_loadu_epi16(mask, from);
    std::memcpy(static_cast<void*>(whole), &halves, sizeof whole);
    return widen_vec(whole);
  }
#else
  T whole[kLanes] = {};
  for (int64_t i = 0; i < count; ++i) whole[i] = from[i];
  return widen_vec(whole);
#endif
}

/// Words [at, at + count) of a row, count <= kLanes, the rest of the lanes 0: pairs of bf16 as they are, or fp32.
template <int Pair, class T>
ATTNRT_KERNEL_INLINE Vec load_words(const T* row, int64_t at, int64_t count) {
  if constexpr (Pair == 1) {
    return widen_some(row + at, count);
  } else {
    static_assert(sizeof(T) == 2);
    Vec v{};
    if (count == kLanes) std::memcpy(&v, row + 2 * at, sizeof v);
#if defined(ATTNRT_KERNEL_AVX512)
    else
      v = _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << count) - 1u), row + 2 * at);
#endif
    return v;
  }
}

#if defined(ATTNRT_KERNEL_AVX512)
#define ATTNRT_KERNEL_LOW(a, b) __builtin_shufflevector(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29)
#define ATTNRT_KERNEL_HIGH(a, b) \
  __builtin_shufflevector(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31)
#define ATTNRT_KERNEL_LOW2(a, b) __builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29)
#define ATTNRT_KERNEL_HIGH2(a, b) \
  __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31)
#define ATTNRT_KERNEL_EVEN4(a, b) \
  __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27)
#define ATTNRT_KERNEL_ODD4(a, b) \
  __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31)
#else
#define ATTNRT_KERNEL_LOW(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13)
#define ATTNRT_KERNEL_HIGH(a, b) __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15)
#define ATTNRT_KERNEL_LOW2(a, b) __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13)
#define ATTNRT_KERNEL_HIGH2(a, b) __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15)
#define ATTNRT_KERNEL_EVEN4(a, b) __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11)
#define ATTNRT_KERNEL_ODD4(a, b) __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15)
#endif

/// The 4 x 4 blocks of words within quarters of 4 lanes, each transposed.
ATTNRT_KERNEL_INLINE_MOVES void transpose_quarters(const Vec* from, Vec* to) {
  const Vec a = ATTNRT_KERNEL_LOW(from[0], from[1]), b = ATTNRT_KERNEL_HIGH(from[0], from[1]);
  const Vec c = ATTNRT_KERNEL_LOW(from[2], from[3]), d = ATTNRT_KERNEL_HIGH(from[2], from[3]);
  to[0] = ATTNRT_KERNEL_LOW2(a, c);
  to[1] = ATTNRT_KERNEL_HIGH2(a, c);
  to[2] = ATTNRT_KERNEL_LOW2(b, d);
  to[3] = ATTNRT_KERNEL_HIGH2(b, d);
}

#if defined(ATTNRT_KERNEL_AVX512)
/// to[q] = quarter q of each of the four vectors.
ATTNRT_KERNEL_INLINE_MOVES void split_quarters(Vec a, Vec b, Vec c, Vec d, Vec (&to)[4]) {
  const Vec even_ab = ATTNRT_KERNEL_EVEN4(a, b), odd_ab = ATTNRT_KERNEL_ODD4(a, b);
  const Vec even_cd = ATTNRT_KERNEL_EVEN4(c, d), odd_cd = ATTNRT_KERNEL_ODD4(c, d);
  to[0] = ATTNRT_KERNEL_EVEN4(even_ab, even_cd);
  to[1] = ATTNRT_KERNEL_EVEN4(odd_ab, odd_cd);
  to[2] = ATTNRT_KERNEL_ODD4(even_ab, even_cd);
  to[3] = ATTNRT_KERNEL_ODD4(odd_ab, odd_cd);
}
#endif

/// r[i][j] <-> r[j][i] for kLanes vectors of words.
ATTNRT_KERNEL_INLINE_MOVES void transpose_words(Vec (&r)[kLanes]) {
  Vec t[kLanes];
  ATTNRT_KERNEL_UNROLL
  for (int i = 0; i < kLanes; i += 4) transpose_quarters(r + i, t + i);
  // t[4 g + c], quarter q: rows 4 g .. 4 g + 3 of column 4 q + c.
  ATTNRT_KERNEL_UNROLL
  for (int c = 0; c < 4; ++c) {
#if defined(ATTNRT_KERNEL_AVX512)
    const Vec even01 = ATTNRT_KERNEL_EVEN4(t[c], t[4 + c]), odd01 = ATTNRT_KERNEL_ODD4(t[c], t[4 + c]);
    const Vec even23 = ATTNRT_KERNEL_EVEN4(t[8 + c], t[12 + c]), odd23 = ATTNRT_KERNEL_ODD4(t[8 + c], t[12 + c]);
    r[c] = ATTNRT_KERNEL_EVEN4(even01, even23);
    r[4 + c] = ATTNRT_KERNEL_EVEN4(odd01, odd23);
    r[8 + c] = ATTNRT_KERNEL_ODD4(even01, even23);
    r[12 + c] = ATTNRT_KERNEL_ODD4(odd01, odd23);
#else
    r[c] = ATTNRT_KERNEL_EVEN4(t[c], t[4 + c]);
    r[4 + c] = ATTNRT_KERNEL_ODD4(t[c], t[4 + c]);
#endif
  }
}

#undef ATTNRT_KERNEL_LOW
#undef ATTNRT_KERNEL_HIGH
#undef ATTNRT_KERNEL_LOW2
#undef ATTNRT_KERNEL_HIGH2
#undef ATTNRT_KERNEL_EVEN4
#undef ATTNRT_KERNEL_ODD4

/// What to prefetch while a granule is packed: rows of the next one, and keys that are packed later; a few at a time,
/// for many at once gain nothing.
template <class T>
struct PackPrefetch {
  const T* const* near;
  const T* const* far;
  int64_t num_near, num_far;  ///< rows, at most kGranule
  int64_t bytes;              ///< of a row

  ATTNRT_KERNEL_INLINE void fetch(int64_t first, int64_t last) const {
    for (int64_t i = first; i < last && i < num_near; ++i)
      for (int64_t at = 0; at < bytes; at += 64) __builtin_prefetch(reinterpret_cast<const char*>(near[i]) + at);
    for (int64_t i = first; i < last && i < num_far; ++i)
      for (int64_t at = 0; at < bytes; at += 64) __builtin_prefetch(reinterpret_cast<const char*>(far[i]) + at, 0, 2);
  }
};

template <int Pair, bool Whole, class T>
ATTNRT_KERNEL_INLINE void pack_key_block(const T* const* rows, int64_t at, int64_t count, char* to,
                                         int64_t step_bytes) {
  Vec block[kLanes];
  ATTNRT_KERNEL_UNROLL
  for (int i = 0; i < kLanes; ++i) block[i] = load_words<Pair>(rows[i], at, Whole ? kLanes : count);
  transpose_words(block);
  if constexpr (Whole) {
    ATTNRT_KERNEL_UNROLL
    for (int i = 0; i < kLanes; ++i) std::memcpy(to + i * step_bytes, &block[i], sizeof(Vec));
  } else {
    for (int64_t i = 0; i < count; ++i) std::memcpy(to + i * step_bytes, &block[i], sizeof(Vec));
  }
}

/// kGranule keys into a key panel. `words` = dims / Pair; step_bytes between words.
template <int Pair, class T>
inline void pack_keys(const T* const* rows, int64_t words, char* to, int64_t step_bytes,
                      const PackPrefetch<T>& prefetch) {
  const int64_t batch = (kGranule * kLanes + words - 1) / words;
  int64_t fetched = 0;
  for (int64_t at = 0; at < words; at += kLanes, fetched += batch) {
    prefetch.fetch(fetched, fetched + batch);
    for (int half = 0; half < kGranule; half += kLanes) {
      if (words - at >= kLanes)
        pack_key_block<Pair, true>(rows + half, at, kLanes, to + at * step_bytes + half * 4, step_bytes);
      else
        pack_key_block<Pair, false>(rows + half, at, words - at, to + at * step_bytes + half * 4, step_bytes);
    }
  }
}

/// Dims [dim, dim + kLanes) of one step: Pair rows, interleaved; dims from `dims` on are 0.
template <int Pair, class T>
ATTNRT_KERNEL_INLINE Vec value_words(const T* const* rows, int64_t dim, int64_t dims) {
  const auto part = [&](int i) { return dim < dims ? widen_some(rows[i] + dim, dims - dim) : Vec{}; };
  if constexpr (Pair == 1) {
    return part(0);
  } else {  // bf16 widened is bf16 in the upper half
    const VecInt low = (bits_of(part(0)) >> 16) & 0xffff;
    return from_bits(low | bits_of(part(1)));
  }
}

/// A step of a whole panel of kPanelWidth dims.
template <int Pair, class T>
ATTNRT_KERNEL_INLINE void pack_value_step(const T* const* rows, int64_t first, char* to) {
  if constexpr (Pair == 1) {
    ATTNRT_KERNEL_UNROLL
    for (int d = 0; d < kPanelWidth; d += kLanes) {
      const Vec v = widen_vec(rows[0] + first + d);
      std::memcpy(to + d * 4, &v, sizeof v);
    }
  } else {
    using Halves = uint16_t __attribute__((vector_size(64)));
    ATTNRT_KERNEL_UNROLL
    for (int d = 0; d < kPanelWidth; d += 32) {
      Halves a, b;
      std::memcpy(&a, rows[0] + first + d, sizeof a);
      std::memcpy(&b, rows[1] + first + d, sizeof b);
      const Halves low = __builtin_shufflevector(a, b, 0, 32, 1, 33, 2, 34, 3, 35, 4, 36, 5, 37, 6, 38, 7, 39, 8, 40, 9,
                                                 41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47);
      const Halves high = __builtin_shufflevector(a, b, 16, 48, 17, 49, 18, 50, 19, 51, 20, 52, 21, 53, 22, 54, 23, 55,
                                                  24, 56, 25, 57, 26, 58, 27, 59, 28, 60, 29, 61, 30, 62, 31, 63);
      std::memcpy(to + d * 4, &low, sizeof low);
      std::memcpy(to + d * 4 + 64, &high, sizeof high);
    }
  }
}

/// A granule of tokens, the first at `token`, into value panels of a page.
template <int Pair, class T>
inline void pack_values(const T* const* rows, int64_t token, const PanelLayout& layout, char* page,
                        const PackPrefetch<T>& prefetch) {
  const int64_t panels = layout.value_panels(), batch = (kGranule + panels - 1) / panels;
  for (int64_t panel = 0; panel < panels; ++panel) {
    prefetch.fetch(panel * batch, (panel + 1) * batch);
    char* to = page + layout.value_at(token, panel);
    const int64_t first = panel * kPanelWidth, step = layout.value_step(panel), dims = layout.panel_dims(panel);
    for (int64_t i = 0; i < kGranule; i += Pair, to += step) {
      if (layout.head_size_v - first >= kPanelWidth) {
        pack_value_step<Pair>(rows + i, first, to);
      } else {
        for (int64_t d = 0; d < dims; d += kLanes) {
          const Vec words = value_words<Pair>(rows + i, first + d, layout.head_size_v);
          std::memcpy(to + d * 4, &words, sizeof words);
        }
      }
    }
  }
}

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
