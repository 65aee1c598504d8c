// SPDX-License-Identifier: Apache-2.0
//
// functions.hpp: exp, log, tanh, sin and cos without branches, so that a compiler makes vector code of a loop over
// them. Relative errors below 4e-6 beside 1e-6 absolute, which is what range.hpp leaves room for; results below 2^-126
// are 0.
//   2^x     integer and fraction; a polynomial with p(0) = 1 fitted to the relative error on [-1/2, 1/2]
//   log2    exponent, and atanh of (m - 1) / (m + 1) for the rest m in [sqrt(1/2), sqrt(2))
//   tanh    by e^(2x); near 0 by its series
//   sin     reduction by multiples of pi/2 in three parts (Cody and Waite, 1980), then the polynomials of Cephes' sinf
#ifndef ATTNRT_FLEX_CPU_FUNCTIONS_HPP
#define ATTNRT_FLEX_CPU_FUNCTIONS_HPP
#include <cstdint>
#include <cstring>

namespace attnrt::flex::ATTNRT_KERNEL_ISA {

inline uint32_t word_of(float x) {
  uint32_t out;
  std::memcpy(&out, &x, sizeof out);
  return out;
}
inline float float_of(uint32_t bits) {
  float out;
  std::memcpy(&out, &bits, sizeof out);
  return out;
}

/// The bits of an fp16 number as fp32.
inline uint32_t half_bits(uint16_t half) {
  const uint32_t sign = (half & 0x8000u) << 16, rest = half & 0x7fffu;
  const uint32_t special = 0x7f800000u | (rest & 0x3ffu) << 13;
  const uint32_t number = word_of(static_cast<float>(rest & 0x3ffu) * 0x1p-24f);
  const uint32_t normal = (rest << 13) + (112u << 23);
  return sign | (rest >= 0x7c00u ? special : rest >= 0x400u ? normal : number);
}

inline float exp2_of(float x) {
  constexpr float magic = 12582912.0f;  // 1.5 * 2^23: the sum's low bits are the rounded integer
  const float low = x < -127.0f ? -127.0f : x, inside = low > 128.0f ? 128.0f : low;
  const float shifted = inside + magic, f = inside - (shifted - magic);
  float p = 1.32647273e-3f * f + 9.67151299e-3f;
  p = p * f + 5.55073358e-2f;
  p = p * f + 0.240222424f;
  p = p * f + 0.693147004f;
  p = p * f + 1.0f;
  // The exponent is applied in two halves, each of which is a number.
  const int32_t n = static_cast<int32_t>(word_of(shifted)) - static_cast<int32_t>(word_of(magic)), half = n >> 1;
  const float scaled =
      p * float_of(static_cast<uint32_t>(half + 127) << 23) * float_of(static_cast<uint32_t>(n - half + 127) << 23);
  return x < -126.0f ? 0.0f : scaled;
}
inline float exp_of(float x) {
  // x * log2(e) in two parts: the product's rounding would be an error of the result.
  constexpr float high = 1.44269502f, low = 1.92596303e-8f;
  const float near = x < -104.0f ? -104.0f : x, inside = near > 89.0f ? 89.0f : near;
  const float product = inside * high, rest = __builtin_fmaf(inside, high, -product) + inside * low;
  return x != x ? x : exp2_of(product) * (1.0f + 0.693147181f * rest);
}

inline float log2_of(float x) {
  const uint32_t shifted = word_of(x) - 0x3f3504f3u;  // m in [sqrt(1/2), sqrt(2))
  const int32_t exponent = static_cast<int32_t>(shifted) >> 23;
  const float m = float_of((shifted & 0x7fffffu) + 0x3f3504f3u);
  const float s = (m - 1.0f) / (m + 1.0f), z = s * s;
  const float tail = z * (0.333333333f + z * (0.2f + z * (0.142857143f + z * 0.111111111f)));
  const float out = static_cast<float>(exponent) + 2.88539008f * (s + s * tail);
  constexpr float infinity = __builtin_inff();
  const float positive = x < infinity ? out : x;  // infinity and NaN stay
  const float some = x < 0x1p-126f ? -infinity : positive;
  return x < 0.0f ? __builtin_nanf("") : some;
}
inline float log_of(float x) { return 0.693147181f * log2_of(x); }

inline float tanh_of(float x) {
  const float size = __builtin_fabsf(x), capped = size > 20.0f ? 20.0f : size, e = exp_of(2.0f * capped);
  const float z = x * x;
  const float series = size * (1.0f + z * (-0.333333333f + z * (0.133333333f + z * -0.0539682540f)));
  const float out = size < 0.125f ? series : 1.0f - 2.0f / (e + 1.0f);
  return x != x ? x : __builtin_copysignf(out, x);
}

/// Where the reduction below holds.
constexpr float kMostAngle = 8192.0f;
/// sin(x), or with quarter 1 cos(x), for |x| <= kMostAngle.
inline float sine_of(float x, int32_t quarter) {
  const float turns = x * 0.636619772f;
  constexpr float magic = 12582912.0f;
  const float whole = (turns + magic) - magic;
  float r = __builtin_fmaf(whole, -1.57079637050628662109375f, x);
  r = __builtin_fmaf(whole, 4.37113900018624283e-8f, r);
  const float z = r * r;
  const float s = r + r * z * (-1.6666654611e-1f + z * (8.3321608736e-3f + z * -1.9515295891e-4f));
  const float c =
      1.0f - 0.5f * z + z * z * (4.166664568298827e-2f + z * (-1.388731625493765e-3f + z * 2.443315711809948e-5f));
  const int32_t n = static_cast<int32_t>(whole) + quarter;
  const float out = n & 1 ? c : s;
  return n & 2 ? -out : out;
}

}  // namespace attnrt::flex::ATTNRT_KERNEL_ISA
#endif
