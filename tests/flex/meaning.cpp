// SPDX-License-Identifier: Apache-2.0
//
// What operators compute where languages differ, by hand; and that simplifying changes no bit.
#include "attnrt/flex/meaning.hpp"

#include <limits>

#include "attnrt/flex/evaluate.hpp"
#include "programs.hpp"

using namespace attnrt::flex;

namespace {

constexpr int32_t kMost = std::numeric_limits<int32_t>::max(), kLeast = std::numeric_limits<int32_t>::min();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInf = std::numeric_limits<float>::infinity();

int32_t whole(Op op, int32_t a, int32_t b = 0) { return apply(op, Type::i32, Value::of(a), Value::of(b)).integer(); }
float real(Op op, float a, float b = 0) { return apply(op, Type::f32, Value::of(a), Value::of(b)).real(); }
bool truth(Op op, float a, float b) { return apply(op, Type::f32, Value::of(a), Value::of(b)).truth(); }

}  // namespace

TEST_CASE("integers wrap, and division rounds toward minus infinity") {
  CHECK(whole(Op::add, kMost, 1) == kLeast);
  CHECK(whole(Op::sub, kLeast, 1) == kMost);
  CHECK(whole(Op::mul, 65536, 65536) == 0);
  CHECK(whole(Op::neg, kLeast) == kLeast);
  CHECK(whole(Op::abs, kLeast) == kLeast);
  const int32_t divisions[][4] = {
      {7, 2, 3, 1},   {-7, 2, -4, 1}, {7, -2, -4, -1},         {-7, -2, 3, -1},
      {6, -3, -2, 0}, {5, 0, 0, 0},   {kLeast, -1, kLeast, 0}, {kLeast, kMost, -2, kMost - 1}};
  for (const auto& d : divisions) {
    CHECK(whole(Op::floor_div, d[0], d[1]) == d[2]);
    CHECK(whole(Op::mod, d[0], d[1]) == d[3]);
  }
  CHECK(whole(Op::shift_left, 3, 4) == 48);
  CHECK(whole(Op::shift_left, 3, 31) == kLeast);
  CHECK(whole(Op::shift_left, 3, 32) == 0);
  CHECK(whole(Op::shift_left, 3, -1) == 0);
  CHECK(whole(Op::shift_right, -9, 1) == -5);
  CHECK(whole(Op::shift_right, -9, 99) == -1);
  CHECK(whole(Op::bit_xor, -1, 5) == -6);
}

TEST_CASE("numbers of fp32") {
  CHECK(real(Op::floor_div, -7, 2) == -4);
  CHECK(real(Op::mod, -7, 3) == 2);
  CHECK(real(Op::div, 1, 0) == kInf);
  CHECK(real(Op::rsqrt, 4) == 0.5f);
  for (const Op op : {Op::min, Op::max}) {
    CHECK(std::isnan(real(op, kNan, 1)));
    CHECK(std::isnan(real(op, 1, kNan)));
  }
  CHECK(real(Op::min, 2, -3) == -3);
  CHECK(real(Op::max, 2, -3) == 2);
  CHECK_FALSE(truth(Op::lt, kNan, 1));
  CHECK_FALSE(truth(Op::eq, kNan, kNan));
  CHECK(truth(Op::ne, kNan, kNan));
  const std::pair<float, int32_t> casts[] = {{2.9f, 2},     {-2.9f, -2},     {kNan, 0},
                                             {3e9f, kMost}, {-3e9f, kLeast}, {-kInf, kLeast}};
  for (const auto& [from, to] : casts) CHECK(apply(Op::to_i32, Type::f32, Value::of(from)).integer() == to);
  CHECK(apply(Op::to_f32, Type::i32, Value::of(16777217)).real() == 16777216.0f);
  CHECK(apply(Op::to_bool, Type::f32, Value::of(kNan)).truth());
  CHECK_FALSE(apply(Op::to_bool, Type::f32, Value::of(-0.0f)).truth());
}

TEST_CASE("elements of 16 bits and of bool") {
  const uint16_t halves[] = {0x3c00, 0xc000, 0x0001, 0x8400, 0x7c00, 0x7bff};
  const float wanted[] = {1, -2, 0x1p-24f, -0x1p-14f, kInf, 65504};
  for (int i = 0; i < 6; ++i) CHECK(read_element(Element::fp16, halves, i).real() == wanted[i]);
  const uint16_t nan = 0x7e00, brain = 0xc0a0;
  CHECK(std::isnan(read_element(Element::fp16, &nan, 0).real()));
  CHECK(read_element(Element::bf16, &brain, 0).real() == -5);
  const uint8_t truths[] = {0, 2};
  CHECK(read_element(Element::boolean, truths, 1).bits == 1);
}

TEST_CASE("a simplified program gives the same bits") {
  RandomPrograms random(11);
  RandomBuffers buffers(3);
  for (int i = 0; i < 300; ++i) {
    const Program program = random.next(), simple = simplify(program);
    Evaluator all(program, buffers.views), few(simple, buffers.views);
    for (int k = 0; k < 50; ++k) {
      const Pair pair{static_cast<int32_t>(random.below(3)), static_cast<int32_t>(random.below(9)),
                      static_cast<int32_t>(random.below(200)), static_cast<int32_t>(random.below(200)),
                      static_cast<float>(random.below(100)) - 50};
      REQUIRE(all.visible(pair) == few.visible(pair));
      const float a = all.score(pair), b = few.score(pair);
      REQUIRE((a != a ? b != b : Value::of(a).bits == Value::of(b).bits));
    }
  }
}

TEST_CASE("what simplifies away") {
  CHECK(simplify(parsed("mask: q_idx >= q_idx && kv_idx < 5 + 3")) == parsed("mask: kv_idx < 8"));
  CHECK(simplify(parsed("mask: true; score: score * 1.0")).nodes.empty());
  CHECK(simplify(parsed("mask: !!(q_idx < 3) || false")) == parsed("mask: q_idx < 3"));
  CHECK(simplify(parsed("score: score + (q_idx - q_idx)")) == parsed("score: score + 0.0"));
}
