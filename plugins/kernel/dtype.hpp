// SPDX-License-Identifier: Apache-2.0
//
// dtype.hpp: fp32 from and to bf16 and fp16, by integer operations that a compiler turns into vector code on every
// instruction set. Widening is exact; narrowing rounds to nearest, ties to even, and keeps NaN a NaN.
#ifndef ATTNRT_KERNEL_DTYPE_HPP
#define ATTNRT_KERNEL_DTYPE_HPP
#include <cstdint>
#include <cstring>

#include "isa.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

/// Storage types of a tensor's elements.
struct Bf16 {
  uint16_t bits;
};
struct Fp16 {
  uint16_t bits;
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
/// The exponent is moved by a multiplication with 2^112, which makes subnormals right; infinity and NaN get theirs
/// after.
ATTNRT_KERNEL_INLINE float widen(Fp16 x) {
  const uint32_t h = x.bits;
  const uint32_t magnitude = (h & 0x7fffu) << 13;
  const uint32_t scaled = word_of(float_of(magnitude) * float_of(0x77800000u));
  const uint32_t special = magnitude >= 0x0f800000u ? 0x7f800000u : 0u;
  return float_of(scaled | special | (h & 0x8000u) << 16);
}

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

/// Rows of n elements.
template <class T>
ATTNRT_KERNEL_INLINE void widen_row(const T* from, float* to, int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] = widen(from[i]);
}
template <class T>
ATTNRT_KERNEL_INLINE void narrow_row(const float* from, T* to, int64_t n) {
  for (int64_t i = 0; i < n; ++i) narrow(from[i], to[i]);
}

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
