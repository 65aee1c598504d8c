// SPDX-License-Identifier: Apache-2.0
//
// dtype.hpp: fp32 from and to the types that tensors are stored in, by integer operations that a compiler turns into
// vector code on every instruction set. Widening is exact: the NaN of e4m3, the NaN and infinities of e5m2 are read as
// what they are. Narrowing rounds to nearest, ties to even, and keeps NaN a NaN, which in int8 becomes 0; types of 8
// bits saturate, for infinity too.
#ifndef ATTNRT_CPU_ATTN_SIMD_DTYPE_HPP
#define ATTNRT_CPU_ATTN_SIMD_DTYPE_HPP
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "isa.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

/// Storage types of a tensor's elements.
struct Bf16 {
  uint16_t bits;
};
struct Fp16 {
  uint16_t bits;
};
struct E4m3 {
  uint8_t bits;
};
struct E5m2 {
  uint8_t bits;
};
struct Int8 {
  int8_t value;
};

ATTNRT_KERNEL_INLINE uint32_t word_of(float x) {
  uint32_t u;
  std::memcpy(&u, &x, sizeof u);
  return u;
}
ATTNRT_KERNEL_INLINE float float_of(uint32_t u) {
  float x;
  std::memcpy(&x, &u, sizeof x);
  return x;
}

ATTNRT_KERNEL_INLINE float widen(float x) { return x; }
ATTNRT_KERNEL_INLINE float widen(Bf16 x) { return float_of(static_cast<uint32_t>(x.bits) << 16); }
/// The exponent is moved by an addition, to that of infinity and NaN by another one. Subnormals are counted in units of
/// the smallest: no step depends on how the processor treats subnormal fp32.
ATTNRT_KERNEL_INLINE float widen(Fp16 x) {
  const uint32_t h = x.bits, magnitude = h & 0x7fffu;
  const uint32_t tiny = word_of(static_cast<float>(static_cast<int32_t>(magnitude)) * float_of(0x33800000u));  // 2^-24
  const uint32_t normal = (magnitude << 13) + (magnitude >= 0x7c00u ? 0x70000000u : 0x38000000u);
  return float_of((magnitude < 0x400u ? tiny : normal) | (h & 0x8000u) << 16);
}
/// The largest magnitude that is a number, and what makes the fp32 of those beyond it what they are: in e4m3 the one
/// NaN, in e5m2 the highest exponent, which keeps its digits.
template <int Digits>
inline constexpr uint32_t kLastNumber = Digits == 3 ? 0x7eu : 0x7bu;
template <int Digits>
inline constexpr uint32_t kSpecial = Digits == 3 ? 0x7fc00000u : 0x7f800000u;

/// An exponent of 4 or 5 bits and Digits of mantissa. Subnormals are counted in units of the smallest: no step depends
/// on how the processor treats subnormal fp32.
template <int Digits>
ATTNRT_KERNEL_INLINE float widen_fp8(uint32_t bits) {
  const uint32_t magnitude = bits & 0x7fu;
  const float unit = float_of(Digits == 3 ? 0x3b000000u : 0x37800000u);  // 2^-9, 2^-16
  const uint32_t tiny = word_of(static_cast<float>(static_cast<int32_t>(magnitude)) * unit);
  const uint32_t normal = (magnitude << (23 - Digits)) + ((Digits == 3 ? 120u : 112u) << 23);
  const uint32_t special = magnitude > kLastNumber<Digits> ? kSpecial<Digits> : 0u;
  return float_of((magnitude < (1u << Digits) ? tiny : normal) | special | (bits & 0x80u) << 24);
}
ATTNRT_KERNEL_INLINE float widen(E4m3 x) { return widen_fp8<3>(x.bits); }
ATTNRT_KERNEL_INLINE float widen(E5m2 x) { return widen_fp8<2>(x.bits); }
ATTNRT_KERNEL_INLINE float widen(Int8 x) { return static_cast<float>(x.value); }

ATTNRT_KERNEL_INLINE void narrow(float x, float& to) { to = x; }
ATTNRT_KERNEL_INLINE void narrow(float x, Bf16& to) {
  const uint32_t u = word_of(x);
  const uint32_t rounded = (u + 0x7fffu + (u >> 16 & 1u)) >> 16;
  const uint32_t quiet = u >> 16 | 0x40u;
  to.bits = static_cast<uint16_t>((u & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
}
/// Subnormals are rounded by adding 0.5, whose last bit is the smallest fp16; the others by the carry of an addition.
ATTNRT_KERNEL_INLINE void narrow(float x, Fp16& to) {
  const uint32_t u = word_of(x), magnitude = u & 0x7fffffffu;
  const uint32_t tiny = word_of(float_of(magnitude) + 0.5f) - 0x3f000000u;
  const uint32_t normal = (magnitude + 0xfffu + (magnitude >> 13 & 1u) - 0x38000000u) >> 13;
  const uint32_t special = magnitude > 0x7f800000u ? 0x7e00u : 0x7c00u;
  const uint32_t finite = magnitude < 0x38800000u ? tiny : normal;
  to.bits = static_cast<uint16_t>((magnitude >= 0x47800000u ? special : finite) | (u >> 16 & 0x8000u));
}
/// Subnormals are rounded by adding a power of two whose last bit is the smallest of them; the others by the carry of
/// an addition.
template <int Digits>
ATTNRT_KERNEL_INLINE uint8_t narrow_fp8(float x) {
  constexpr uint32_t kBias = Digits == 3 ? 120u : 112u, kDrop = 23u - Digits, kMagic = (kBias + 1u + kDrop) << 23;
  const float most = Digits == 3 ? 448.0f : 57344.0f;
  const uint32_t magnitude = word_of(x) & 0x7fffffffu;
  const float size = float_of(magnitude) < most ? float_of(magnitude) : most;
  const uint32_t u = word_of(size), tiny = word_of(size + float_of(kMagic)) - kMagic;
  const uint32_t normal = ((u + (1u << (kDrop - 1)) - 1u + (u >> kDrop & 1u)) >> kDrop) - (kBias << Digits);
  const uint32_t number = u < (kBias + 1u) << 23 ? tiny : normal;
  return static_cast<uint8_t>((word_of(x) >> 24 & 0x80u) | (magnitude > 0x7f800000u ? 0x7fu : number));
}
ATTNRT_KERNEL_INLINE void narrow(float x, E4m3& to) { to.bits = narrow_fp8<3>(x); }
ATTNRT_KERNEL_INLINE void narrow(float x, E5m2& to) { to.bits = narrow_fp8<2>(x); }
/// NaN becomes 0.
ATTNRT_KERNEL_INLINE void narrow(float x, Int8& to) {
  const float low = x > -128.0f ? x : x < 0.0f ? -128.0f : 0.0f, bounded = low < 127.0f ? low : 127.0f;
  to.value = static_cast<int8_t>(static_cast<int32_t>(word_of(bounded + 12582912.0f)) - 0x4b400000);
}

/// Rows of n elements.
template <class T>
ATTNRT_KERNEL_INLINE void widen_row(const T* from, float* to, int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] = widen(from[i]);
}
template <class T>
ATTNRT_KERNEL_INLINE void narrow_row(const float* from, T* to, int64_t n) {
  for (int64_t i = 0; i < n; ++i) narrow(from[i], to[i]);
}

/// kLanes elements out of a register.
template <class T>
ATTNRT_KERNEL_INLINE void narrow_vec(Vec x, T* to) {
  if constexpr (sizeof(T) == sizeof(float)) {
    std::memcpy(to, &x, sizeof x);
    return;
  }
#if defined(ATTNRT_KERNEL_AVX512)
  if constexpr (std::is_same_v<T, Bf16>) {
    using Words = uint32_t __attribute__((vector_size(64)));
    Words u;
    std::memcpy(&u, &x, sizeof u);
    const Words rounded = (u + 0x7fffu + (u >> 16 & 1u)) >> 16, quiet = u >> 16 | 0x40u;
    const Words top = (u & 0x7fffffffu) > 0x7f800000u ? quiet : rounded;
    __m512i words;
    std::memcpy(&words, &top, sizeof words);
    const __m256i halves = _mm512_maskz_cvtepi32_epi16(static_cast<__mmask16>(-1), words);
    std::memcpy(static_cast<void*>(to), &halves, sizeof halves);
    return;
  }
#endif
  float lanes[kLanes];
  store(lanes, x);
  narrow_row(lanes, to, kLanes);
}

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
