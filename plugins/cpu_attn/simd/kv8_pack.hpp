// SPDX-License-Identifier: Apache-2.0
//
// kv8_pack.hpp: rows of e4m3, e5m2 and int8 become panels of bf16 pairs, which hold each of their numbers
// exactly, in registers on their way. Native pages of them (panel_layout.hpp) become panels too.
#ifndef ATTNRT_CPU_ATTN_SIMD_KV8_PACK_HPP
#define ATTNRT_CPU_ATTN_SIMD_KV8_PACK_HPP
#include <cstdint>
#include <cstring>

#include "kv8_chunk.hpp"
#include "panel_pack.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

#if defined(ATTNRT_KERNEL_AVX512)
/// Four elements a lane in the order of a chunk.
ATTNRT_KERNEL_INLINE_MOVES Chunk chunk_of(Vec word) {
  __m512i bytes;
  std::memcpy(&bytes, &word, sizeof bytes);
  return _mm512_shuffle_epi8(bytes, _mm512_set4_epi32(0x0f0e0b0a, 0x07060302, 0x0d0c0908, 0x05040100));
}

/// Values of four rows at `dim` as chunks.
template <int Vectors>
ATTNRT_KERNEL_INLINE_MOVES void load_chunks(const char* const* rows, int64_t dim, int64_t dims,
                                            Chunk (&chunks)[Vectors]) {
  const int64_t rest = dims - dim;
  const auto mask = rest >= 64 ? ~__mmask64{0} : (__mmask64{1} << rest) - 1;
  const auto load_row = [&](int r) { return _mm512_maskz_loadu_epi8(mask, rows[r] + dim); };
  const __m512i row0 = load_row(0), row1 = load_row(1), row2 = load_row(2), row3 = load_row(3);
  const __m512i a = _mm512_unpacklo_epi8(row0, row1), b = _mm512_unpackhi_epi8(row0, row1);
  const __m512i c = _mm512_unpacklo_epi8(row2, row3), d = _mm512_unpackhi_epi8(row2, row3);
  Vec quarter[4];
  const auto even = [](__m512i x, __m512i y) {
    return to_vec(__builtin_shufflevector(x, y, 0, 8, 2, 10, 4, 12, 6, 14));
  };
  const auto odd = [](__m512i x, __m512i y) {
    return to_vec(__builtin_shufflevector(x, y, 1, 9, 3, 11, 5, 13, 7, 15));
  };
  split_quarters(even(a, c), odd(a, c), even(b, d), odd(b, d), quarter);
  std::memcpy(chunks, quarter, sizeof chunks);
}
#endif

#if defined(ATTNRT_KERNEL_PAIRS)
/// kGranule keys into a key panel; step_bytes between its steps of two dims, `dims` a multiple of 4. `later`: rows to
/// prefetch meanwhile, `num_later` of them.
template <class Kv8>
inline void pack_kv8_keys(const uint8_t* const* rows, int64_t dims, char* to, int64_t step_bytes,
                          const uint8_t* const* later, int64_t num_later) {
  const Kv8Pairs<Kv8> bytes;
  for (int64_t at = 0; at < dims; at += 64) {
    const int64_t rest = dims - at, words = rest < 64 ? rest / 4 : 16;
    const auto mask = rest < 64 ? (uint64_t{1} << rest) - 1 : ~uint64_t{0};
    Vec block[kLanes];
    ATTNRT_KERNEL_UNROLL
    for (int i = 0; i < kLanes; ++i) block[i] = to_vec(_mm512_maskz_loadu_epi8(mask, rows[i] + at));
    transpose_words(block);
    const auto put = [&](int64_t i, Vec four) {
      char* step = to + (at / 2 + 2 * i) * step_bytes;
      Vec first, second;
      bytes.of(chunk_of(four), first, second);
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
template <class Kv8>
inline void pack_kv8_values(const uint8_t* const* rows, int64_t token, const PanelLayout& layout, char* page,
                            const uint8_t* const* later, int64_t num_later) {
  const Kv8Pairs<Kv8> bytes;
  const char* four[kChunkElements];
  for (int64_t panel = 0; panel < layout.value_panels(); ++panel) {
    char* to = page + layout.value_at(token, panel);
    const int64_t first_dim = panel * kPanelWidth, step = layout.value_step(panel), dims = layout.panel_dims(panel);
    for (int64_t i = 0; i < kGranule; i += kChunkElements, to += 2 * step) {
      for (int64_t r = 0; r < kChunkElements; ++r) {
        four[r] = reinterpret_cast<const char*>(rows[i + r]);
        if (i + r < num_later) __builtin_prefetch(later[i + r] + first_dim, 0, 2);
      }
      Chunk chunks[kPanelWidth / kGranule];
      load_chunks(four, first_dim, layout.head_size_v, chunks);
      for (int64_t d = 0; d < dims; d += kGranule) {
        Vec first, second;
        bytes.of(chunks[d / kGranule], first, second);
        std::memcpy(to + d * 4, &first, sizeof first);
        std::memcpy(to + step + d * 4, &second, sizeof second);
      }
    }
  }
}
#endif

/// A chunk as panels of Pair: pairs of bf16, or each element's fp32. Lanes of an element follow each other; the next
/// Pair elements are `step_bytes` on.
template <class Kv8, int Pair>
ATTNRT_KERNEL_INLINE void expand_chunk(const char* chunk, char* to, int64_t step_bytes) {
  const Kv8Pairs<Kv8> bytes;
  for (int64_t at = 0; at < kChunkBytes; at += kChunkPartBytes, to += sizeof(Vec)) {
    const auto put = [&](int64_t step, Vec v) { std::memcpy(to + step * step_bytes, &v, sizeof v); };
    Vec first, second;
    bytes.of(load_chunk(chunk + at), first, second);
    if constexpr (Pair == 2) {
      put(0, first);
      put(1, second);
    } else {
      put(0, bytes.even(first));
      put(1, bytes.odd(first));
      put(2, bytes.even(second));
      put(3, bytes.odd(second));
    }
  }
}

/// A granule of a page of 8 bits to that at `column` of a page of `to`. `prefetch`: the one whose lines
/// are prefetched meanwhile.
template <class Kv8, int Pair>
inline void expand_granule(const PanelLayout& layout, PageGranule from, const PanelLayout& to, char* to_page,
                           int64_t column, PageGranule prefetch) {
  constexpr int64_t kSteps = kChunkElements / Pair;
  for (int64_t word = 0; word < layout.head_size_qk / kChunkElements; ++word) {
    const int64_t at = word * layout.key_step();
    __builtin_prefetch(prefetch.page + layout.key_at(prefetch.token) + at, 0, 2);
    expand_chunk<Kv8, Pair>(from.page + layout.key_at(from.token) + at,
                            to_page + to.key_at(column) + word * kSteps * to.key_step(), to.key_step());
  }
  for (int64_t panel = 0; panel < layout.value_panels(); ++panel)
    for (int64_t i = 0; i < kGranule; i += kChunkElements)
      for (int64_t d = 0; d < layout.panel_dims(panel); d += kGranule) {
        const int64_t at = d * kChunkElements;
        __builtin_prefetch(prefetch.page + layout.value_at(prefetch.token + i, panel) + at, 0, 2);
        expand_chunk<Kv8, Pair>(from.page + layout.value_at(from.token + i, panel) + at,
                                to_page + to.value_at(column + i, panel) + d * Pair * to.element_bytes,
                                to.value_step(panel));
      }
}

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
