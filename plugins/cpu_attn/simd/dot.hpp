// SPDX-License-Identifier: Apache-2.0
//
// dot.hpp: one step of a register tile over packed panels (panel_layout.hpp), for each way to store them. A tile is
// Rows x Vectors accumulators; a step adds the outer product of `kPair` columns of A and `kPair` packed rows of B.
//   DotFp32  fp32 panels
//   DotFp16  fp16 panels, widened in the registers
//   DotWide  bf16 pairs, widened in the registers: two steps of fp32, first the even element
//   DotPair  bf16 pairs by the dot instruction (AVX512_BF16): A in bf16 too
// Each element has one accumulator that goes over k in ascending order, whatever the shape of the tile.
#ifndef ATTNRT_CPU_ATTN_SIMD_DOT_HPP
#define ATTNRT_CPU_ATTN_SIMD_DOT_HPP
#include <cstdint>
#include <cstring>

#include "dtype.hpp"
#include "isa.hpp"

#if defined(ATTNRT_KERNEL_EMULATED_AVX512)
#define ATTNRT_KERNEL_UNROLL  // a test's kernels stay loops, which compile in a tenth of the time
#elif defined(__clang__)
#define ATTNRT_KERNEL_UNROLL _Pragma("unroll")
#else
#define ATTNRT_KERNEL_UNROLL _Pragma("GCC unroll 16")
#endif

#if defined(ATTNRT_KERNEL_EMULATED_PAIRS)
#include ATTNRT_KERNEL_EMULATED_PAIRS  // a test's: dot_pairs and round_pairs by other instructions
#elif defined(__AVX512BF16__)
#define ATTNRT_KERNEL_PAIRS
namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

ATTNRT_KERNEL_INLINE __m512bh pairs_of(Vec v) {
  __m512bh pairs;
  std::memcpy(&pairs, &v, sizeof pairs);
  return pairs;
}
/// acc + both products of the bf16 pairs in each lane.
ATTNRT_KERNEL_INLINE Vec dot_pairs(Vec acc, Vec a, Vec b) { return _mm512_dpbf16_ps(acc, pairs_of(a), pairs_of(b)); }
/// The lanes of `low`, then those of `top`, rounded to bf16.
ATTNRT_KERNEL_INLINE Vec round_pairs(Vec low, Vec top) {
  const __m512bh pairs = _mm512_cvtne2ps_pbh(top, low);
  Vec v;
  std::memcpy(&v, &pairs, sizeof v);
  return v;
}

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

#if defined(ATTNRT_KERNEL_PAIRS)
constexpr bool kHasBf16Dot = true;
#else
constexpr bool kHasBf16Dot = false;
#endif

ATTNRT_KERNEL_INLINE Vec load_vec(const char* from) {
  Vec v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

/// 16-bit elements of one vector's lanes as fp32.
ATTNRT_KERNEL_INLINE Vec widen_vec(const Fp16* from) {
#if defined(ATTNRT_KERNEL_AVX512)
  return _mm512_maskz_cvtph_ps(static_cast<__mmask16>(-1), _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
#elif defined(__AVX2__)
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
#else
  Vec v;
  for (int i = 0; i < kLanes; ++i) v[i] = widen(from[i]);
  return v;
#endif
}
ATTNRT_KERNEL_INLINE Vec widen_vec(const Bf16* from) { return from_bits(load_integers<uint16_t>(from) << 16); }
ATTNRT_KERNEL_INLINE Vec widen_vec(const float* from) { return load(from); }

/// The even and the odd elements of a vector of bf16 pairs, as fp32.
ATTNRT_KERNEL_INLINE Vec even_of(Vec pairs) { return from_bits(bits_of(pairs) << 16); }
ATTNRT_KERNEL_INLINE Vec odd_of(Vec pairs) { return from_bits(bits_of(pairs) & static_cast<int32_t>(0xffff0000u)); }

template <int Rows, int Vectors>
ATTNRT_KERNEL_INLINE void add_outer(Vec (&acc)[Rows][Vectors], const float* a, int64_t lda, const Vec (&b)[Vectors]) {
  ATTNRT_KERNEL_UNROLL
  for (int i = 0; i < Rows; ++i) {
    const Vec row = broadcast(a[i * lda]);
    ATTNRT_KERNEL_UNROLL
    for (int j = 0; j < Vectors; ++j) acc[i][j] = madd(row, b[j], acc[i][j]);
  }
}

/// D::add of rows of B in memory.
template <class D, int Rows, int Vectors>
ATTNRT_KERNEL_INLINE void add_loaded(Vec (&acc)[Rows][Vectors], const typename D::A* a, int64_t lda,
                                     const char* const* b, int64_t at) {
  Vec columns[Vectors];
  ATTNRT_KERNEL_UNROLL
  for (int j = 0; j < Vectors; ++j) columns[j] = load_vec(b[j] + at);
  D::template add<Rows, Vectors>(acc, a, lda, columns);
}

struct DotFp32 {
  using A = float;
  static constexpr int kPair = 1, kBytes = 4;
  static constexpr bool kRoundsProbabilities = false;
  template <int Rows, int Vectors>
  ATTNRT_KERNEL_INLINE static void add(Vec (&acc)[Rows][Vectors], const A* a, int64_t lda, const Vec (&b)[Vectors]) {
    add_outer<Rows, Vectors>(acc, a, lda, b);
  }
  template <int Rows, int Vectors>
  ATTNRT_KERNEL_INLINE static void step(Vec (&acc)[Rows][Vectors], const A* a, int64_t lda, const char* const* b,
                                        int64_t at) {
    add_loaded<DotFp32, Rows, Vectors>(acc, a, lda, b, at);
  }
};

struct DotFp16 {
  using A = float;
  static constexpr int kPair = 1, kBytes = 2;
  static constexpr bool kRoundsProbabilities = false;
  template <int Rows, int Vectors>
  ATTNRT_KERNEL_INLINE static void step(Vec (&acc)[Rows][Vectors], const A* a, int64_t lda, const char* const* b,
                                        int64_t at) {
    Vec columns[Vectors];
    ATTNRT_KERNEL_UNROLL
    for (int j = 0; j < Vectors; ++j) columns[j] = widen_vec(reinterpret_cast<const Fp16*>(b[j] + at));
    add_outer<Rows, Vectors>(acc, a, lda, columns);
  }
};

struct DotWide {
  using A = float;
  static constexpr int kPair = 2, kBytes = 2;
  static constexpr bool kRoundsProbabilities = false;
  template <int Rows, int Vectors>
  ATTNRT_KERNEL_INLINE static void step(Vec (&acc)[Rows][Vectors], const A* a, int64_t lda, const char* const* b,
                                        int64_t at) {
    Vec columns[Vectors];
    ATTNRT_KERNEL_UNROLL
    for (int j = 0; j < Vectors; ++j) columns[j] = even_of(load_vec(b[j] + at));
    add_outer<Rows, Vectors>(acc, a, lda, columns);
    ATTNRT_KERNEL_UNROLL
    for (int j = 0; j < Vectors; ++j) columns[j] = odd_of(load_vec(b[j] + at));
    add_outer<Rows, Vectors>(acc, a + 1, lda, columns);
  }
};

#if defined(ATTNRT_KERNEL_PAIRS)
/// Weights of the values are rounded to bf16.
struct DotPair {
  using A = Bf16;
  static constexpr int kPair = 2, kBytes = 2;
  static constexpr bool kRoundsProbabilities = true;

  template <int Rows, int Vectors>
  ATTNRT_KERNEL_INLINE static void add(Vec (&acc)[Rows][Vectors], const A* a, int64_t lda, const Vec (&b)[Vectors]) {
    ATTNRT_KERNEL_UNROLL
    for (int i = 0; i < Rows; ++i) {
      int32_t two;
      std::memcpy(&two, a + i * lda, sizeof two);
      const VecInt row = two - VecInt{};
      ATTNRT_KERNEL_UNROLL
      for (int j = 0; j < Vectors; ++j)
        acc[i][j] = dot_pairs(acc[i][j], from_bits(row), b[j]);
    }
  }
  template <int Rows, int Vectors>
  ATTNRT_KERNEL_INLINE static void step(Vec (&acc)[Rows][Vectors], const A* a, int64_t lda, const char* const* b,
                                        int64_t at) {
    add_loaded<DotPair, Rows, Vectors>(acc, a, lda, b, at);
  }
};
#endif

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
