// SPDX-License-Identifier: Apache-2.0
//
// Matrix products. Each case puts one number into A and one into B, at a lane and place, and says by hand, from AMD's
// matrix instruction calculator, in which row, column and k they are, and where D holds their product.
#include <catch2/catch.hpp>

#include "program.hpp"

using namespace attnrt::hip_test;

namespace {

struct Kind {
  const char* function;
  const char* operand;  ///< type of A and B
  const char* result;
  uint32_t bytes, numbers;  ///< of A in a lane; numbers of D in a lane
  uint32_t element;         ///< bytes of a number of A
  uint32_t two, three;      ///< bits of 2 and 3
  uint32_t arch = 0x942;
};
const Kind kBf16_32{"mfma.f32.32x32x8bf16.1k", "<4 x i16>", "<16 x float>", 8, 16, 2, 0x4000, 0x4040};
const Kind kBf16_16{"mfma.f32.16x16x16bf16.1k", "<4 x i16>", "<4 x float>", 8, 4, 2, 0x4000, 0x4040};
const Kind kHalf_32{"mfma.f32.32x32x8f16", "<4 x half>", "<16 x float>", 8, 16, 2, 0x4000, 0x4200};
const Kind kHalf_16{"mfma.f32.16x16x16f16", "<4 x half>", "<4 x float>", 8, 4, 2, 0x4000, 0x4200};
const Kind kWideBf16_32{"mfma.f32.32x32x16.bf16", "<8 x bfloat>", "<16 x float>", 16, 16, 2, 0x4000, 0x4040, 0x950};
const Kind kWideBf16_16{"mfma.f32.16x16x32.bf16", "<8 x bfloat>", "<4 x float>", 16, 4, 2, 0x4000, 0x4040, 0x950};
const Kind kWideHalf_32{"mfma.f32.32x32x16.f16", "<8 x half>", "<16 x float>", 16, 16, 2, 0x4000, 0x4200, 0x950};
const Kind kWideHalf_16{"mfma.f32.16x16x32.f16", "<8 x half>", "<4 x float>", 16, 4, 2, 0x4000, 0x4200, 0x950};
const Kind kFloat_32{"mfma.f32.32x32x2f32", "float", "<16 x float>", 4, 16, 4, 0x40000000, 0x40400000};
const Kind kFloat_16{"mfma.f32.16x16x4f32", "float", "<4 x float>", 4, 4, 4, 0x40000000, 0x40400000};
const Kind kFp8_32{"mfma.f32.32x32x16.fp8.fp8", "i64", "<16 x float>", 8, 16, 1, 0x48, 0x4c};         // fnuz: bias 8
const Kind kFp8_16{"mfma.f32.16x16x32.fp8.fp8", "i64", "<4 x float>", 8, 4, 1, 0x40, 0x44, 0x950};    // OCP: bias 7
const Kind kBf8_16{"mfma.f32.16x16x32.bf8.bf8", "i64", "<4 x float>", 8, 4, 1, 0x44, 0x46};           // fnuz: bias 16
const Kind kBf8_32{"mfma.f32.32x32x16.bf8.bf8", "i64", "<16 x float>", 8, 16, 1, 0x40, 0x42, 0x950};  // OCP: bias 15

/// Where a number lies: a lane, and which of the lane's.
struct Place {
  uint32_t lane, number;
};

// D, with C = 1 everywhere, where A holds 2 and B holds 3 and all else is zero.
std::vector<float> product(const Kind& kind, Place a, Place b) {
  std::vector<unsigned char> in(64 * 2 * kind.bytes);
  std::memcpy(in.data() + (2 * a.lane) * kind.bytes + a.number * kind.element, &kind.two, kind.element);
  std::memcpy(in.data() + (2 * b.lane + 1) * kind.bytes + b.number * kind.element, &kind.three, kind.element);
  std::string ones;
  for (uint32_t i = 0; i < kind.numbers; ++i) ones += std::string(i ? ", " : "") + "float 1.000000e+00";
  const std::string type = kind.operand, result = kind.result;
  Options options;
  options.arch = kind.arch;
  return run<float>(take("a", type, kind.bytes, 2, 0) + take("b", type, kind.bytes, 2, 1) + "  %r = tail call " +
                        result + " @llvm.amdgcn." + kind.function + "(" + type + " %a, " + type + " %b, " + result +
                        " <" + ones + ">, i32 0, i32 0, i32 0)\n" + give("r", result, 4 * kind.numbers),
                    in, kind.numbers, options);
}

// The one place where D is not 1, or {64, 0} where there is none or not one alone.
Place found(const Kind& kind, Place a, Place b) {
  const std::vector<float> d = product(kind, a, b);
  Place where{64, 0};
  uint32_t others = 0;
  for (uint32_t i = 0; i < d.size(); ++i)
    if (d[i] == 7)
      where = {i / kind.numbers, i % kind.numbers};
    else
      others += d[i] != 1;
  return others ? Place{65, others} : where;
}
bool is(Place found, uint32_t lane, uint32_t number) { return found.lane == lane && found.number == number; }

}  // namespace

TEST_CASE("32 x 32 products") {
  // A at lane 37, second number: row 5; k is 5 where four numbers are given (4 + 1), 9 where eight, 1 where one.
  // B's k 5 is number 1 of lanes 32 to 63: lane 42 is column 10. Row 5 of D is number 1 of lanes 32 to 63 (rows 4 to
  // 7).
  for (const Kind* kind : {&kBf16_32, &kHalf_32, &kWideBf16_32, &kWideHalf_32, &kFp8_32, &kBf8_32}) {
    CAPTURE(kind->function);
    CHECK(is(found(*kind, {37, 1}, {42, 1}), 42, 1));
    CHECK(found(*kind, {37, 1}, {42, 0}).lane == 64);  // another k
    CHECK(found(*kind, {37, 1}, {10, 1}).lane == 64);
    CHECK(is(found(*kind, {31, 3}, {0, 3}), 32, 15));  // row 31, column 0
    CHECK(is(found(*kind, {8, 0}, {3, 0}), 3, 4));     // row 8
  }
  CHECK(is(found(kFloat_32, {37, 0}, {42, 0}), 42, 1));
  CHECK(found(kFloat_32, {37, 0}, {10, 0}).lane == 64);
}

TEST_CASE("16 x 16 products") {
  // A at lane 37: row 5, the third group of k. Row 5 of D is number 1 of lanes 16 to 31.
  for (const Kind* kind : {&kBf16_16, &kHalf_16, &kWideBf16_16, &kWideHalf_16, &kFp8_16, &kBf8_16}) {
    CAPTURE(kind->function);
    CHECK(is(found(*kind, {37, 1}, {42, 1}), 26, 1));
    CHECK(found(*kind, {37, 1}, {26, 1}).lane == 64);
    CHECK(is(found(*kind, {15, 3}, {0, 3}), 48, 3));  // row 15, column 0
  }
  CHECK(is(found(kFloat_16, {37, 0}, {42, 0}), 26, 1));
}

TEST_CASE("products of mixed fp8") {
  // fnuz: 0x48 is 2 as fp8, 0x46 is 3 as bf8.
  Kind mixed = kFp8_16;
  mixed.function = "mfma.f32.16x16x32.fp8.bf8";
  mixed.arch = 0x942;
  mixed.two = 0x48, mixed.three = 0x46;
  CHECK(is(found(mixed, {37, 1}, {42, 1}), 26, 1));
}

TEST_CASE("a product with a negation is refused") {
  const std::string body = take("a", "float", 4) +
                           "  %r = tail call <4 x float> @llvm.amdgcn.mfma.f32.16x16x4f32(float %a, float %a, <4 x "
                           "float> zeroinitializer, i32 0, i32 0, i32 1)\n";
  CHECK_THAT(fault_of(body, std::vector<float>(64, 1)),
             Catch::Contains("an MFMA with a broadcast or a negation is not known"));
}
