// SPDX-License-Identifier: Apache-2.0
//
// kv8_chunk.hpp: chunks of e4m3, e5m2 and int8 (panel_layout.hpp) as the two vectors of bf16 pairs that they hold,
// each number exactly. With VBMI two tables of 128 bytes tell both halves of a bf16 from a byte's lower seven bits.
#ifndef ATTNRT_CPU_ATTN_SIMD_KV8_CHUNK_HPP
#define ATTNRT_CPU_ATTN_SIMD_KV8_CHUNK_HPP
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "fp8_int8.hpp"
#include "panel_layout.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

/// Bytes of a chunk that fill two vectors.
constexpr int64_t kChunkPartBytes = kLanes * kChunkElements;

#if defined(ATTNRT_KERNEL_AVX512)
ATTNRT_KERNEL_INLINE Vec to_vec(__m512i words) {
  Vec v;
  std::memcpy(&v, &words, sizeof v);
  return v;
}

/// Words of 16 bits, each a byte with its sign extended, to bf16. The exponent of fp8 is moved by an addition; a table
/// of a word's lower five bits adds to subnormals what makes them normal, and to NaN and infinity what keeps them.
template <class Kv8>
struct Kv8ToBf16 {
  static constexpr bool kE4m3 = std::is_same_v<Kv8, E4m3>;
  static constexpr int kLast = static_cast<int>(kLastNumber<kE4m3 ? 3 : 2>);
  /// The first: m * 2^-9 and m * 2^-16 less the digits m where they have been shifted to. The last: a NaN less
  /// the digits of e4m3's; the highest exponent less that of e5m2.
  alignas(64) static constexpr uint16_t kTable[32] = {
      0,
      kE4m3 ? 0x3b00 - 0x10 : 0x3780 - 0x20,
      kE4m3 ? 0x3b80 - 0x20 : 0x3800 - 0x40,
      kE4m3 ? 0x3bc0 - 0x30 : 0x3840 - 0x60,
      kE4m3 ? 0x3c00 - 0x40 : 0,
      kE4m3 ? 0x3c20 - 0x50 : 0,
      kE4m3 ? 0x3c40 - 0x60 : 0,
      kE4m3 ? 0x3c60 - 0x70 : 0,
      0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
      kE4m3 ? 0 : 0x7f80 - 0x0f80,
      kE4m3 ? 0 : 0x7f80 - 0x0f80,
      kE4m3 ? 0 : 0x7f80 - 0x0f80,
      kE4m3 ? 0x7ff0 - 0x07f0 : 0x7f80 - 0x0f80,
  };
  const __m512i odd_ones = _mm512_load_si512(kTable);

  ATTNRT_KERNEL_INLINE Vec of(__m512i words) const {
    const auto set = [](int x) { return _mm512_set1_epi16(static_cast<int16_t>(x)); };
    const __m512i digits = _mm512_and_si512(_mm512_slli_epi16(words, kE4m3 ? 4 : 5), set(kE4m3 ? 0x87f0 : 0x8fe0));
    const __mmask32 tiny = _mm512_testn_epi16_mask(words, set(kE4m3 ? 0x78 : 0x7c));
    const __mmask32 special = _mm512_cmpgt_epi16_mask(_mm512_and_si512(words, set(0x7f)), set(kLast));
    const __m512i bias = set(kE4m3 ? 120 << 7 : 112 << 7);
    return to_vec(_mm512_add_epi16(digits, _mm512_mask_permutexvar_epi16(bias, tiny | special, words, odd_ones)));
  }
};
template <>
struct Kv8ToBf16<Int8> {
  ATTNRT_KERNEL_INLINE static Vec of(__m512i words) {
    VecInt w;
    std::memcpy(&w, &words, sizeof w);
    const VecInt even = bits_of(__builtin_convertvector((w << 16) >> 16, Vec));
    const VecInt odd = bits_of(__builtin_convertvector(w >> 16, Vec));
    return from_bits(((even >> 16) & 0xffff) | odd);  // their lower halves are 0
  }
};

#if defined(ATTNRT_KERNEL_VBMI)
/// The bf16 of the bytes 0 to 127, in halves.
template <class Kv8>
struct Bf16Halves {
  alignas(64) uint8_t low[128], high[128];

  constexpr Bf16Halves() : low(), high() {
    for (uint32_t m = 0; m < 128; ++m) {
      const uint32_t bits = bf16_of(m);
      low[m] = static_cast<uint8_t>(bits);
      high[m] = static_cast<uint8_t>(bits >> 8);
    }
  }
  static constexpr uint32_t bf16_of(uint32_t m) {
    constexpr bool kInt8 = std::is_same_v<Kv8, Int8>;
    constexpr uint32_t kDigits = kInt8 ? 7 : std::is_same_v<Kv8, E4m3> ? 3 : 2;  // all of an int8 are subnormals
    constexpr uint32_t kBias = kInt8 ? 133 : std::is_same_v<Kv8, E4m3> ? 120 : 112;
    if (!kInt8 && m > kLastNumber<kDigits>) return (m << (7 - kDigits) & 0x7fu) | kSpecial<kDigits> >> 16;
    if (m >= 1u << kDigits) return (m << (7 - kDigits)) + (kBias << 7);
    if (m == 0) return 0;
    uint32_t exponent = kBias + 1, digits = m << (7 - kDigits);
    for (; digits < 128; digits <<= 1) --exponent;
    return (exponent << 7) + digits - 128;
  }
};
template <class Kv8>
inline constexpr Bf16Halves<Kv8> kBf16Halves{};
#endif

/// What of a chunk fills two vectors, as it comes from memory.
using Chunk = __m512i;
ATTNRT_KERNEL_INLINE Chunk load_chunk(const char* from) { return _mm512_loadu_si512(from); }

/// A chunk as pairs of bf16: the elements 0 and 1 of each lane, and 2 and 3.
template <class Kv8>
struct Kv8Pairs {
#if defined(ATTNRT_KERNEL_VBMI)
  const __m512i low0 = _mm512_load_si512(kBf16Halves<Kv8>.low), low1 = _mm512_load_si512(kBf16Halves<Kv8>.low + 64);
  const __m512i high0 = _mm512_load_si512(kBf16Halves<Kv8>.high), high1 = _mm512_load_si512(kBf16Halves<Kv8>.high + 64);

  ATTNRT_KERNEL_INLINE void of(Chunk bytes, Vec& first, Vec& second) const {
    __m512i size = bytes;
    if constexpr (std::is_same_v<Kv8, Int8>) size = _mm512_maskz_abs_epi8(~__mmask64{0}, bytes);
    const __m512i low = _mm512_permutex2var_epi8(low0, size, low1);
    __m512i high = _mm512_permutex2var_epi8(high0, size, high1);
    if constexpr (std::is_same_v<Kv8, Int8>)  // -128 is what it is less than 0
      high = _mm512_mask_blend_epi8(_mm512_movepi8_mask(size), high, _mm512_set1_epi8(0x43));
    high = _mm512_ternarylogic_epi32(high, bytes, _mm512_set1_epi8(static_cast<char>(0x80)), 0xf8);  // the sign
    first = to_vec(_mm512_unpacklo_epi8(low, high));
    second = to_vec(_mm512_unpackhi_epi8(low, high));
  }
#else
  const Kv8ToBf16<Kv8> table{};

  ATTNRT_KERNEL_INLINE void of(Chunk bytes, Vec& first, Vec& second) const {
    const __m512i none = _mm512_setzero_si512();
    first = table.of(_mm512_srai_epi16(_mm512_unpacklo_epi8(none, bytes), 8));
    second = table.of(_mm512_srai_epi16(_mm512_unpackhi_epi8(none, bytes), 8));
  }
#endif
  ATTNRT_KERNEL_INLINE static Vec even(Vec pairs) { return even_of(pairs); }
  ATTNRT_KERNEL_INLINE static Vec odd(Vec pairs) { return odd_of(pairs); }
};
#else
using Chunk = __m256i;
ATTNRT_KERNEL_INLINE Chunk load_chunk(const char* from) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}

/// The same with words of 16 bits in place of bf16, whose upper halves are the bytes: only fp32 is made of them.
template <class Kv8>
struct Kv8Pairs {
  ATTNRT_KERNEL_INLINE static void of(Chunk bytes, Vec& first, Vec& second) {
    const __m256i low = _mm256_unpacklo_epi8(_mm256_setzero_si256(), bytes),
                  high = _mm256_unpackhi_epi8(_mm256_setzero_si256(), bytes);
    std::memcpy(&first, &low, sizeof first);
    std::memcpy(&second, &high, sizeof second);
  }
  ATTNRT_KERNEL_INLINE static Vec even(Vec words) { return numbers_of<Kv8>((bits_of(words) << 16) >> 24); }
  ATTNRT_KERNEL_INLINE static Vec odd(Vec words) { return numbers_of<Kv8>(bits_of(words) >> 24); }
};
#endif

/// Hides from the compiler that a pointer stays what it was: numbers that it would keep for the next vector push
/// accumulators out of the registers.
template <class T>
ATTNRT_KERNEL_INLINE const T* load_anew(const T* from) {
  asm("" : "+r"(from));
  return from;
}

/// Chunks by D, DotPair or DotFp32: what it makes of the same numbers in panels of its own, to the bit.
template <class Kv8, class D>
struct DotKv8 {
  using A = typename D::A;
  static constexpr int kPair = 4, kBytes = 1;
  static constexpr bool kRoundsProbabilities = D::kRoundsProbabilities;

  /// A chunk's pairs as column j.
  template <int Rows, int Vectors>
  ATTNRT_KERNEL_INLINE static void add(Vec (&acc)[Rows][Vectors], int j, const A* a, int64_t lda, Vec first,
                                       Vec second) {
    a = load_anew(a);
    const auto step = [&](const A* from, Vec column) {
      ATTNRT_KERNEL_UNROLL
      for (int i = 0; i < Rows; ++i) {
        Vec one[1][1] = {{acc[i][j]}};
        D::template add<1, 1>(one, from + i * lda, lda, {column});
        acc[i][j] = one[0][0];
      }
    };
    if constexpr (D::kPair == 2) {
      step(a, first);
      step(a + 2, second);
    } else {
      using Pairs = Kv8Pairs<Kv8>;
      step(a, Pairs::even(first));
      step(a + 1, Pairs::odd(first));
      step(a + 2, Pairs::even(second));
      step(a + 3, Pairs::odd(second));
    }
  }
  template <int Rows, int Vectors>
  ATTNRT_KERNEL_INLINE static void step(Vec (&acc)[Rows][Vectors], const A* a, int64_t lda, const char* const* b,
                                        int64_t at) {
    const Kv8Pairs<Kv8> bytes;
    ATTNRT_KERNEL_UNROLL
    for (int j = 0; j < Vectors; ++j) {
      Vec first, second;
      bytes.of(load_chunk(b[j] + at), first, second);
      add(acc, j, a, lda, first, second);
    }
  }
};

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
