// SPDX-License-Identifier: Apache-2.0
#include "conformance/number.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>

#include "attnrt/plugin.h"

using namespace attnrt::conformance;

namespace {
float of8(uint32_t dtype, uint8_t byte) { return decode(dtype, &byte); }
float of16(uint32_t dtype, uint16_t bits) { return decode(dtype, &bits); }
}  // namespace

TEST_CASE("known bit patterns decode to known values") {
  CHECK(of16(ATTNRT_FP16, 0x3c00) == 1.0f);
  CHECK(of16(ATTNRT_FP16, 0x7bff) == 65504.0f);
  CHECK(of16(ATTNRT_FP16, 0x0001) == 0x1p-24f);
  CHECK(std::isinf(of16(ATTNRT_FP16, 0xfc00)));
  CHECK(of16(ATTNRT_BF16, 0x3f80) == 1.0f);
  CHECK(of16(ATTNRT_BF16, 0xc049) == -3.140625f);
  CHECK(of8(ATTNRT_FP8_E4M3, 0x38) == 1.0f);
  CHECK(of8(ATTNRT_FP8_E4M3, 0x7e) == 448.0f);
  CHECK(of8(ATTNRT_FP8_E4M3, 0x01) == 0x1p-9f);
  CHECK(std::isnan(of8(ATTNRT_FP8_E4M3, 0x7f)));
  CHECK(std::isnan(of8(ATTNRT_FP8_E4M3, 0xff)));
  CHECK(of8(ATTNRT_FP8_E4M3FNUZ, 0x40) == 1.0f);
  CHECK(of8(ATTNRT_FP8_E4M3FNUZ, 0x7f) == 240.0f);
  CHECK(std::isnan(of8(ATTNRT_FP8_E4M3FNUZ, 0x80)));
  CHECK(of8(ATTNRT_FP8_E5M2, 0x3c) == 1.0f);
  CHECK(of8(ATTNRT_FP8_E5M2, 0x7b) == 57344.0f);
  CHECK(std::isinf(of8(ATTNRT_FP8_E5M2, 0x7c)));
}

TEST_CASE("every stored value comes back") {
  const struct {
    uint32_t dtype, count;
    int bytes;
  } types[] = {{ATTNRT_FP16, 65536, 2},       {ATTNRT_BF16, 65536, 2},   {ATTNRT_FP8_E4M3, 256, 1},
               {ATTNRT_FP8_E4M3FNUZ, 256, 1}, {ATTNRT_FP8_E5M2, 256, 1}, {ATTNRT_INT8, 256, 1}};
  for (const auto& type : types)
    for (uint32_t bits = 0; bits < type.count; ++bits) {
      uint32_t back = 0;
      const float value = decode(type.dtype, &bits);
      encode(type.dtype, value, &back);
      if (std::isnan(value)) {
        if (!std::isnan(decode(type.dtype, &back))) FAIL("NaN lost by type " << type.dtype << ": " << bits);
      } else if (back != bits) {
        FAIL("type " << type.dtype << ": " << bits << " came back as " << back);
      }
    }
}

TEST_CASE("rounding is to nearest, ties to even") {
  CHECK(rounded(ATTNRT_BF16, 1.0f + 0x1p-8f) == 1.0f);
  CHECK(rounded(ATTNRT_BF16, 1.0f + 3 * 0x1p-8f) == 1.0f + 0x1p-6f);
  CHECK(rounded(ATTNRT_FP16, 1.0f + 0x1p-11f) == 1.0f);
  CHECK(rounded(ATTNRT_FP16, 2049.0f) == 2048.0f);
  CHECK(rounded(ATTNRT_FP8_E4M3, 17.0f) == 16.0f);
  CHECK(rounded(ATTNRT_FP8_E4M3, 19.0f) == 20.0f);
  CHECK(std::isnan(rounded(ATTNRT_FP8_E4M3, 1000.0f)));
  CHECK(std::isinf(rounded(ATTNRT_FP16, 65520.0f)));
}

TEST_CASE("between two neighbours the nearer one is stored, halfway the even one") {
  const struct {
    uint32_t dtype, last;
  } types[] = {{ATTNRT_FP16, 0x7bff},
               {ATTNRT_BF16, 0x7f7f},
               {ATTNRT_FP8_E4M3, 0x7e},
               {ATTNRT_FP8_E4M3FNUZ, 0x7f},
               {ATTNRT_FP8_E5M2, 0x7b}};
  for (const auto& type : types)
    for (uint32_t bits = 0; bits < type.last; ++bits) {
      const uint32_t next = bits + 1;
      const float low = decode(type.dtype, &bits), high = decode(type.dtype, &next), middle = low + (high - low) / 2;
      if (middle == low || middle == high) continue;  // bf16 below 2^-133: float has no number between
      for (const float sign : {1.0f, -1.0f}) {
        if (rounded(type.dtype, sign * std::nextafter(middle, 0.0f)) != sign * low ||
            rounded(type.dtype, sign * std::nextafter(middle, high)) != sign * high ||
            rounded(type.dtype, sign * middle) != sign * (bits % 2 ? high : low))
          FAIL("type " << type.dtype << ": around " << sign * middle);
      }
    }
}

TEST_CASE("a cache of 8 bits saturates") {
  CHECK(largest(ATTNRT_FP8_E4M3) == 448.0f);
  CHECK(largest(ATTNRT_FP8_E4M3FNUZ) == 240.0f);
  CHECK(largest(ATTNRT_FP8_E5M2) == 57344.0f);
  CHECK(kv_8bit(ATTNRT_FP8_E4M3, 1000.0f) == 448.0f);
  CHECK(kv_8bit(ATTNRT_FP8_E4M3, -INFINITY) == -448.0f);
  CHECK(kv_8bit(ATTNRT_FP8_E5M2, 1e9f) == 57344.0f);
  CHECK(kv_8bit(ATTNRT_INT8, 300.0f) == 127.0f);
  CHECK(kv_8bit(ATTNRT_INT8, -300.0f) == -128.0f);
  CHECK(kv_8bit(ATTNRT_INT8, 2.5f) == 2.0f);
  CHECK(kv_8bit(ATTNRT_FP8_E4M3, 0x1p-10f) == 0.0f);  // half of the smallest: to even
  CHECK(kv_8bit(ATTNRT_FP8_E4M3, 0x1.8p-9f) == 0x1p-8f);
  CHECK(std::isnan(kv_8bit(ATTNRT_FP8_E5M2, NAN)));
}
