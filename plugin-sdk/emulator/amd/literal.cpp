// SPDX-License-Identifier: Apache-2.0
#include "literal.hpp"

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "fault.hpp"

namespace attnrt::emulator::amd {
namespace {

struct Format {
  int exponent, mantissa;  ///< bits
};
Format format_of(std::string_view type) {
  return type == "half"     ? Format{5, 10}
         : type == "bfloat" ? Format{8, 7}
         : type == "float"  ? Format{8, 23}
                            : Format{11, 52};
}

// Bits of the number in a format, by rounding to nearest, ties to even.
uint64_t bits_of(double value, Format format) {
  const uint64_t sign = std::signbit(value) ? uint64_t{1} << (format.exponent + format.mantissa) : 0;
  const uint64_t all_ones = ((uint64_t{1} << format.exponent) - 1) << format.mantissa;
  if (std::isinf(value)) return sign | all_ones;
  if (value == 0) return sign;
  const int bias = (1 << (format.exponent - 1)) - 1;
  const int exponent = std::max(std::ilogb(value), 1 - bias);
  // The mantissa with its leading one, or without one where the number is subnormal.
  const double scaled = std::nearbyint(std::ldexp(std::fabs(value), format.mantissa - exponent));
  const uint64_t mantissa = static_cast<uint64_t>(scaled);
  const uint64_t magnitude =
      mantissa >> format.mantissa
          ? ((static_cast<uint64_t>(exponent + bias - 1)) << format.mantissa) + mantissa  // a carry moves the exponent
          : mantissa;
  return sign | std::min(magnitude, all_ones);
}

std::string written(std::string_view type, uint64_t bits) {
  char text[32];
  if (type == "half" || type == "bfloat") {
    std::snprintf(text, sizeof text, "0x%c%04llX", type == "half" ? 'H' : 'R', static_cast<unsigned long long>(bits));
    return text;
  }
  if (type == "float") {  // as the double of the same value
    const uint64_t sign = bits >> 31 << 63, exponent = bits >> 23 & 0xff, mantissa = bits & 0x7fffff;
    if (exponent == 0xff) {
      bits = sign | uint64_t{0x7ff} << 52 | mantissa << 29;
    } else {
      const double value = exponent
                               ? std::ldexp(static_cast<double>(mantissa | 0x800000), static_cast<int>(exponent) - 150)
                               : std::ldexp(static_cast<double>(mantissa), -149);
      bits = sign | bits_of(value, {11, 52});
    }
  }
  std::snprintf(text, sizeof text, "0x%016llX", static_cast<unsigned long long>(bits));
  return text;
}

}  // namespace

std::string literal_of(std::string_view type, std::string_view text) {
  const Format format = format_of(type);
  const std::string word(text);
  if (const std::size_t hex = word.find("f0x"); hex != std::string::npos)
    return written(type, std::strtoull(word.c_str() + hex + 3, nullptr, 16));
  const bool negative = word[0] == '-';
  const std::string name = word[0] == '-' || word[0] == '+' ? word.substr(1) : word;
  const uint64_t sign = negative ? uint64_t{1} << (format.exponent + format.mantissa) : 0;
  const uint64_t all_ones = ((uint64_t{1} << format.exponent) - 1) << format.mantissa;
  const uint64_t quiet = uint64_t{1} << (format.mantissa - 1);
  if (name == "inf") return written(type, sign | all_ones);
  if (name == "qnan") return written(type, sign | all_ones | quiet);
  if (const std::size_t open = name.find("nan("); open != std::string::npos)
    return written(
        type, sign | all_ones | (name[0] == 's' ? 0 : quiet) | std::strtoull(name.c_str() + open + 4, nullptr, 16));
  char* end = nullptr;
  const double value = std::strtod(word.c_str(), &end);
  if (!end || *end || word.empty()) throw TextFault(say("'", word, "' is no constant of type ", type));
  return written(type, bits_of(value, format));
}

}  // namespace attnrt::emulator::amd
