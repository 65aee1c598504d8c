// SPDX-License-Identifier: Apache-2.0
//
// attnrt/element.hpp: C++ types for the elements of tensors, and the DLPack dtype of each. Header-only, C++17.
#ifndef ATTNRT_ELEMENT_HPP
#define ATTNRT_ELEMENT_HPP
#include <cstdint>
#include <cstring>

#include "attnrt/plugin.h"

namespace attnrt {
namespace detail {

inline uint32_t bits_of(float value) noexcept {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}
inline float float_of(uint32_t bits) noexcept {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline uint16_t bfloat16_bits(float value) noexcept {
  const uint32_t x = bits_of(value);
  if ((x & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>(x >> 16 | 0x40u);  // NaN stays NaN
  return static_cast<uint16_t>((x + 0x7fffu + (x >> 16 & 1u)) >> 16);
}

inline uint16_t half_bits(float value) noexcept {
  const uint32_t bits = bits_of(value), sign = bits >> 16 & 0x8000u, x = bits & 0x7fffffffu;
  uint32_t magnitude;
  if (x > 0x7f800000u) {
    magnitude = 0x7e00u;  // NaN
  } else if (x >= 0x477ff000u) {
    magnitude = 0x7c00u;  // 65520 and above round to infinity
  } else if (x >= 0x38800000u) {
    const uint32_t rebiased = x - 0x38000000u;
    magnitude = (rebiased + 0xfffu + (rebiased >> 13 & 1u)) >> 13;
  } else if (x > 0x33000000u) {  // subnormal: multiples of 2^-24
    const uint32_t shift = 126u - (x >> 23), mantissa = (x & 0x7fffffu) | 0x800000u;
    const uint32_t tie = 1u << (shift - 1), rest = mantissa & ((1u << shift) - 1u);
    magnitude = mantissa >> shift;
    if (rest > tie || (rest == tie && (magnitude & 1u))) ++magnitude;
  } else {
    magnitude = 0;
  }
  return static_cast<uint16_t>(sign | magnitude);
}

inline float half_value(uint16_t bits) noexcept {
  const uint32_t sign = (bits & 0x8000u) << 16, exponent = bits >> 10 & 0x1fu, fraction = bits & 0x3ffu;
  if (exponent == 31) return float_of(sign | 0x7f800000u | fraction << 13);
  if (exponent != 0) return float_of(sign | (exponent + 112u) << 23 | fraction << 13);
  const float magnitude = static_cast<float>(fraction) * 5.9604644775390625e-8f;  // 2^-24, exact
  return sign ? -magnitude : magnitude;
}

}  // namespace detail

/// IEEE binary16 as it is stored. Conversion from float rounds to nearest even; conversion to float is exact.
/// Arithmetic happens in float.
struct half {
  uint16_t bits = 0;
  half() = default;
  half(float value) noexcept : bits(detail::half_bits(value)) {}
  operator float() const noexcept { return detail::half_value(bits); }
};

/// bfloat16 as it is stored: the upper half of a float. Rounds and converts as `half` does.
struct bfloat16 {
  uint16_t bits = 0;
  bfloat16() = default;
  bfloat16(float value) noexcept : bits(detail::bfloat16_bits(value)) {}
  operator float() const noexcept { return detail::float_of(static_cast<uint32_t>(bits) << 16); }
};

/// Elements of 8-bit caches and tensors, as bytes: `Op::write` converts on the way into a cache.
struct fp8_e4m3 {
  uint8_t bits = 0;
};
struct fp8_e4m3fnuz {
  uint8_t bits = 0;
};
struct fp8_e5m2 {
  uint8_t bits = 0;
};

/// The DLPack dtype of a C++ element type. An engine with a type of its own specializes it, or passes the dtype to
/// Tensor's explicit constructor.
template <class T>
struct DtypeOf;

#define ATTNRT_DTYPE_OF_(type, code, size)                  \
  template <>                                               \
  struct DtypeOf<type> {                                    \
    static constexpr attnrt_dtype value{(code), (size), 1}; \
  }
ATTNRT_DTYPE_OF_(float, 2, 32);
ATTNRT_DTYPE_OF_(half, 2, 16);
ATTNRT_DTYPE_OF_(bfloat16, 4, 16);
ATTNRT_DTYPE_OF_(fp8_e4m3, 10, 8);
ATTNRT_DTYPE_OF_(fp8_e4m3fnuz, 11, 8);
ATTNRT_DTYPE_OF_(fp8_e5m2, 12, 8);
ATTNRT_DTYPE_OF_(int8_t, 0, 8);
ATTNRT_DTYPE_OF_(int32_t, 0, 32);
ATTNRT_DTYPE_OF_(int64_t, 0, 64);
ATTNRT_DTYPE_OF_(uint8_t, 1, 8);
ATTNRT_DTYPE_OF_(bool, 6, 8);
// The compilers' own types, where there are any; C++23's std::float16_t and std::bfloat16_t are these too.
#if defined(__FLT16_MANT_DIG__) && (defined(__clang__) || __GNUC__ >= 13 || (__GNUC__ == 12 && defined(__SSE2__)))
ATTNRT_DTYPE_OF_(_Float16, 2, 16);
#endif
#if defined(__BFLT16_MANT_DIG__)
ATTNRT_DTYPE_OF_(__bf16, 4, 16);
#endif
#undef ATTNRT_DTYPE_OF_

}  // namespace attnrt
#endif
