// SPDX-License-Identifier: Apache-2.0
#include "element.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace attnrt::cli {
namespace {

double half(uint16_t bits) {
  const double sign = bits & 0x8000 ? -1.0 : 1.0;
  const int exponent = bits >> 10 & 0x1f, fraction = bits & 0x3ff;
  if (exponent == 31)
    return fraction ? std::numeric_limits<double>::quiet_NaN() : sign * std::numeric_limits<double>::infinity();
  return sign * (exponent ? std::ldexp(1024 + fraction, exponent - 25) : std::ldexp(fraction, -24));
}

/// An exponent behind `digits` of mantissa; the code of all ones is NaN, e5m2's largest exponent infinite or NaN.
double eighth(uint8_t bits, int digits, int bias) {
  const double sign = bits & 0x80 ? -1.0 : 1.0;
  const int exponent = (bits & 0x7f) >> digits, fraction = bits & ((1 << digits) - 1);
  if ((bits & 0x7f) == 0x7f || (digits == 2 && exponent == 31 && fraction))
    return std::numeric_limits<double>::quiet_NaN();
  if (digits == 2 && exponent == 31) return sign * std::numeric_limits<double>::infinity();
  return sign * std::ldexp(exponent ? (1 << digits) + fraction : fraction, (exponent ? exponent : 1) - bias - digits);
}

}  // namespace

double element(const Array& array, int64_t i) {
  if (array.dtype == Dtype::F32) return static_cast<double>(array.as<float>()[i]);
  if (array.dtype == Dtype::I8) return static_cast<double>(array.as<int8_t>()[i]);
  if (array.dtype == Dtype::F8_E4M3) return eighth(array.as<uint8_t>()[i], 3, 7);
  if (array.dtype == Dtype::F8_E5M2) return eighth(array.as<uint8_t>()[i], 2, 15);
  const uint16_t bits = array.as<uint16_t>()[i];
  if (array.dtype == Dtype::F16) return half(bits);
  return static_cast<double>(std::bit_cast<float>(static_cast<uint32_t>(bits) << 16));
}

double roundoff(Dtype dtype) {
  return std::ldexp(1.0, dtype == Dtype::F32 ? -24 : dtype == Dtype::F16 ? -11 : -8);
}

double rounded(double value, Dtype dtype) {
  if (!std::isfinite(value) || value == 0) return value;
  const int precision = dtype == Dtype::F32 ? 24 : dtype == Dtype::F16 ? 11 : 8;
  const int lowest = dtype == Dtype::F16 ? -14 : -126;  // exponent of the smallest normal number
  const int exponent = std::max(std::ilogb(value), lowest);
  const double step = std::ldexp(1.0, exponent - precision + 1);
  return std::nearbyint(value / step) * step;
}

}  // namespace attnrt::cli
