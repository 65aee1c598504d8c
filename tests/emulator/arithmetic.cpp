// SPDX-License-Identifier: Apache-2.0
//
// Instructions of the chapters on arithmetic, comparison, logic and conversion, against values written by hand.
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "machine.hpp"

using namespace attnrt::emulator;
using namespace attnrt::emulator::test;

namespace {

using U = uint32_t;
using S = int32_t;
using L = int64_t;
using H = uint16_t;

float of_bits(uint32_t bits) { return std::bit_cast<float>(bits); }
uint32_t to_bits(float value) { return std::bit_cast<uint32_t>(value); }
constexpr float kInf = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();

}  // namespace

TEST_CASE("9.7.1 integer arithmetic") {
  CHECK(evaluate<U>("add.u32 %d, %a, %b", 0xffffffffu, 3u) == 2u);
  CHECK(evaluate<S>("add.sat.s32 %d, %a, %b", 0x7fffffff, 5) == 0x7fffffff);
  CHECK(evaluate<L>("sub.s64 %d, %a, %b", L{5}, L{7}) == -2);
  CHECK(evaluate<H>("sub.u16 %d, %a, %b", H{1}, H{2}) == 0xffff);
  CHECK(evaluate<S>("mul.lo.s32 %d, %a, %b", 0x10001, 0x10001) == 0x20001);
  CHECK(evaluate<S>("mul.hi.s32 %d, %a, %b", -2, 3) == -1);
  CHECK(evaluate<U>("mul.hi.u32 %d, %a, %b", 0xffffffffu, 0xffffffffu) == 0xfffffffeu);
  CHECK(evaluate<uint64_t>("mul.hi.u64 %d, %a, %b", ~uint64_t{0}, uint64_t{4}) == 3);
  CHECK(evaluate<L>("mul.wide.s32 %d, %a, %b", -3, 0x40000000) == -3221225472ll);
  CHECK(evaluate<uint64_t>("mul.wide.u32 %d, %a, %b", 0xffffffffu, 2u) == 0x1fffffffeull);
  CHECK(evaluate<S>("mad.lo.s32 %d, %a, %b, %c", 7, -3, 100) == 79);
  CHECK(evaluate<L>("mad.wide.s32 %d, %a, %b, %c", -2, 5, L{3}) == -7);
  CHECK(evaluate<L>("mad.lo.s64 %d, %a, %b, %c", L{1} << 40, L{4}, L{1}) == (L{1} << 42) + 1);
  CHECK(evaluate<S>("div.s32 %d, %a, %b", -7, 2) == -3);
  CHECK(evaluate<U>("div.u32 %d, %a, %b", 7u, 0u) == 0xffffffffu);
  CHECK(evaluate<S>("div.s32 %d, %a, %b", std::numeric_limits<S>::min(), -1) == std::numeric_limits<S>::min());
  CHECK(evaluate<S>("rem.s32 %d, %a, %b", -7, 2) == -1);
  CHECK(evaluate<S>("abs.s32 %d, %a", -9) == 9);
  CHECK(evaluate<S>("neg.s32 %d, %a", 9) == -9);
  CHECK(evaluate<S>("min.s32 %d, %a, %b", -1, 1) == -1);
  CHECK(evaluate<U>("min.u32 %d, %a, %b", 0xffffffffu, 1u) == 1u);
  CHECK(evaluate<S>("max.s32 %d, %a, %b", -1, 1) == 1);
  CHECK(evaluate<U>("popc.b32 %d, %a", 0xf0f00001u) == 9);
  CHECK(evaluate<U>("popc.b64 %d, %a", uint64_t{0x8000000000000001u}) == 2);
  CHECK(evaluate<U>("clz.b32 %d, %a", 0x00010000u) == 15);
  CHECK(evaluate<U>("bfind.u32 %d, %a", 0x00010000u) == 16);
  CHECK(evaluate<U>("bfind.s32 %d, %a", 0xffffffffu) == 0xffffffffu);
  CHECK(evaluate<U>("brev.b32 %d, %a", 1u) == 0x80000000u);
  CHECK(evaluate<U>("bfe.u32 %d, %a, %b, %c", 0xabcd1234u, 8u, 12u) == 0xd12u);
  CHECK(evaluate<S>("bfe.s32 %d, %a, %b, %c", 0x00000f00, 8, 4) == -1);
  CHECK(evaluate<S>("bfe.s32 %d, %a, %b, %c", static_cast<S>(0x80000000u), 28, 8) == -8);
  CHECK(evaluate<U>("bfi.b32 %d, %a, %b, 8, 4", 0xffu, 0u) == 0xf00u);
  CHECK(evaluate<S>("sad.s32 %d, %a, %b, %c", -5, 4, 10) == 19);
  CHECK(evaluate<S>("dp4a.s32.s32 %d, %a, %b, %c", static_cast<S>(0xff020304u), 0x01010101, 10) == 18);
}

TEST_CASE("9.7.3 floating point") {
  CHECK(evaluate<float>("add.f32 %d, %a, %b", 1.5f, 2.25f) == 3.75f);
  CHECK(evaluate<float>("add.rn.f32 %d, %a, %b", 0x1p24f, 1.0f) == 0x1p24f);
  CHECK(evaluate<float>("add.rp.f32 %d, %a, %b", 0x1p24f, 1.0f) == 0x1p24f + 2);
  CHECK(evaluate<float>("add.rz.f32 %d, %a, %b", -0x1p24f, -1.0f) == -0x1p24f);
  CHECK(to_bits(evaluate<float>("add.f32 %d, %a, %b", kInf, -kInf)) == 0x7fffffffu);
  CHECK(evaluate<float>("add.ftz.f32 %d, %a, %b", of_bits(1), 0.0f) == 0.0f);
  CHECK(to_bits(evaluate<float>("add.f32 %d, %a, %b", of_bits(1), 0.0f)) == 1);
  CHECK(evaluate<float>("add.sat.f32 %d, %a, %b", 3.0f, 1.0f) == 1.0f);
  CHECK(evaluate<float>("sub.f32 %d, %a, %b", 1.5f, 2.25f) == -0.75f);
  CHECK(evaluate<float>("mul.f32 %d, %a, %b", 3.0f, -0.5f) == -1.5f);
  CHECK(evaluate<float>("mul.ftz.f32 %d, %a, %b", 0x1p-100f, 0x1p-40f) == 0.0f);
  // 1 + 2^-12 squared is 1 + 2^-11 + 2^-24: only a fused operation keeps the last term
  CHECK(evaluate<float>("fma.rn.f32 %d, %a, %b, %c", 1 + 0x1p-12f, 1 + 0x1p-12f, -1.0f) == 0x1p-11f + 0x1p-24f);
  CHECK(evaluate<float>("fma.rz.f32 %d, %a, %b, %c", 1.0f, 1.0f, -0x1p-30f) == 1 - 0x1p-24f);
  CHECK(evaluate<float>("div.rn.f32 %d, %a, %b", 1.0f, 3.0f) == 1.0f / 3.0f);
  CHECK(evaluate<float>("div.full.f32 %d, %a, %b", 6.0f, 3.0f) == 2.0f);
  CHECK(evaluate<float>("div.approx.f32 %d, %a, %b", 1.0f, 0.0f) == kInf);
  CHECK(evaluate<float>("abs.f32 %d, %a", -2.0f) == 2.0f);
  CHECK(evaluate<float>("neg.f32 %d, %a", 2.0f) == -2.0f);
  CHECK(evaluate<float>("min.f32 %d, %a, %b", kNan, 2.0f) == 2.0f);
  CHECK(to_bits(evaluate<float>("max.NaN.f32 %d, %a, %b", kNan, 2.0f)) == 0x7fffffffu);
  CHECK(to_bits(evaluate<float>("max.f32 %d, %a, %b", -0.0f, 0.0f)) == 0);
  CHECK(to_bits(evaluate<float>("min.f32 %d, %a, %b", 0.0f, -0.0f)) == 0x80000000u);
  CHECK(evaluate<float>("rcp.approx.ftz.f32 %d, %a", 4.0f) == 0.25f);
  CHECK(evaluate<float>("sqrt.approx.f32 %d, %a", 2.25f) == 1.5f);
  CHECK(evaluate<float>("sqrt.rn.f32 %d, %a", 2.0f) == std::sqrt(2.0f));
  CHECK(evaluate<float>("rsqrt.approx.f32 %d, %a", 4.0f) == 0.5f);
  CHECK(evaluate<float>("ex2.approx.ftz.f32 %d, %a", -3.0f) == 0.125f);
  CHECK(evaluate<float>("ex2.approx.ftz.f32 %d, %a", -140.0f) == 0.0f);
  CHECK(evaluate<float>("lg2.approx.f32 %d, %a", 8.0f) == 3.0f);
  CHECK(evaluate<float>("copysign.f32 %d, %a, %b", -1.0f, 5.0f) == -5.0f);
  CHECK(evaluate<double>("fma.rn.f64 %d, %a, %b, %c", 3.0, 4.0, 5.0) == 17.0);
  CHECK(evaluate<double>("add.f64 %d, %a, %b", 0.5, 0.25) == 0.75);
  const uint64_t pair = uint64_t{to_bits(3.0f)} << 32 | to_bits(1.0f);
  CHECK(evaluate<uint64_t>("add.rn.f32x2 %d, %a, %b", pair, pair, pair, {}, 100) ==
        (uint64_t{to_bits(6.0f)} << 32 | to_bits(2.0f)));
  CHECK(evaluate<float>("max.f32 %d, %a, %b, %c", 1.0f, 7.0f, 3.0f, {}, 100) == 7.0f);
}

TEST_CASE("an approximation is off by no more than is documented, and by something") {
  Mode mode;
  mode.perturbed = true;
  float most = 0;
  for (const float x : {0.1f, 0.7f, 1.3f, 2.9f, 5.5f}) {
    const float got = evaluate<float>("ex2.approx.f32 %d, %a", x, 0.0f, 0.0f, mode), exact = std::exp2(x);
    most = std::max(most, std::fabs(got - exact) / exact);
  }
  CHECK(most > 0);
  CHECK(most <= 0x1p-22f + 0x1p-24f);
}

TEST_CASE("9.7.4 half precision") {
  const H one = 0x3c00, two = 0x4000, three = 0x4200, tiny = 0x0001;
  CHECK(evaluate<H>("add.f16 %d, %a, %b", one, two) == three);
  CHECK(evaluate<H>("mul.f16 %d, %a, %b", tiny, one) == tiny);
  CHECK(evaluate<H>("fma.rn.f16 %d, %a, %b, %c", two, two, H{0xc400}) == 0);
  CHECK(evaluate<H>("add.rn.bf16 %d, %a, %b", H{0x3f80}, H{0x3f80}) == 0x4000);
  CHECK(evaluate<U>("add.f16x2 %d, %a, %b", 0x3c004000u, 0x40003c00u) == 0x42004200u);
  CHECK(evaluate<U>("fma.rn.bf16x2 %d, %a, %b, %c", 0x3f803f80u, 0x40004000u, 0x3f803f80u) == 0x40404040u);
  CHECK(evaluate<H>("max.f16 %d, %a, %b", H{0x7e00}, two) == two);
  CHECK(evaluate<U>("neg.f16x2 %d, %a", 0x3c00bc00u) == 0xbc003c00u);
}

TEST_CASE("9.7.6 comparison and selection") {
  const auto compare_f = [](const char* name, float a, float b) {
    return evaluate<U>(std::string("setp.") + name + ".f32 %p1, %a, %b; selp.b32 %d, 1, 0, %p1", a, b);
  };
  CHECK(compare_f("lt", 1, 2) == 1);
  CHECK(compare_f("ge", 1, 2) == 0);
  CHECK(compare_f("ne", kNan, 2) == 0);
  CHECK(compare_f("neu", kNan, 2) == 1);
  CHECK(compare_f("equ", kNan, 2) == 1);
  CHECK(compare_f("ltu", kNan, 2) == 1);
  CHECK(compare_f("num", kNan, 2) == 0);
  CHECK(compare_f("nan", kNan, 2) == 1);
  CHECK(evaluate<U>("setp.lt.s32 %p1|%p2, %a, %b; selp.b32 %d, 1, 0, %p2", -1, 1) == 0);
  CHECK(evaluate<U>("setp.lt.u32 %p1, %a, %b; selp.b32 %d, 1, 0, %p1", 0xffffffffu, 1u) == 0);
  CHECK(evaluate<U>("setp.eq.s32 %p3, %a, %a; setp.gt.and.s32 %p1, %b, %a, !%p3; selp.b32 %d, 1, 0, %p1", 1, 2) == 0);
  CHECK(evaluate<U>("setp.eq.s32 %p3, %a, %a; setp.lt.or.s32 %p1, %b, %a, %p3; selp.b32 %d, 1, 0, %p1", 1, 2) == 1);
  CHECK(evaluate<U>("setp.eq.s32 %p3, %a, %a; setp.gt.xor.s32 %p1, %b, %a, %p3; selp.b32 %d, 1, 0, %p1", 1, 2) == 0);
  CHECK(evaluate<L>("setp.gt.s64 %p1, %a, %b; selp.b64 %d, %a, %b, %p1", L{-1}, L{-2}) == -1);
}

TEST_CASE("9.7.8 logic and shift") {
  CHECK(evaluate<U>("and.b32 %d, %a, %b", 0xff00u, 0x0ff0u) == 0x0f00u);
  CHECK(evaluate<U>("or.b32 %d, %a, %b", 0xff00u, 0x0ff0u) == 0xfff0u);
  CHECK(evaluate<uint64_t>("xor.b64 %d, %a, %b", uint64_t{0xff00}, uint64_t{0x0ff0}) == 0xf0f0u);
  CHECK(evaluate<H>("not.b16 %d, %a", H{0x00ff}) == 0xff00);
  CHECK(evaluate<U>("lop3.b32 %d, %a, %b, %c, 0x96", 0xf0u, 0xccu, 0xaau) == (0xf0u ^ 0xccu ^ 0xaau));
  CHECK(evaluate<U>("lop3.b32 %d, %a, %b, %c, 0xe8", 0xf0u, 0xccu, 0xaau) ==
        ((0xf0u & 0xccu) | (0xf0u & 0xaau) | (0xccu & 0xaau)));
  CHECK(evaluate<U>("shl.b32 %d, %a, %b", 1u, 31u) == 0x80000000u);
  CHECK(evaluate<U>("shl.b32 %d, %a, %b", 1u, 32u) == 0u);
  CHECK(evaluate<S>("shr.s32 %d, %a, %b", -8, 100) == -1);
  CHECK(evaluate<U>("shr.u32 %d, %a, %b", 0x80000000u, 31u) == 1u);
  CHECK(evaluate<uint64_t>("shl.b64 %d, %a, %b", uint64_t{3}, 40u) == uint64_t{3} << 40);
  CHECK(evaluate<U>("shf.l.wrap.b32 %d, %a, %b, %c", 0x80000000u, 1u, 1u) == 3u);
  CHECK(evaluate<U>("shf.r.clamp.b32 %d, %a, %b, %c", 5u, 9u, 40u) == 9u);
  CHECK(evaluate<U>("prmt.b32 %d, %a, %b, 0x7420", 0x33221100u, 0x77665544u) == 0x77442200u);
  CHECK(evaluate<U>("prmt.b32 %d, %a, %b, 0x8888", 0x00000080u, 0u) == 0xffffffffu);
}

TEST_CASE("9.7.9.21 conversions") {
  CHECK(evaluate<float>("cvt.rn.f32.s32 %d, %a", -7) == -7.0f);
  CHECK(evaluate<float>("cvt.rn.f32.u32 %d, %a", 0xffffffffu) == 4294967296.0f);
  CHECK(evaluate<float>("cvt.rz.f32.u32 %d, %a", 0xffffffffu) == 4294967040.0f);
  CHECK(evaluate<S>("cvt.rzi.s32.f32 %d, %a", -2.7f) == -2);
  CHECK(evaluate<S>("cvt.rni.s32.f32 %d, %a", 2.5f) == 2);
  CHECK(evaluate<S>("cvt.rmi.s32.f32 %d, %a", -2.1f) == -3);
  CHECK(evaluate<S>("cvt.rpi.s32.f32 %d, %a", 2.1f) == 3);
  CHECK(evaluate<S>("cvt.rzi.s32.f32 %d, %a", 1e20f) == 0x7fffffff);
  CHECK(evaluate<S>("cvt.rzi.s32.f32 %d, %a", kNan) == 0);
  CHECK(evaluate<U>("cvt.rzi.u32.f32 %d, %a", -5.0f) == 0);
  CHECK(evaluate<float>("cvt.rmi.f32.f32 %d, %a", -1.5f) == -2.0f);
  CHECK(evaluate<float>("cvt.sat.f32.f32 %d, %a", 1.5f) == 1.0f);
  CHECK(evaluate<L>("cvt.s64.s32 %d, %a", -1) == -1);
  CHECK(evaluate<uint64_t>("cvt.u64.u32 %d, %a", 0xffffffffu) == 0xffffffffull);
  CHECK(evaluate<U>("cvt.u32.u64 %d, %a", uint64_t{0x1234567890}) == 0x34567890u);
  CHECK(evaluate<S>("cvt.s32.s8 %d, %a", H{0x00ff}) == -1);
  CHECK(evaluate<U>("cvt.u32.u8 %d, %a", 0x1234u) == 0x34u);
  CHECK(evaluate<S>("cvt.sat.s8.s32 %d, %a", 300) == 127);
  CHECK(evaluate<H>("cvt.rn.f16.f32 %d, %a", 1.0f) == 0x3c00);
  CHECK(evaluate<H>("cvt.rn.f16.f32 %d, %a", 65520.0f) == 0x7c00);
  CHECK(evaluate<H>("cvt.rn.f16.f32 %d, %a", 0x1p-25f) == 0);
  CHECK(evaluate<H>("cvt.rn.f16.f32 %d, %a", 0x1.8p-25f) == 1);
  CHECK(evaluate<H>("cvt.rz.f16.f32 %d, %a", 65535.0f) == 0x7bff);
  CHECK(evaluate<float>("cvt.f32.f16 %d, %a", H{0x0001}) == 0x1p-24f);
  CHECK(evaluate<float>("cvt.f32.f16 %d, %a", H{0xfc00}) == -kInf);
  CHECK(evaluate<H>("cvt.rn.bf16.f32 %d, %a", of_bits(0x3f808000u)) == 0x3f80);
  CHECK(evaluate<H>("cvt.rn.bf16.f32 %d, %a", of_bits(0x3f818000u)) == 0x3f82);
  CHECK(evaluate<H>("cvt.rn.bf16.f32 %d, %a", kNan) == 0x7fff);
  CHECK(evaluate<float>("cvt.f32.bf16 %d, %a", H{0x4040}) == 3.0f);
  CHECK(evaluate<H>("cvt.rn.bf16.f16 %d, %a", H{0x3c00}) == 0x3f80);
  CHECK(evaluate<U>("cvt.rn.f16x2.f32 %d, %a, %b", 2.0f, 1.0f) == 0x40003c00u);
  CHECK(evaluate<U>("cvt.rn.bf16x2.f32 %d, %a, %b", 2.0f, 1.0f) == 0x40003f80u);
  CHECK(evaluate<U>("cvt.rn.f16x2.e4m3x2 %d, %a", H{0x7e38}) == 0x5f003c00u);  // 448 and 1
  CHECK(evaluate<U>("cvt.rn.f16x2.e5m2x2 %d, %a", H{0x3c7c}) == 0x3c007c00u);
  CHECK(evaluate<H>("cvt.rn.satfinite.e4m3x2.f32 %d, %a, %b", 1000.0f, 1.0f) == 0x7e38);
  CHECK(evaluate<H>("cvt.rn.satfinite.e4m3x2.f32 %d, %a, %b", 0x1p-9f, -0x1p-10f) == 0x0180);
  CHECK(evaluate<H>("cvt.rn.satfinite.e4m3x2.f32 %d, %a, %b", 0.0f, -0.0f) == 0x0080);
  CHECK(evaluate<H>("cvt.rn.satfinite.e5m2x2.f32 %d, %a, %b", 1.0f, -2.0f) == 0x3cc0);
  CHECK(evaluate<double>("cvt.f64.f32 %d, %a", 0.5f) == 0.5);
  CHECK(evaluate<float>("cvt.rn.f32.f64 %d, %a", 1.0 + 0x1p-30) == 1.0f);
}
