// SPDX-License-Identifier: Apache-2.0
#include "conformance/number.hpp"

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "attnrt/check.hpp"
#include "attnrt/plugin.h"

namespace attnrt::conformance {
namespace {

// A binary float of at most 16 bits. `finite` formats have no infinity; `unsigned_zero` ones keep NaN at minus zero
// (e4m3fnuz: 8 exponents more at the top are ordinary numbers).
struct Format {
  int exponent_bits, mantissa_bits, bias;
  bool finite, unsigned_zero;
};

constexpr Format format_of(uint32_t dtype) {
  switch (dtype) {
    case ATTNRT_FP16:
      return {5, 10, 15, false, false};
    case ATTNRT_BF16:
      return {8, 7, 127, false, false};
    case ATTNRT_FP8_E4M3:
      return {4, 3, 7, true, false};
    case ATTNRT_FP8_E4M3FNUZ:
      return {4, 3, 8, true, true};
    default:
      return {5, 2, 15, false, false};  // e5m2
  }
}

float decode_small(const Format& f, uint32_t bits) {
  const uint32_t sign = bits >> (f.exponent_bits + f.mantissa_bits) & 1u;
  const uint32_t top = (1u << f.exponent_bits) - 1, ones = (1u << f.mantissa_bits) - 1;
  const uint32_t exponent = bits >> f.mantissa_bits & top, mantissa = bits & ones;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  if (f.unsigned_zero) {
    if (sign && !exponent && !mantissa) return nan;
  } else if (f.finite) {
    if (exponent == top && mantissa == ones) return nan;
  } else if (exponent == top) {
    return mantissa ? nan : sign ? -std::numeric_limits<float>::infinity() : std::numeric_limits<float>::infinity();
  }
  const int e = exponent ? static_cast<int>(exponent) - f.bias : 1 - f.bias;
  const uint32_t digits = mantissa | (exponent ? ones + 1 : 0);
  const float value = std::ldexp(static_cast<float>(digits), e - f.mantissa_bits);
  return sign ? -value : value;
}

uint32_t encode_small(const Format& f, float value) {
  const uint32_t top = (1u << f.exponent_bits) - 1, ones = (1u << f.mantissa_bits) - 1;
  const uint32_t sign = std::signbit(value) ? 1u << (f.exponent_bits + f.mantissa_bits) : 0;
  const uint32_t nan = f.unsigned_zero ? 1u << (f.exponent_bits + f.mantissa_bits) : (top << f.mantissa_bits | ones);
  if (std::isnan(value)) return nan;
  const uint32_t overflow = f.finite ? nan : (top << f.mantissa_bits | sign);
  if (std::isinf(value)) return overflow;
  const double size = std::fabs(static_cast<double>(value));
  if (size == 0) return f.unsigned_zero ? 0 : sign;
  int e = std::ilogb(size);
  if (e < 1 - f.bias) e = 1 - f.bias;
  double digits = std::nearbyint(std::ldexp(size, f.mantissa_bits - e));
  if (digits > ones + 1.0 + ones) {
    digits /= 2;
    ++e;
  }
  const auto whole = static_cast<uint32_t>(digits);
  if (whole == 0) return f.unsigned_zero ? 0 : sign;
  if (whole <= ones) return whole | sign;  // subnormal
  const auto exponent = static_cast<uint32_t>(e + f.bias);
  const uint32_t last = f.finite ? top : top - 1;
  if (exponent > last) return overflow;
  const uint32_t bits = exponent << f.mantissa_bits | (whole - (ones + 1));
  return !f.unsigned_zero && f.finite && bits == nan ? nan : bits | sign;
}

/// All values of a type of 8 bits.
using Values = std::array<float, 256>;

const Values& values_of(uint32_t dtype) {
  static const auto tables = [] {
    std::array<Values, ATTNRT_DTYPE_COUNT_> all{};
    for (const uint32_t type : {ATTNRT_FP8_E4M3, ATTNRT_FP8_E4M3FNUZ, ATTNRT_FP8_E5M2, ATTNRT_INT8})
      for (uint32_t bits = 0; bits < 256; ++bits)
        all[type][bits] = type == ATTNRT_INT8 ? static_cast<float>(static_cast<int8_t>(static_cast<uint8_t>(bits)))
                                              : decode_small(format_of(type), bits);
    return all;
  }();
  return tables[dtype];
}

float largest_of(uint32_t dtype) {
  if (dtype == ATTNRT_FP32) return std::numeric_limits<float>::max();
  if (dtype == ATTNRT_INT8) return 127.0f;
  const Format f = format_of(dtype);
  const int e = (1 << f.exponent_bits) - (f.finite ? 1 : 2) - f.bias;
  const int digits = (2 << f.mantissa_bits) - (f.finite && !f.unsigned_zero ? 2 : 1);
  return std::ldexp(static_cast<float>(digits), e - f.mantissa_bits);
}

// The common case by bits: what is an ordinary number (no subnormal one) of the format before and after rounding.
template <uint32_t dtype>
bool encode_ordinary(float value, uint32_t& bits) {
  constexpr Format f = format_of(dtype);
  constexpr uint32_t drop = 23u - f.mantissa_bits, least = static_cast<uint32_t>(128 - f.bias) << 23;
  constexpr uint32_t all = (1u << (f.exponent_bits + f.mantissa_bits)) - 1;
  constexpr uint32_t most = f.unsigned_zero ? all : f.finite ? all - 1 : all - (1u << f.mantissa_bits);
  uint32_t whole;
  std::memcpy(&whole, &value, 4);
  const uint32_t size = whole & 0x7fffffffu;
  if (size < least || size >= 0x7f800000u) return false;
  const uint32_t moved = size - (least - (1u << 23));
  const uint32_t rounded = (moved + ((1u << (drop - 1)) - 1) + (moved >> drop & 1u)) >> drop;
  if (rounded > most) return false;
  bits = rounded | (whole >> 31) << (f.exponent_bits + f.mantissa_bits);
  return true;
}

template <uint32_t dtype>
uint32_t encode_bits(float value) {
  uint32_t bits = 0;
  return encode_ordinary<dtype>(value, bits) ? bits : encode_small(format_of(dtype), value);
}

int8_t encode_int8(float value) {
  return static_cast<int8_t>(std::fmin(127.0f, std::fmax(-128.0f, std::nearbyint(value))));
}

/// Calls `act` with the type as a constant, so that rows have tight loops. Not for fp32.
template <class Act>
void with_type(uint32_t dtype, const Act& act) {
  switch (dtype) {
    case ATTNRT_FP16:
      return act(std::integral_constant<uint32_t, ATTNRT_FP16>{});
    case ATTNRT_BF16:
      return act(std::integral_constant<uint32_t, ATTNRT_BF16>{});
    case ATTNRT_FP8_E4M3:
      return act(std::integral_constant<uint32_t, ATTNRT_FP8_E4M3>{});
    case ATTNRT_FP8_E4M3FNUZ:
      return act(std::integral_constant<uint32_t, ATTNRT_FP8_E4M3FNUZ>{});
    case ATTNRT_FP8_E5M2:
      return act(std::integral_constant<uint32_t, ATTNRT_FP8_E5M2>{});
    default:
      return act(std::integral_constant<uint32_t, ATTNRT_INT8>{});
  }
}

template <uint32_t dtype>
using Stored = std::conditional_t<dtype == ATTNRT_FP16 || dtype == ATTNRT_BF16, uint16_t, uint8_t>;

template <uint32_t dtype>
Stored<dtype> encoded(float value) {
  if constexpr (dtype == ATTNRT_INT8) return static_cast<uint8_t>(encode_int8(value));
  return static_cast<Stored<dtype>>(encode_bits<dtype>(value));
}

template <uint32_t dtype>
float decoded(Stored<dtype> stored) {
  if constexpr (sizeof stored == 1) return values_of(dtype)[stored];
  uint32_t bits = static_cast<uint32_t>(stored) << 16;
  if constexpr (dtype == ATTNRT_FP16) {
    const uint32_t exponent = stored >> 10 & 31u;
    if (exponent == 0 || exponent == 31) return decode_small(format_of(dtype), stored);
    bits = (stored & 0x8000u) << 16 | ((stored & 0x7fffu) + (112u << 10)) << 13;
  }
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

}  // namespace

float decode(uint32_t dtype, const void* from) {
  float value;
  decode_row(dtype, from, 1, &value);
  return value;
}

void encode(uint32_t dtype, float value, void* to) { encode_row(dtype, &value, 1, to); }

void decode_row(uint32_t dtype, const void* from, std::size_t count, float* to) {
  if (dtype == ATTNRT_FP32) {
    if (count) std::memcpy(to, from, count * sizeof(float));
    return;
  }
  with_type(dtype, [&](auto type) {
    Stored<type> stored;
    for (std::size_t i = 0; i < count; ++i) {
      std::memcpy(&stored, static_cast<const char*>(from) + i * sizeof stored, sizeof stored);
      to[i] = decoded<type>(stored);
    }
  });
}

void encode_row(uint32_t dtype, const float* from, std::size_t count, void* to) {
  if (dtype == ATTNRT_FP32) {
    if (count) std::memcpy(to, from, count * sizeof(float));
    return;
  }
  with_type(dtype, [&](auto type) {
    for (std::size_t i = 0; i < count; ++i) {
      const Stored<type> stored = encoded<type>(from[i]);
      std::memcpy(static_cast<char*>(to) + i * sizeof stored, &stored, sizeof stored);
    }
  });
}

void round_row(uint32_t dtype, float* values, std::size_t count) {
  if (dtype == ATTNRT_FP32) return;
  with_type(dtype, [&](auto type) {
    for (std::size_t i = 0; i < count; ++i) values[i] = decoded<type>(encoded<type>(values[i]));
  });
}

float rounded(uint32_t dtype, float value) {
  round_row(dtype, &value, 1);
  return value;
}

float largest(uint32_t dtype) {
  static const auto all = [] {
    std::array<float, ATTNRT_DTYPE_COUNT_> values{};
    for (uint32_t type = 0; type < values.size(); ++type) values[type] = largest_of(type);
    return values;
  }();
  return all[dtype];
}

float quantised(uint32_t dtype, float value) {
  if (dtype == ATTNRT_INT8 || std::isnan(value)) return rounded(dtype, value);
  const float most = largest(dtype);
  return rounded(dtype, std::fmin(most, std::fmax(-most, value)));
}

double unit_roundoff(uint32_t dtype) {
  if (dtype == ATTNRT_FP32) return 0x1p-24;
  if (dtype == ATTNRT_INT8) return 0.5;
  return std::ldexp(1.0, -format_of(dtype).mantissa_bits - 1);
}

}  // namespace attnrt::conformance
