// SPDX-License-Identifier: Apache-2.0
// The element types: bits, rounding, the dtype of each.
#include "attnrt/element.hpp"

#include <cmath>
#include <limits>

#include "attnrt/check.hpp"
#include "scratch.hpp"

namespace {

/// The nearest of all 65536 values of a 16-bit type to x, ties to the even pattern, by looking at each.
template <class T>
uint16_t nearest(double x) {
  double best = std::numeric_limits<double>::infinity();
  uint16_t found = 0;
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    T candidate;
    candidate.bits = static_cast<uint16_t>(bits);
    const double value{static_cast<float>(candidate)};
    if (!std::isfinite(value) || std::signbit(value) != std::signbit(x)) continue;
    const double by = std::abs(value - x);
    if (by < best || (by == best && bits % 2 == 0)) best = by, found = candidate.bits;
  }
  return found;
}

template <class T>
constexpr int dtype() {
  return attnrt::sdk::dtype_of(attnrt::DtypeOf<T>::value);
}

}  // namespace

TEST_CASE("every 16-bit value survives the way through float") {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    attnrt::half h;
    attnrt::bfloat16 b;
    h.bits = b.bits = static_cast<uint16_t>(bits);
    const float from_half = h, from_bfloat = b;
    if (std::isnan(from_half))
      REQUIRE(std::isnan(static_cast<float>(attnrt::half(from_half))));
    else
      REQUIRE(attnrt::half(from_half).bits == bits);
    if (std::isnan(from_bfloat))
      REQUIRE(std::isnan(static_cast<float>(attnrt::bfloat16(from_bfloat))));
    else
      REQUIRE(attnrt::bfloat16(from_bfloat).bits == bits);
  }
}

TEST_CASE("floats round to the nearest, ties to even") {
  const float values[] = {0.0f,        -0.0f,      1.0f,     0.1f,       1.0009765f,  1.00048828125f, 1.00146484375f,
                          2049.0f,     2051.0f,    65503.9f, 65519.0f,   6.1e-5f,     6.0975552e-5f,  5.97e-8f,
                          2.98023e-8f, 2.9803e-8f, 8.9e-8f,  1.0039062f, 1.01171875f, -3.14159f,      257.0f};
  for (const float x : values) {
    CAPTURE(x);
    CHECK(attnrt::half(x).bits == nearest<attnrt::half>(double{x}));
    CHECK(attnrt::bfloat16(x).bits == nearest<attnrt::bfloat16>(double{x}));
  }
  CHECK(attnrt::half(65520.0f).bits == 0x7c00);
  CHECK(attnrt::half(-1e30f).bits == 0xfc00);
  CHECK(attnrt::half(1e-30f).bits == 0);
  CHECK(attnrt::bfloat16(3.4e38f).bits == 0x7f80);
  CHECK(attnrt::bfloat16(std::numeric_limits<float>::infinity()).bits == 0x7f80);
}

TEST_CASE("each element type is that of the ABI") {
  CHECK(dtype<float>() == ATTNRT_FP32);
  CHECK(dtype<attnrt::half>() == ATTNRT_FP16);
  CHECK(dtype<attnrt::bfloat16>() == ATTNRT_BF16);
  CHECK(dtype<attnrt::fp8_e4m3>() == ATTNRT_FP8_E4M3);
  CHECK(dtype<attnrt::fp8_e4m3fnuz>() == ATTNRT_FP8_E4M3FNUZ);
  CHECK(dtype<attnrt::fp8_e5m2>() == ATTNRT_FP8_E5M2);
  CHECK(dtype<int8_t>() == ATTNRT_INT8);
#if defined(__FLT16_MANT_DIG__) && (defined(__clang__) || __GNUC__ >= 13 || (__GNUC__ == 12 && defined(__SSE2__)))
  CHECK(dtype<_Float16>() == ATTNRT_FP16);
#endif
#if defined(__BFLT16_MANT_DIG__)
  CHECK(dtype<__bf16>() == ATTNRT_BF16);
#endif
  CHECK(attnrt::DtypeOf<bool>::value.code == 6);
  CHECK(sizeof(attnrt::half) == 2);
  CHECK(sizeof(attnrt::bfloat16) == 2);
  CHECK(sizeof(attnrt::fp8_e5m2) == 1);
}
