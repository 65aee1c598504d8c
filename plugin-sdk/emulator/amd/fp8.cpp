// SPDX-License-Identifier: Apache-2.0
#include "fp8.hpp"

#include <array>
#include <cmath>
#include <limits>

namespace attnrt::emulator::amd {
namespace {

struct Format {
  int mantissa, bias;
  bool fnuz, infinity;
};
constexpr Format kFormats[] = {{3, 7, false, false}, {2, 15, false, true}, {3, 8, true, false}, {2, 16, true, false}};

float value_of(const Format& f, uint8_t bits) {
  const int exponent = (bits & 0x7f) >> f.mantissa, mantissa = bits & ((1 << f.mantissa) - 1);
  const int most = 0x7f >> f.mantissa;
  const float sign = bits & 0x80 ? -1.f : 1.f, nan = std::numeric_limits<float>::quiet_NaN();
  if (f.fnuz && bits == 0x80) return nan;
  if (f.infinity && exponent == most) return mantissa ? nan : sign * std::numeric_limits<float>::infinity();
  if (!f.fnuz && !f.infinity && (bits & 0x7f) == 0x7f) return nan;
  if (!exponent) return sign * std::ldexp(static_cast<float>(mantissa), 1 - f.bias - f.mantissa);
  return sign * std::ldexp(static_cast<float>(mantissa | 1 << f.mantissa), exponent - f.bias - f.mantissa);
}

using Table = std::array<float, 256>;
std::array<Table, 4> tables() {
  std::array<Table, 4> all{};
  for (std::size_t kind = 0; kind < 4; ++kind)
    for (unsigned bits = 0; bits < 256; ++bits) all[kind][bits] = value_of(kFormats[kind], static_cast<uint8_t>(bits));
  return all;
}

}  // namespace

Fp8Kind fp8_of(uint32_t arch, bool bf8) {
  const bool fnuz = arch == 0x942;
  return bf8 ? (fnuz ? Fp8Kind::e5m2fnuz : Fp8Kind::e5m2) : (fnuz ? Fp8Kind::e4m3fnuz : Fp8Kind::e4m3);
}

const float* fp8_values(Fp8Kind kind) {
  static const std::array<Table, 4> all = tables();
  return all[static_cast<std::size_t>(kind)].data();
}

uint8_t to_fp8(Fp8Kind kind, float value) {
  const Format& f = kFormats[static_cast<std::size_t>(kind)];
  const uint8_t nan = f.fnuz ? 0x80 : 0x7f;
  if (std::isnan(value)) return nan;
  const float* const values = fp8_values(kind);
  const uint8_t sign = std::signbit(value) ? 0x80 : 0;
  const float size = std::fabs(value);
  // Positive numbers ascend with their bits: the last that is not above, and its neighbour.
  uint8_t low = 0;
  const uint8_t last = f.fnuz ? 0x7f : f.infinity ? 0x7b : 0x7e;
  for (uint8_t step = 64; step; step /= 2)
    if (low + step <= last && values[low + step] <= size) low = static_cast<uint8_t>(low + step);
  uint8_t nearest = low;
  if (low < last) {
    const float under = size - values[low], over = values[low + 1] - size;
    if (over < under || (over == under && (low & 1))) nearest = static_cast<uint8_t>(low + 1);
  } else {
    const float half_step = (values[last] - values[last - 1]) / 2;
    if (size > values[last] + half_step || (size == values[last] + half_step && (last & 1)))
      return f.infinity ? sign | 0x7c : f.fnuz ? 0x80 : sign | 0x7f;
  }
  return f.fnuz && !nearest ? 0 : sign | nearest;
}

}  // namespace attnrt::emulator::amd
