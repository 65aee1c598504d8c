// SPDX-License-Identifier: Apache-2.0
//
// panel_pack_bytes.hpp: rows of e4m3, e5m2 and int8 become panels of bf16 pairs, which hold each of their numbers
// exactly, in registers on their way. The exponent of fp8 is moved by an addition; a table adds to subnormals what
// makes them normal.
#ifndef ATTNRT_KERNEL_PANEL_PACK_BYTES_HPP
#define ATTNRT_KERNEL_PANEL_PACK_BYTES_HPP
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "panel_pack.hpp"

#if defined(__AVX512BF16__)
namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

/// Words of 16 bits, each a byte with its sign extended, to bf16.
template <class Byte>
struct BytesToBf16 {
  static constexpr bool kE4m3 = std::is_same_v<Byte, E4m3>;
  /// m * 2^-9 and m * 2^-16 less the digits m where they have been shifted to.
  alignas(64) static constexpr uint16_t kTable[32] = {
      0,
      kE4m3 ? 0x3b00 - 0x10 : 0x3780 - 0x20,
      kE4m3 ? 0x3b80 - 0x20 : 0x3800 - 0x40,
      kE4m3 ? 0x3bc0 - 0x30 : 0x3840 - 0x60,
      kE4m3 ? 0x3c00 - 0x40 : 0,
      kE4m3 ? 0x3c20 - 0x50 : 0,
      kE4m3 ? 0x3c40 - 0x60 : 0,
      kE4m3 ? 0x3c60 - 0x70 : 0,
  };
  const __m512i subnormals = _mm512_load_si512(kTable);

  ATTNRT_KERNEL_INLINE Vec of(__m512i words) const {
    const auto set = [](int x) { return _mm512_set1_epi16(static_cast<int16_t>(x)); };
    const __m512i digits = _mm512_and_si512(_mm512_slli_epi16(words, kE4m3 ? 4 : 5), set(kE4m3 ? 0x87f0 : 0x8fe0));
    const __mmask32 tiny = _mm512_testn_epi16_mask(words, set(kE4m3 ? 0x78 : 0x7c));
    const __m512i bias = set(kE4m3 ? 120 << 7 : 112 << 7);
    return to_vec(_mm512_add_epi16(digits, _mm512_mask_permutexvar_epi16(bias, tiny, words, subnormals)));
  }
  ATTNRT_KERNEL_INLINE static Vec to_vec(__m512i words) {
    Vec v;
    std::memcpy(&v, &words, sizeof v);
    return v;
  }
};
template <>
struct BytesToBf16<Int8> {
  ATTNRT_KERNEL_INLINE static Vec of(__m512i words) {
    VecInt w;
    std::memcpy(&w, &words, sizeof w);
    const VecInt even = bits_of(__builtin_convertvector((w << 16) >> 16, Vec));
    const VecInt odd = bits_of(__builtin_convertvector(w >> 16, Vec));
    return from_bits(((even >> 16) & 0xffff) | odd);  // their lower halves are 0
  }
};

/// kGranule keys into a key panel; step_bytes between its steps of two dims, `dims` a multiple of 4. `later`: rows to
/// ask for meanwhile, `num_later` of them.
template <class Byte>
inline void pack_byte_keys(const uint8_t* const* rows, int64_t dims, char* to, int64_t step_bytes,
                           const uint8_t* const* later, int64_t num_later) {
  const BytesToBf16<Byte> table;
  // Bytes 0 and 1, or 2 and 3, of each word of four to the upper halves of its 16-bit words; indices count within a
  // quarter.
  const __m512i low = _mm512_set4_epi32(0x0d800c80, 0x09800880, 0x05800480, 0x01800080);
  const __m512i high = _mm512_set4_epi32(0x0f800e80, 0x0b800a80, 0x07800680, 0x03800280);
  for (int64_t at = 0; at < dims; at += 64) {
    const int64_t rest = dims - at, words = rest < 64 ? rest / 4 : 16;
    const auto mask = rest < 64 ? (uint64_t{1} << rest) - 1 : ~uint64_t{0};
    Vec block[kLanes];
    ATTNRT_KERNEL_UNROLL
    for (int i = 0; i < kLanes; ++i) block[i] = BytesToBf16<E4m3>::to_vec(_mm512_maskz_loadu_epi8(mask, rows[i] + at));
    transpose_words(block);
    const auto put = [&](int64_t i, Vec four) {
      __m512i bytes;
      std::memcpy(&bytes, &four, sizeof bytes);
      char* step = to + (at / 2 + 2 * i) * step_bytes;
      const Vec first = table.of(_mm512_srai_epi16(_mm512_shuffle_epi8(bytes, low), 8));
      const Vec second = table.of(_mm512_srai_epi16(_mm512_shuffle_epi8(bytes, high), 8));
      std::memcpy(step, &first, sizeof first);
      std::memcpy(step + step_bytes, &second, sizeof second);
      if (i < num_later) __builtin_prefetch(later[i] + at, 0, 2);
    };
    if (words == 16) {
      ATTNRT_KERNEL_UNROLL
      for (int i = 0; i < kLanes; ++i) put(i, block[i]);
    } else {
      for (int64_t i = 0; i < words; ++i) put(i, block[i]);
    }
  }
}

/// Rounds both elements of pairs times their scales.
ATTNRT_KERNEL_INLINE Vec scale_pairs(Vec pairs, Vec even_scale, Vec odd_scale) {
  const auto round = [](Vec x) {
    const VecInt u = bits_of(x);
    return u + 0x7fff + ((u >> 16) & 1);
  };
  const VecInt even = round(even_of(pairs) * even_scale), odd = round(odd_of(pairs) * odd_scale);
  return from_bits(((even >> 16) & 0xffff) | (odd & static_cast<int32_t>(0xffff0000u)));
}

/// A granule of tokens, the first at `token`, into value panels of a page, each times its scale where there are any.
template <class Byte>
inline void pack_byte_values(const uint8_t* const* rows, const float* scales, int64_t token, const PanelLayout& layout,
                             char* page, const uint8_t* const* later, int64_t num_later) {
  const BytesToBf16<Byte> table;
  for (int64_t panel = 0; panel < layout.value_panels(); ++panel) {
    char* to = page + layout.value_at(token, panel);
    const int64_t first = panel * kPanelWidth, step = layout.value_step(panel), dims = layout.panel_dims(panel);
    for (int64_t i = 0; i < kGranule; i += 2, to += step) {
      for (int64_t d = 0; d < dims; d += 16) {
        const int64_t rest = layout.head_size_v - first - d;
        const auto mask = static_cast<__mmask16>(rest >= 16 ? 0xffff : (1 << (rest > 0 ? rest : 0)) - 1);
        const auto words = [&](const uint8_t* row) {
          return _mm512_maskz_cvtepi8_epi32(static_cast<__mmask16>(-1), _mm_maskz_loadu_epi8(mask, row + first + d));
        };
        const __m512i even = words(rows[i]), odd = words(rows[i + 1]);
        const __m512i upper = _mm512_maskz_slli_epi32(static_cast<__mmask16>(-1), odd, 16);
        const __m512i both = _mm512_mask_blend_epi16(0xaaaaaaaau, even, upper);
        Vec pairs = table.of(both);
        if (scales) pairs = scale_pairs(pairs, broadcast(scales[i]), broadcast(scales[i + 1]));
        std::memcpy(to + d * 4, &pairs, sizeof pairs);
      }
      if (i < num_later) __builtin_prefetch(later[i] + first, 0, 2);
      if (i + 1 < num_later) __builtin_prefetch(later[i + 1] + first, 0, 2);
    }
  }
}

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
#endif
