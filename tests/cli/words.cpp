// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "element.hpp"
#include "failure.hpp"
#include "global_flags.hpp"
#include "run/compare.hpp"
#include "run/sdpa.hpp"
#include "setting.hpp"

using namespace attnrt::cli;

TEST_CASE("settings are understood, or told with flag, value and what is accepted") {
  CHECK(whole({"24", "--block-size"}, 1, 64) == 24);
  CHECK_THROWS_WITH(whole({"0", "--block-size"}, 1, 64), "--block-size is '0', wanted a whole number from 1 to 64");
  for (const char* text : {"", "x", "1x", " 1", "1.0", "-1", "65", "99999999999999999999"})
    CHECK_THROWS_AS(whole({text, "--n"}, 0, 64), Failure);
  CHECK(number({"2.5e1", "--softcap"}, 0) == 25);
  for (const char* text : {"", "nan", "inf", "-1", "1e300", "0x"})
    CHECK_THROWS_AS(number({text, "--softcap"}, 0), Failure);
  CHECK(element_type({"Half", "--dtype"}) == ATTNRT_FP16);
  CHECK(element_type({"float", "--dtype"}) == ATTNRT_FP32);
  CHECK(element_type({"fp8", "--dtype"}) == ATTNRT_FP8_E4M3);
  CHECK_THROWS_WITH(element_type({"fp64", "--dtype"}), Catch::Contains("--dtype is 'fp64', wanted one of fp32, f32"));
  CHECK_THROWS_WITH(truth({"yes", "f: metadata causal"}), "f: metadata causal is 'yes', wanted one of true, false");
}

TEST_CASE("attention config words become one JSON object") {
  const auto take = [](std::vector<std::string> arguments) { return take_attention_config(arguments); };
  CHECK(take({"list"}).empty());
  CHECK(take({"-ac.backend", "X"}) == R"({"backend":"X"})");
  CHECK(take({"-ac.backend=X", "-ac", R"({"flash_attn_version": 2})"}) == R"({"backend":"X","flash_attn_version":2})");
  CHECK(take({"--attention-config.mla-prefill-backend", "Y"}) == R"({"mla_prefill_backend":"Y"})");
  CHECK(take({"--attention-config={\"backend\":\"Z\"}", "-ac.backend", "W"}) == R"({"backend":"W"})");
  CHECK_THROWS_WITH(take({"-ac"}), Catch::Contains("-ac stands last"));
  CHECK_THROWS_WITH(take({"-ac", "{"}), Catch::Contains("wanted a JSON object"));
  CHECK_THROWS_WITH(take({"-ac", "[]"}), Catch::Contains("wanted a JSON object"));
  CHECK_THROWS_WITH(take({"-ac", R"({"a":1,"a":2})"}), Catch::Contains("names 'a' twice"));
  std::vector<std::string> arguments{"run", "-ac.backend", "X", "file", "--", "-ac"};
  take_attention_config(arguments);
  CHECK(arguments == std::vector<std::string>{"run", "file", "--", "-ac"});
}

TEST_CASE("elements of each dtype are read and rounded") {
  Array half = make_array(Dtype::F16, {6}, 0), bf16 = make_array(Dtype::BF16, {2}, 0);
  const uint16_t halves[] = {0x3c00, 0xc000, 0x0001, 0x7bff, 0xfc00, 0x7e00};
  std::copy(std::begin(halves), std::end(halves), half.as<uint16_t>());
  CHECK(element(half, 0) == 1);
  CHECK(element(half, 1) == -2);
  CHECK(element(half, 2) == std::ldexp(1.0, -24));
  CHECK(element(half, 3) == 65504);
  CHECK(element(half, 4) == -std::numeric_limits<double>::infinity());
  CHECK(std::isnan(element(half, 5)));
  bf16.as<uint16_t>()[0] = 0x3fc0;
  CHECK(element(bf16, 0) == 1.5);
  CHECK(rounded(1 + std::ldexp(1.0, -9), Dtype::BF16) == 1);  // half way, to even
  CHECK(rounded(1 + std::ldexp(1.5, -8), Dtype::BF16) == 1 + std::ldexp(1.0, -7));
  CHECK(rounded(std::ldexp(1.2, -24), Dtype::F16) == std::ldexp(1.0, -24));
  CHECK(rounded(0.1, Dtype::F32) == static_cast<double>(0.1f));
}

TEST_CASE("four dimensions are packed and unpacked") {
  Array four = make_array(Dtype::F32, {2, 3, 4, 1}, 0);
  for (int i = 0; i < 24; ++i) four.as<float>()[i] = static_cast<float>(i);
  const Array packed = pack(four, FourDims::kBhsd);
  CHECK(packed.shape == Shape{8, 3, 1});
  CHECK(packed.as<float>()[1] == 4);                     // batch 0, token 0, head 1
  CHECK(packed.as<float>()[(1 * 4 + 2) * 3 + 1] == 18);  // batch 1, token 2, head 1
  const Array again = unpack(packed, 2, FourDims::kBhsd);
  CHECK(again.shape == four.shape);
  CHECK(again.data == four.data);
  CHECK(pack(four, FourDims::kBshd).shape == Shape{6, 4, 1});
  CHECK(pack(four, FourDims::kBshd).data == four.data);
}

TEST_CASE("a comparison fails beyond its bound, and for NaN") {
  RunFile run;
  run.q = make_array(Dtype::BF16, {2, 2, 4}, 0);
  run.v = make_array(Dtype::BF16, {3, 1, 4}, 0);
  for (int i = 0; i < 12; ++i) run.v->as<uint16_t>()[i] = 0xc000;  // -2
  run.num_kv_heads = 1;
  run.head_size_v = 4;
  run.query_start_loc = {0, 2};
  run.kv_start_loc = {0, 3};
  run.expected_out = make_array(Dtype::F32, {2, 2, 4}, 0);
  for (int i = 0; i < 16; ++i) run.expected_out->as<float>()[i] = 1;
  Array out = make_array(Dtype::BF16, {2, 2, 4}, 0);
  for (int i = 0; i < 16; ++i) out.as<uint16_t>()[i] = 0x3f80;
  const std::vector<double> sizes(4, 1.0);  // of the scores of each token and head
  const auto compared = [&](double tolerance) { return compare_out(run, sizes, out, tolerance); };
  CHECK(compared(1).passed);
  CHECK(compared(1).max_error == 0);
  out.as<uint16_t>()[13] = 0x3f86;  // 1.046875, 4 * 2^-8 * 2 = 0.03125 allowed
  const Comparison wrong = compared(1);
  CHECK_FALSE(wrong.passed);
  CHECK(wrong.worst == Shape{1, 1, 1});
  CHECK(wrong.bound == 0.03125);
  CHECK(wrong.max_error == 0.046875);
  out.as<uint16_t>()[13] = 0x7fc0;
  CHECK_FALSE(compared(1e30).passed);
  for (int i = 0; i < 16; ++i) out.as<uint16_t>()[i] = 0x3f82;  // each within the bound, all off by 1/64
  CHECK_FALSE(compared(1).passed);                              // by the RMS, for 1 needs no rounding

  Array lse = make_array(Dtype::F32, {1, 2}, 0), expected = lse;
  const float minus = -std::numeric_limits<float>::infinity();
  lse.as<float>()[0] = expected.as<float>()[0] = minus;
  lse.as<float>()[1] = 1.00005f;
  expected.as<float>()[1] = 1;
  CHECK(compare_lse(expected, sizes, lse, 1).passed);
  lse.as<float>()[1] = 1.0002f;
  CHECK_FALSE(compare_lse(expected, sizes, lse, 1).passed);
  lse.as<float>()[1] = 1;
  lse.as<float>()[0] = -100;
  CHECK_FALSE(compare_lse(expected, sizes, lse, 1).passed);
}
