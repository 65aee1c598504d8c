// SPDX-License-Identifier: Apache-2.0
//
// Numbers of 8 bits, approximations, bytes.
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "fp8.hpp"
#include "program.hpp"

using namespace attnrt::hip_test;

TEST_CASE("values of the four kinds of fp8") {
  const float *e4m3 = fp8_values(Fp8Kind::e4m3), *e5m2 = fp8_values(Fp8Kind::e5m2);
  const float *e4m3fnuz = fp8_values(Fp8Kind::e4m3fnuz), *e5m2fnuz = fp8_values(Fp8Kind::e5m2fnuz);
  CHECK(e4m3[0x38] == 1);
  CHECK(e4m3[0x7e] == 448);
  CHECK(std::isnan(e4m3[0x7f]));
  CHECK(e4m3[0x01] == std::ldexp(1.f, -9));
  CHECK(e5m2[0x3c] == 1);
  CHECK(e5m2[0x7b] == 57344);
  CHECK(std::isinf(e5m2[0xfc]));
  CHECK(std::isnan(e5m2[0x7d]));
  CHECK(e4m3fnuz[0x40] == 1);
  CHECK(e4m3fnuz[0x7f] == 240);
  CHECK(std::isnan(e4m3fnuz[0x80]));
  CHECK(e4m3fnuz[0x01] == std::ldexp(1.f, -10));
  CHECK(e5m2fnuz[0x40] == 1);
  CHECK(e5m2fnuz[0x7f] == 57344);
  CHECK(std::isnan(e5m2fnuz[0x80]));
}

TEST_CASE("rounding to fp8 goes to the nearest, ties to even") {
  CHECK(to_fp8(Fp8Kind::e4m3, 1.0625f) == 0x38);  // halfway to 1.125
  CHECK(to_fp8(Fp8Kind::e4m3, 1.1875f) == 0x3a);  // halfway from 1.125 to 1.25
  CHECK(to_fp8(Fp8Kind::e4m3, 1.07f) == 0x39);
  CHECK(to_fp8(Fp8Kind::e4m3, -448.f) == 0xfe);
  CHECK(to_fp8(Fp8Kind::e4m3, 464.f) == 0x7e);  // halfway behind the largest, which is even
  CHECK(to_fp8(Fp8Kind::e4m3, 465.f) == 0x7f);
  CHECK(to_fp8(Fp8Kind::e4m3fnuz, 240.f) == 0x7f);
  CHECK(to_fp8(Fp8Kind::e4m3fnuz, 248.f) == 0x80);
  CHECK(to_fp8(Fp8Kind::e4m3fnuz, -0.f) == 0);
  CHECK(to_fp8(Fp8Kind::e4m3fnuz, std::nanf("")) == 0x80);
  CHECK(to_fp8(Fp8Kind::e5m2, 1e9f) == 0x7c);
  CHECK(to_fp8(Fp8Kind::e5m2, std::ldexp(1.f, -16)) == 0x01);
  for (const Fp8Kind kind : {Fp8Kind::e4m3, Fp8Kind::e5m2, Fp8Kind::e4m3fnuz, Fp8Kind::e5m2fnuz})
    for (uint32_t bits = 0; bits < 256; ++bits) {
      const float value = fp8_values(kind)[bits];
      if (std::isnan(value)) continue;
      CHECK(to_fp8(kind, value) == bits);
    }
}

TEST_CASE("conversions know the device's kind of fp8") {
  // 0x40 is 2 of the OCP's, 1 of fnuz.
  const std::string body = take("x", "i32", 4) +
                           "  %r = call <2 x float> @llvm.amdgcn.cvt.pk.f32.fp8(i32 %x, i1 true)\n" +
                           give("r", "<2 x float>", 8);
  const std::vector<uint32_t> in(64, 0x38400000);
  Options gfx950;
  gfx950.arch = 0x950;
  const auto fnuz = run<float>(body, in, 2), ocp = run<float>(body, in, 2, gfx950);
  CHECK(fnuz[0] == 1.f);
  CHECK(fnuz[1] == 0.5f);
  CHECK(ocp[0] == 2.f);
  CHECK(ocp[1] == 1.f);
  const std::string back =
      take("x", "float", 4) +
      "  %r = call i32 @llvm.amdgcn.cvt.pk.fp8.f32(float %x, float 1.000000e+00, i32 -1, i1 false)\n" +
      give("r", "i32", 4);
  CHECK(run<uint32_t>(back, std::vector<float>(64, 2.f))[0] == 0xffff4048);
  const std::string scaled =
      take("x", "i32", 4) +
      "  %r = call <2 x half> @llvm.amdgcn.cvt.scalef32.pk.f16.fp8(i32 %x, float 4.000000e+00, i1 true)\n" +
      give("r", "<2 x half>", 4);
  CHECK(run<uint32_t>(scaled, in, 1, gfx950)[0] == 0x44004800);  // 2 and 1 times 4
}

TEST_CASE("approximations and bytes") {
  const auto of = [](const char* call, float x) {
    return run<float>(take("x", "float", 4) + "  %r = call float @llvm.amdgcn." + call + give("r", "float", 4),
                      std::vector<float>(64, x))[0];
  };
  CHECK(of("exp2.f32(float %x)\n", 3.f) == 8.f);
  CHECK(of("exp2.f32(float %x)\n", -140.f) == 0.f);  // no subnormal numbers
  CHECK(of("exp2.f32(float %x)\n", -std::numeric_limits<float>::infinity()) == 0.f);
  CHECK(of("log.f32(float %x)\n", 8.f) == 3.f);
  CHECK(of("rcp.f32(float %x)\n", 4.f) == .25f);
  CHECK(of("rsq.f32(float %x)\n", 4.f) == .5f);
  CHECK(of("fmed3.f32(float %x, float 1.000000e+00, float 5.000000e+00)\n", 3.f) == 3.f);
  CHECK(of("fmed3.f32(float %x, float 1.000000e+00, float 5.000000e+00)\n", 9.f) == 5.f);
  // Byte 4 is the first word's lowest; 0x0c is zero and 0x0d all ones.
  const auto bytes =
      run<uint32_t>(take("x", "i32", 4) + "  %r = call i32 @llvm.amdgcn.perm(i32 287454020, i32 %x, i32 218890244)\n" +
                        give("r", "i32", 4),
                    std::vector<uint32_t>(64, 0xaabbccdd));
  CHECK(bytes[0] == 0xff00dd44);
  const auto halves = run<uint32_t>(
      take("x", "float", 4) + "  %r = call <2 x half> @llvm.amdgcn.cvt.pkrtz(float %x, float -6.553500e+04)\n" +
          give("r", "<2 x half>", 4),
      std::vector<float>(64, 1.99999f));
  CHECK(halves[0] == 0xfbff3fff);
}

TEST_CASE("a buffer reads zeros outside and writes nothing there") {
  const std::string body =
      "  %b = call ptr addrspace(8) @llvm.amdgcn.make.buffer.rsrc.p8.p1(ptr addrspace(1) %in, i16 0, i64 128, i32 "
      "159744)\n"
      "  %o = shl i32 %lane, 2\n  %r = call i32 @llvm.amdgcn.raw.ptr.buffer.load.i32(ptr addrspace(8) %b, i32 %o, i32 "
      "0, i32 0)\n"
      "  call void @llvm.amdgcn.raw.ptr.buffer.store.i32(i32 1, ptr addrspace(8) %b, i32 -2147483648, i32 0, i32 0)\n" +
      give("r", "i32", 4);
  const auto read = run<uint32_t>(body, std::vector<uint32_t>(64, 5));
  CHECK(read[31] == 5);
  CHECK(read[32] == 0);
}
