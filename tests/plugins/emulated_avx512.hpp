// SPDX-License-Identifier: Apache-2.0
//
// emulated_avx512.hpp: the intrinsics of AVX-512 that kernels here use, by AVX2, F16C and loops, so that kernels of 16
// lanes can be tested where the processor has no more than those (Intel's Software Developer's Manual, volume 2). They
// have the names of the compiler's, which they hide in the kernels' namespace: what a kernel uses beyond this list does
// not compile. The types are the compiler's own, and it takes operators on them apart by itself.
#ifndef ATTNRT_TEST_EMULATED_AVX512_HPP
#define ATTNRT_TEST_EMULATED_AVX512_HPP
#include <immintrin.h>

#include <cstdint>
#include <cstring>

// Macros of some compilers and settings.
#undef _mm512_maskz_roundscale_ps
#undef _mm512_cmpgt_epi16_mask
#undef _mm512_setr_epi64
#undef _mm512_ternarylogic_epi32

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

#define ATTNRT_TEST_INLINE [[gnu::always_inline]] inline
// Loops over elements are calls: in line, in every register tile, they would take minutes to compile.
#define ATTNRT_TEST_CALL [[gnu::noinline]] inline

/// The elements of a vector of 64 bytes.
template <class T>
struct Elements {
  static constexpr int kCount = 64 / static_cast<int>(sizeof(T));
  T e[kCount];

  Elements() = default;
  template <class Wide>
  ATTNRT_TEST_INLINE explicit Elements(Wide v) {
    static_assert(sizeof v == sizeof e);
    std::memcpy(e, &v, sizeof e);
  }
  template <class Wide>
  ATTNRT_TEST_INLINE operator Wide() const {
    Wide v;
    static_assert(sizeof v == sizeof e);
    std::memcpy(&v, e, sizeof v);
    return v;
  }
};

/// Elements of type T whose bit of the mask is 0 become zeros.
template <class T, class Wide>
ATTNRT_TEST_INLINE Wide masked(uint64_t mask, Wide v) {
  constexpr int count = Elements<T>::kCount;
  if (mask == ~uint64_t{0} >> (64 - count)) return v;
  Elements<T> to(v);
  for (int i = 0; i < count; ++i)
    if (!(mask >> i & 1)) to.e[i] = 0;
  return to;
}

/// Elements of memory, zeros where the bit of the mask is 0; those are not read.
template <class T, int Count>
ATTNRT_TEST_INLINE void load_masked(uint64_t mask, const void* from, T (&to)[Count]) {
  if (mask == ~uint64_t{0} >> (64 - Count)) {
    std::memcpy(to, from, sizeof to);
    return;
  }
  for (int i = 0; i < Count; ++i) {
    to[i] = 0;
    if (mask >> i & 1) std::memcpy(&to[i], static_cast<const char*>(from) + i * static_cast<int>(sizeof(T)), sizeof(T));
  }
}

/// f of each half of the operands.
template <class Half, class Wide, class F, class... More>
ATTNRT_TEST_INLINE Wide by_halves(F f, Wide a, More... more) {
  const auto half = [](const auto& v, int i) {
    Half h;
    std::memcpy(&h, reinterpret_cast<const char*>(&v) + i * static_cast<int>(sizeof h), sizeof h);
    return h;
  };
  const Half both[2] = {f(half(a, 0), half(more, 0)...), f(half(a, 1), half(more, 1)...)};
  std::memcpy(&a, both, sizeof a);
  return a;
}
ATTNRT_TEST_INLINE __m512i join(__m256i low, __m256i high) {
  const __m256i both[2] = {low, high};
  __m512i v;
  std::memcpy(&v, both, sizeof v);
  return v;
}

// Memory and constants.
ATTNRT_TEST_INLINE __m512i _mm512_loadu_si512(const void* from) {
  __m512i v;
  std::memcpy(&v, from, sizeof v);
  return v;
}
ATTNRT_TEST_INLINE __m512i _mm512_load_si512(const void* from) { return _mm512_loadu_si512(from); }
ATTNRT_TEST_INLINE void _mm512_storeu_si512(void* to, __m512i v) { std::memcpy(to, &v, sizeof v); }
ATTNRT_TEST_CALL __m512 _mm512_maskz_loadu_ps(__mmask16 mask, const void* from) {
  Elements<float> v;
  load_masked(mask, from, v.e);
  return v;
}
ATTNRT_TEST_CALL __m512i _mm512_maskz_loadu_epi32(__mmask16 mask, const void* from) {
  Elements<int32_t> v;
  load_masked(mask, from, v.e);
  return v;
}
ATTNRT_TEST_CALL __m512i _mm512_maskz_loadu_epi8(__mmask64 mask, const void* from) {
  Elements<int8_t> v;
  load_masked(mask, from, v.e);
  return v;
}
ATTNRT_TEST_CALL __m256i _mm256_maskz_loadu_epi16(__mmask16 mask, const void* from) {
  int16_t elements[16];
  load_masked(mask, from, elements);
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(elements));
}
ATTNRT_TEST_INLINE __m512i _mm512_setzero_si512() { return __m512i{}; }
ATTNRT_TEST_INLINE __m512i _mm512_set1_epi16(int16_t x) { return join(_mm256_set1_epi16(x), _mm256_set1_epi16(x)); }
ATTNRT_TEST_INLINE __m512i _mm512_set1_epi8(char x) { return join(_mm256_set1_epi8(x), _mm256_set1_epi8(x)); }
ATTNRT_TEST_INLINE __m512i _mm512_set4_epi32(int d, int c, int b, int a) {
  const __m256i half = _mm256_setr_epi32(a, b, c, d, a, b, c, d);
  return join(half, half);
}
ATTNRT_TEST_INLINE __m512i _mm512_setr_epi64(int64_t a, int64_t b, int64_t c, int64_t d, int64_t e, int64_t f,
                                             int64_t g, int64_t h) {
  return __m512i{a, b, c, d, e, f, g, h};
}

// fp32.
ATTNRT_TEST_INLINE __m512 _mm512_fmadd_ps(__m512 a, __m512 b, __m512 c) {
  return by_halves<__m256>([](__m256 x, __m256 y, __m256 z) { return _mm256_fmadd_ps(x, y, z); }, a, b, c);
}
ATTNRT_TEST_INLINE __m512 _mm512_maskz_max_ps(__mmask16 mask, __m512 a, __m512 b) {
  return masked<float>(mask, by_halves<__m256>([](__m256 x, __m256 y) { return _mm256_max_ps(x, y); }, a, b));
}
ATTNRT_TEST_INLINE __m512 _mm512_maskz_sqrt_ps(__mmask16 mask, __m512 a) {
  return masked<float>(mask, by_halves<__m256>([](__m256 x) { return _mm256_sqrt_ps(x); }, a));
}
/// To whole numbers, to even; other roundings end the process.
ATTNRT_TEST_INLINE __m512 _mm512_maskz_roundscale_ps(__mmask16 mask, __m512 a, int how) {
  constexpr int nearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  if (how != nearest) __builtin_trap();
  return masked<float>(mask, by_halves<__m256>([](__m256 x) { return _mm256_round_ps(x, nearest); }, a));
}
/// a * 2^floor(b), rounded once: double holds each product of a finite a with a power that matters.
ATTNRT_TEST_CALL __m512 _mm512_maskz_scalef_ps(__mmask16 mask, const __m512& a, const __m512& b) {
  Elements<float> x(a), n(b);
  for (int i = 0; i < 16; ++i) {
    const float least = -400.0f, most = 400.0f;
    const float bounded = n.e[i] > least ? (n.e[i] < most ? n.e[i] : most) : least;  // NaN: any
    const int64_t power = static_cast<int64_t>(__builtin_floorf(bounded)) + 1023;
    double factor;
    const int64_t bits = power << 52;
    std::memcpy(&factor, &bits, sizeof factor);
    const float product = static_cast<float>(static_cast<double>(x.e[i]) * factor);
    const bool no_number = __builtin_isnan(n.e[i]) || (__builtin_isinf(n.e[i]) && n.e[i] > 0 && x.e[i] == 0) ||
                           (__builtin_isinf(n.e[i]) && n.e[i] < 0 && __builtin_isinf(x.e[i]));
    x.e[i] = no_number ? __builtin_nanf("") : product;
  }
  return masked<float>(mask, static_cast<__m512>(x));
}

// Conversions.
ATTNRT_TEST_INLINE __m512i _mm512_maskz_cvtepu16_epi32(__mmask16 mask, __m256i a) {
  return masked<int32_t>(mask, join(_mm256_cvtepu16_epi32(_mm256_castsi256_si128(a)),
                                    _mm256_cvtepu16_epi32(_mm256_extracti128_si256(a, 1))));
}
ATTNRT_TEST_INLINE __m512i _mm512_maskz_cvtepi8_epi32(__mmask16 mask, __m128i a) {
  return masked<int32_t>(mask, join(_mm256_cvtepi8_epi32(a), _mm256_cvtepi8_epi32(_mm_srli_si128(a, 8))));
}
ATTNRT_TEST_CALL __m256i _mm512_maskz_cvtepi32_epi16(__mmask16 mask, const __m512i& a) {
  const Elements<int32_t> wide(a);
  int16_t narrow[16];
  for (int i = 0; i < 16; ++i) narrow[i] = mask >> i & 1 ? static_cast<int16_t>(wide.e[i]) : int16_t{0};
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(narrow));
}
ATTNRT_TEST_INLINE __m512 _mm512_maskz_cvtph_ps(__mmask16 mask, __m256i a) {
  const __m256 both[2] = {_mm256_cvtph_ps(_mm256_castsi256_si128(a)), _mm256_cvtph_ps(_mm256_extracti128_si256(a, 1))};
  __m512 v;
  std::memcpy(&v, both, sizeof v);
  return masked<float>(mask, v);
}

// Words and bytes.
#define ATTNRT_TEST_BY_HALVES(name, half)                                             \
  ATTNRT_TEST_INLINE __m512i name(__m512i a, __m512i b) {                             \
    return by_halves<__m256i>([](__m256i x, __m256i y) { return half(x, y); }, a, b); \
  }
#define ATTNRT_TEST_MASKED_BY_HALVES(name, half, type)                                                    \
  ATTNRT_TEST_INLINE __m512i name(uint64_t mask, __m512i a, __m512i b) {                                  \
    return masked<type>(mask, by_halves<__m256i>([](__m256i x, __m256i y) { return half(x, y); }, a, b)); \
  }
ATTNRT_TEST_BY_HALVES(_mm512_and_si512, _mm256_and_si256)
ATTNRT_TEST_BY_HALVES(_mm512_add_epi16, _mm256_add_epi16)
ATTNRT_TEST_BY_HALVES(_mm512_shuffle_epi8, _mm256_shuffle_epi8)
ATTNRT_TEST_BY_HALVES(_mm512_unpacklo_epi8, _mm256_unpacklo_epi8)
ATTNRT_TEST_BY_HALVES(_mm512_unpackhi_epi8, _mm256_unpackhi_epi8)
ATTNRT_TEST_MASKED_BY_HALVES(_mm512_maskz_unpacklo_epi16, _mm256_unpacklo_epi16, int16_t)
ATTNRT_TEST_MASKED_BY_HALVES(_mm512_maskz_unpackhi_epi16, _mm256_unpackhi_epi16, int16_t)
ATTNRT_TEST_MASKED_BY_HALVES(_mm512_maskz_unpacklo_epi32, _mm256_unpacklo_epi32, int32_t)
ATTNRT_TEST_MASKED_BY_HALVES(_mm512_maskz_unpackhi_epi32, _mm256_unpackhi_epi32, int32_t)
ATTNRT_TEST_MASKED_BY_HALVES(_mm512_maskz_unpacklo_epi64, _mm256_unpacklo_epi64, int64_t)
ATTNRT_TEST_MASKED_BY_HALVES(_mm512_maskz_unpackhi_epi64, _mm256_unpackhi_epi64, int64_t)
#undef ATTNRT_TEST_BY_HALVES
#undef ATTNRT_TEST_MASKED_BY_HALVES

ATTNRT_TEST_INLINE __m512i _mm512_slli_epi16(__m512i a, int count) {
  return by_halves<__m256i>([count](__m256i x) { return _mm256_slli_epi16(x, count); }, a);
}
ATTNRT_TEST_INLINE __m512i _mm512_srai_epi16(__m512i a, int count) {
  return by_halves<__m256i>([count](__m256i x) { return _mm256_srai_epi16(x, count); }, a);
}
ATTNRT_TEST_CALL __m512i _mm512_maskz_abs_epi8(__mmask64 mask, const __m512i& a) {
  return masked<int8_t>(mask, by_halves<__m256i>([](__m256i x) { return _mm256_abs_epi8(x); }, a));
}
ATTNRT_TEST_CALL __mmask64 _mm512_movepi8_mask(const __m512i& a) {
  const Elements<int8_t> x(a);
  __mmask64 mask = 0;
  for (int i = 0; i < 64; ++i) mask |= __mmask64{x.e[i] < 0} << i;
  return mask;
}
ATTNRT_TEST_CALL __mmask32 _mm512_testn_epi16_mask(const __m512i& a, const __m512i& b) {
  const Elements<uint16_t> x(a), y(b);
  __mmask32 mask = 0;
  for (int i = 0; i < 32; ++i) mask |= __mmask32{(x.e[i] & y.e[i]) == 0} << i;
  return mask;
}
ATTNRT_TEST_CALL __mmask32 _mm512_cmpgt_epi16_mask(const __m512i& a, const __m512i& b) {
  const Elements<int16_t> x(a), y(b);
  __mmask32 mask = 0;
  for (int i = 0; i < 32; ++i) mask |= __mmask32{x.e[i] > y.e[i]} << i;
  return mask;
}
/// b where the bit of the mask is 1, else a.
ATTNRT_TEST_CALL __m512i _mm512_mask_blend_epi8(__mmask64 mask, const __m512i& a, const __m512i& b) {
  Elements<int8_t> to(a);
  const Elements<int8_t> other(b);
  for (int i = 0; i < 64; ++i)
    if (mask >> i & 1) to.e[i] = other.e[i];
  return to;
}
/// Each bit of `table` is the result of three bits: 4 of a's, 2 of b's, 1 of c's.
ATTNRT_TEST_CALL __m512i _mm512_ternarylogic_epi32(const __m512i& a, const __m512i& b, const __m512i& c, int table) {
  __m512i to{};
  for (int i = 0; i < 8; ++i)
    if (table >> i & 1) to |= (i & 4 ? a : ~a) & (i & 2 ? b : ~b) & (i & 1 ? c : ~c);
  return to;
}

// Places that other lanes name.
ATTNRT_TEST_CALL __m512i _mm512_mask_permutexvar_epi16(const __m512i& keep, __mmask32 mask, const __m512i& places,
                                                       const __m512i& from) {
  Elements<uint16_t> to(keep);
  const Elements<uint16_t> place(places), source(from);
  for (int i = 0; i < 32; ++i)
    if (mask >> i & 1) to.e[i] = source.e[place.e[i] & 31];
  return to;
}
ATTNRT_TEST_CALL __m512i _mm512_maskz_permutex2var_epi64(__mmask8 mask, const __m512i& a, const __m512i& places,
                                                         const __m512i& b) {
  const Elements<int64_t> first(a), second(b), place(places);
  Elements<int64_t> to;
  for (int i = 0; i < 8; ++i) to.e[i] = place.e[i] & 8 ? second.e[place.e[i] & 7] : first.e[place.e[i] & 7];
  return masked<int64_t>(mask, static_cast<__m512i>(to));
}
ATTNRT_TEST_CALL __m512i _mm512_permutex2var_epi8(const __m512i& a, const __m512i& places, const __m512i& b) {
  const Elements<uint8_t> first(a), second(b), place(places);
  Elements<uint8_t> to;
  for (int i = 0; i < 64; ++i) to.e[i] = place.e[i] & 64 ? second.e[place.e[i] & 63] : first.e[place.e[i] & 63];
  return to;
}

#undef ATTNRT_TEST_CALL
#undef ATTNRT_TEST_INLINE

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
