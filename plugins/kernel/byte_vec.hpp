// SPDX-License-Identifier: Apache-2.0
//
// byte_vec.hpp: rows of e4m3, e5m2 and int8 (dtype.hpp) as fp32. An fp8 byte becomes fp16 by a shift (e4m3: 2^-8 of its
// value), which the processor widens.
#ifndef ATTNRT_KERNEL_BYTE_VEC_HPP
#define ATTNRT_KERNEL_BYTE_VEC_HPP
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "dot.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

#if defined(__AVX2__)
/// `count` <= 32 bytes, the rest 0; reads no more than those.
ATTNRT_KERNEL_INLINE __m256i load_bytes(const void* from, int64_t count) {
  if (count >= 32) return _mm256_loadu_si256(static_cast<const __m256i*>(from));
  alignas(32) char whole[32] = {};
  std::memcpy(whole, from, static_cast<std::size_t>(count));
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(whole));
}

#if defined(__AVX512F__)
/// 16 bytes of int8 as fp32.
ATTNRT_KERNEL_INLINE __m512 numbers_of(__m128i bytes) {
  constexpr auto kAll = static_cast<__mmask16>(-1);
  return _mm512_maskz_cvtepi32_ps(kAll, _mm512_maskz_cvtepi8_epi32(kAll, bytes));
}
#endif

/// 16 bytes times `factor` to `to`.
template <class Byte>
ATTNRT_KERNEL_INLINE void widen_sixteen(__m128i bytes, float* to, float factor) {
  if constexpr (std::is_same_v<Byte, Int8>) {
#if defined(__AVX512F__)
    store(to, numbers_of(bytes) * broadcast(factor));
#else
    store(to, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)) * broadcast(factor));
    store(to + 8, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8))) * broadcast(factor));
#endif
  } else {
    const __m256i words = _mm256_cvtepu8_epi16(bytes);
    __m256i halves = _mm256_slli_epi16(words, 8);
    if constexpr (std::is_same_v<Byte, E4m3>) {
      const __m256i digits = _mm256_and_si256(_mm256_slli_epi16(words, 7), _mm256_set1_epi16(0x3f80));
      halves = _mm256_or_si256(_mm256_and_si256(halves, _mm256_set1_epi16(static_cast<int16_t>(0x8000))), digits);
      factor *= 256.0f;
    }
#if defined(__AVX512F__)
    store(to, _mm512_maskz_cvtph_ps(static_cast<__mmask16>(-1), halves) * broadcast(factor));
#else
    store(to, _mm256_cvtph_ps(_mm256_castsi256_si128(halves)) * broadcast(factor));
    store(to + 8, _mm256_cvtph_ps(_mm256_extracti128_si256(halves, 1)) * broadcast(factor));
#endif
  }
}
#endif

/// n numbers of a row times `factor`.
template <class Byte>
inline void widen_bytes(const Byte* from, float* to, int64_t n, float factor) {
#if defined(__AVX2__)
  const char* at = reinterpret_cast<const char*>(from);
  int64_t i = 0;
  for (; i + 16 <= n; i += 16)
    widen_sixteen<Byte>(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at + i)), to + i, factor);
  if (i == n) return;
  float last[16];
  widen_sixteen<Byte>(_mm256_castsi256_si128(load_bytes(at + i, n - i)), last, factor);
  std::memcpy(to + i, last, static_cast<std::size_t>(n - i) * sizeof(float));
#else
  for (int64_t i = 0; i < n; ++i) to[i] = widen(from[i]) * factor;
#endif
}

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
