// SPDX-License-Identifier: Apache-2.0
//
// panel_pack_bytes.hpp: rows of e4m3, e5m2 and int8 become panels of bf16 pairs, which hold each of their numbers
// exactly, in registers on their way. Native pages of them (panel_layout.hpp) become panels too.
#ifndef ATTNRT_KERNEL_PANEL_PACK_BYTES_HPP
#define ATTNRT_KERNEL_PANEL_PACK_BYTES_HPP
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "byte_pairs.hpp"
#include "panel_pack.hpp"

#if defined(__AVX512BF16__)
namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

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
    for (int i = 0; i < kLanes; ++i) block[i] = to_vec(_mm512_maskz_loadu_epi8(mask, rows[i] + at));
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

/// A granule of tokens, the first at `token`, into value panels of a page.
template <class Byte>
inline void pack_byte_values(const uint8_t* const* rows, int64_t token, const PanelLayout& layout, char* page,
                             const uint8_t* const* later, int64_t num_later) {
  const BytesToBf16<Byte> table;
  for (int64_t panel = 0; panel < layout.value_panels(); ++panel) {
    char* to = page + layout.value_at(token, panel);
    const int64_t first = panel * kPanelWidth, step = layout.value_step(panel), dims = layout.panel_dims(panel);
    for (int64_t i = 0; i < kGranule; i += 2, to += step) {
      for (int64_t d = 0; d < dims; d += 16) {
        const int64_t rest = layout.head_size_v - first - d;
        const auto mask = static_cast<__mmask16>(rest >= 16 ? 0xffff : (1 << (rest > 0 ? rest : 0)) - 1);
        const __m128i even = _mm_maskz_loadu_epi8(mask, rows[i] + first + d);
        const __m128i odd = _mm_maskz_loadu_epi8(mask, rows[i + 1] + first + d);
        const __m256i both = _mm256_set_m128i(_mm_unpackhi_epi8(even, odd), _mm_unpacklo_epi8(even, odd));
        const Vec pairs = table.of(_mm512_maskz_cvtepi8_epi16(~__mmask32{0}, both));
        std::memcpy(to + d * 4, &pairs, sizeof pairs);
      }
      if (i < num_later) __builtin_prefetch(later[i] + first, 0, 2);
      if (i + 1 < num_later) __builtin_prefetch(later[i + 1] + first, 0, 2);
    }
  }
}

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

/// A chunk as panels of Pair: pairs of bf16, or each element's fp32. Lanes of an element follow each other; the next
/// Pair elements are `step_bytes` on.
template <class Byte, int Pair>
ATTNRT_KERNEL_INLINE void expand_chunk(const char* chunk, char* to, int64_t step_bytes) {
  for (int64_t at = 0; at < kByteChunk; at += kPairBytes, to += sizeof(Vec)) {
    const auto put = [&](int64_t step, Vec v) { std::memcpy(to + step * step_bytes, &v, sizeof v); };
#if defined(__AVX512BF16__)
    if constexpr (Pair == 2) {
      Vec first, second;
      BytePairs<Byte>{}.of(_mm512_loadu_si512(chunk + at), first, second);
      put(0, first);
      put(1, second);
      continue;
    }
#endif
    VecInt first, second;
    upper_bytes(chunk + at, first, second);
    put(0, even_number<Byte>(first));
    put(1, odd_number<Byte>(first));
    put(2, even_number<Byte>(second));
    put(3, odd_number<Byte>(second));
  }
}

/// A granule of a page of 8 bits, from its token `token` on.
struct ByteGranule {
  const char* page;
  int64_t token;
};

/// A granule to that at `column` of a page of `to`. `ahead`: the one whose lines are asked for meanwhile.
template <class Byte, int Pair>
inline void expand_granule(const PanelLayout& layout, ByteGranule from, const PanelLayout& to, char* to_page,
                           int64_t column, ByteGranule ahead) {
  constexpr int64_t kSteps = kByteElements / Pair;
  for (int64_t word = 0; word < layout.head_size_qk / kByteElements; ++word) {
    const int64_t at = word * layout.key_step();
    __builtin_prefetch(ahead.page + layout.key_at(ahead.token) + at, 0, 2);
    expand_chunk<Byte, Pair>(from.page + layout.key_at(from.token) + at,
                             to_page + to.key_at(column) + word * kSteps * to.key_step(), to.key_step());
  }
  for (int64_t panel = 0; panel < layout.value_panels(); ++panel)
    for (int64_t i = 0; i < kGranule; i += kByteElements)
      for (int64_t d = 0; d < layout.panel_dims(panel); d += kGranule) {
        const int64_t at = d * kByteElements;
        __builtin_prefetch(ahead.page + layout.value_at(ahead.token + i, panel) + at, 0, 2);
        expand_chunk<Byte, Pair>(from.page + layout.value_at(from.token + i, panel) + at,
                                 to_page + to.value_at(column + i, panel) + d * Pair * to.bytes, to.value_step(panel));
      }
}

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
