// SPDX-License-Identifier: Apache-2.0
//
// Floating-point formats of fewer than 32 bits as PTX rounds them: to nearest even, NaN becomes the canonical 0x7fff.
// All functions are free of branches that a compiler could not turn into selections, so that loops over lanes
// vectorise.
#ifndef ATTNRT_EMULATOR_ELEMENT_HPP
#define ATTNRT_EMULATOR_ELEMENT_HPP
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace attnrt::emulator {

inline float as_float(uint32_t bits) { return std::bit_cast<float>(bits); }
inline uint32_t as_bits(float value) { return std::bit_cast<uint32_t>(value); }

/// fp16 to fp32: the exponent is rebased by a multiplication, which makes subnormal numbers right too.
inline float from_half(uint16_t half) {
  const uint32_t magnitude = half & 0x7fffu;
  const uint32_t rebased = as_bits(as_float(magnitude << 13) * 0x1p112f);
  const uint32_t special = 0x7f800000u | magnitude << 13;
  return as_float((magnitude >= 0x7c00u ? special : rebased) | (half & 0x8000u) << 16);
}
inline uint16_t to_half(float value) {
  const uint32_t bits = as_bits(value), magnitude = bits & 0x7fffffffu, sign = bits >> 16 & 0x8000u;
  // Below 2^-14 the addition of 0.5 rounds at the place where fp16's subnormal numbers end.
  const uint32_t small = as_bits(as_float(magnitude) + 0.5f) - 0x3f000000u;
  const uint32_t normal = (magnitude + 0xfffu + (magnitude >> 13 & 1u) - 0x38000000u) >> 13;
  const uint32_t finite = magnitude < 0x38800000u ? small : magnitude >= 0x477ff000u ? 0x7c00u : normal;
  return static_cast<uint16_t>(magnitude > 0x7f800000u ? 0x7fffu : sign | finite);
}

inline float from_bfloat(uint16_t value) { return as_float(uint32_t{value} << 16); }
inline uint16_t to_bfloat(float value) {
  const uint32_t bits = as_bits(value);
  const uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
  return static_cast<uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? 0x7fffu : rounded);
}

/// The 19 bits of tf32 that a tensor core reads of a register.
inline float from_tf32(uint32_t bits) { return as_float(bits & 0xffffe000u); }

/// fp8 e4m3 has no infinity; 0x7f and 0xff are NaN.
inline float from_e4m3(uint8_t byte) {
  const uint32_t magnitude = byte & 0x7fu;
  // Four exponent bits with bias 7, three of fraction: an fp16 pattern shifted by 7 whose bias is 15.
  const float value = magnitude == 0x7fu ? std::numeric_limits<float>::quiet_NaN()
                                         : from_half(static_cast<uint16_t>(magnitude << 7)) * 256.0f;
  return byte & 0x80u ? -value : value;
}
inline float from_e5m2(uint8_t byte) { return from_half(static_cast<uint16_t>(byte << 8)); }

/// To fp8 with saturation to the largest finite value (.satfinite); NaN becomes 0x7f.
inline uint8_t to_fp8(float value, int exponent_bits) {
  const int fraction = 7 - exponent_bits, bias = (1 << (exponent_bits - 1)) - 1;
  const uint32_t sign = as_bits(value) >> 24 & 0x80u;
  const float magnitude = std::fabs(value), largest = exponent_bits == 4 ? 448.0f : 57344.0f;
  if (value != value) return 0x7f;
  if (value == 0) return static_cast<uint8_t>(sign);
  if (magnitude >= largest) return static_cast<uint8_t>(sign | (exponent_bits == 4 ? 0x7eu : 0x7bu));
  int exponent = 0;
  std::frexp(magnitude, &exponent);
  const int least = 1 - bias, place = std::max(exponent - 1, least);
  const float steps = std::nearbyint(std::ldexp(magnitude, fraction - place));  // in units of the last place
  const auto whole = static_cast<uint32_t>(steps);
  const uint32_t code = (static_cast<uint32_t>(place - least) << fraction) + whole;
  return static_cast<uint8_t>(sign | code);
}

/// Subnormal numbers become zero of the same sign (.ftz).
inline float flushed(float value) {
  const uint32_t bits = as_bits(value);
  return as_float(bits & 0x7f800000u ? bits : bits & 0x80000000u);
}

/// Every NaN that fp32 arithmetic gives is this one.
inline float canonical(float value) { return value != value ? as_float(0x7fffffffu) : value; }

}  // namespace attnrt::emulator
#endif
