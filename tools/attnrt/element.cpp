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

}  // namespace

double element(const Array& array, int64_t i) {
  if (array.dtype == Dtype::F32) return static_cast<double>(array.as<float>()[i]);
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
