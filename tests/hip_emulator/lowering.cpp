// SPDX-License-Identifier: Apache-2.0
//
// The text: constants of LLVM 24, control flow, and what is refused with its line.
#include <catch2/catch.hpp>

#include "literal.hpp"
#include "program.hpp"

using namespace attnrt::hip_test;

namespace {

const std::vector<uint32_t> kIn(64, 10);
std::string refused(const std::string& body) { return fault_of(body, kIn); }
uint32_t first(const std::string& body) { return run<uint32_t>(body + give("r", "i32", 4), kIn)[0]; }

}  // namespace

TEST_CASE("constants in the hexadecimal forms of LLVM 22") {
  CHECK(literal_of("float", "1.000000e+00") == "0x3FF0000000000000");
  CHECK(literal_of("float", "f0x3FB8AA3B") == "0x3FF7154760000000");
  CHECK(literal_of("float", "-inf") == "0xFFF0000000000000");
  CHECK(literal_of("float", "+qnan") == "0x7FF8000000000000");
  CHECK(literal_of("float", "0.1") == "0x3FB99999A0000000");
  CHECK(literal_of("float", "f0x00000001") == "0x36A0000000000000");
  CHECK(literal_of("bfloat", "+nan(0x3F)") == "0xR7FFF");
  CHECK(literal_of("bfloat", "-2.5") == "0xRC020");
  CHECK(literal_of("bfloat", "bf0x3F80") == "0xR3F80");
  CHECK(literal_of("half", "0.1") == "0xH2E66");
  CHECK(literal_of("half", "6.0e-08") == "0xH0001");
  CHECK(literal_of("half", "-inf") == "0xHFC00");
  CHECK(literal_of("double", "-0.0") == "0x8000000000000000");
  CHECK_THROWS_WITH(literal_of("float", "1.5x"), Catch::Contains("is no constant of type float"));
}

TEST_CASE("loops, switches and names") {
  CHECK(first("  br label %.lr.ph\n.lr.ph:                ; preds = %0\n  %i = phi i32 [ 0, %0 ], [ %j, %.lr.ph ]\n  "
              "%j = add nuw nsw i32 %i, 3\n"
              "  %c = icmp samesign ult i32 %j, 20\n  br i1 %c, label %.lr.ph, label %9\n9:\n  %r = add i32 %j, 0\n") ==
        21);
  CHECK(first("  switch i32 7, label %other [\n    i32 3, label %three\n    i32 7, label %seven\n  ]\nthree:\n  br "
              "label %end\nseven:\n  br label %end\n"
              "other:\n  br label %end\nend:\n  %r = phi i32 [ 1, %three ], [ 2, %seven ], [ 3, %other ]\n") == 2);
  CHECK(first("  %f = fadd <2 x float> <float 1.000000e+00, float f0x40000000>, splat (float 5.000000e-01)\n  %e = "
              "extractelement <2 x float> %f, i64 1\n"
              "  %r = fptosi float %e to i32\n") == 2);
  CHECK(
      first(
          "  %f = fptrunc float f0x3F808000 to bfloat\n  %b = bitcast bfloat %f to i16\n  %r = zext i16 %b to i32\n") ==
      0x3f80);  // a tie, to even
  CHECK(
      first(
          "  %f = fptrunc float f0x3F818000 to bfloat\n  %b = bitcast bfloat %f to i16\n  %r = zext i16 %b to i32\n") ==
      0x3f82);
}

TEST_CASE("what the emulator does not know is refused by name, with its line") {
  CHECK_THAT(refused("  %r = call i32 @llvm.amdgcn.sudot4(i1 true, i32 %lane, i1 true, i32 1, i32 2, i1 false)\n"),
             Catch::Equals("text: line 5: function llvm.amdgcn.sudot4 is not known to the emulator"));
  CHECK_THAT(refused("  %r = call i32 @other(i32 %lane)\n"), Catch::Contains("function other is not known"));
  CHECK_THAT(refused("  %r = atomicrmw add ptr addrspace(1) %out, i32 1 monotonic, align 4\n"),
             Catch::Contains("instruction 'atomicrmw' is not known"));
  CHECK_THAT(refused("  %r = load atomic i32, ptr addrspace(1) %out monotonic, align 4\n"),
             Catch::Contains("a atomic load is not known"));
  CHECK_THAT(refused("  %r = alloca i32, align 4, addrspace(5)\n"),
             Catch::Contains("instruction 'alloca' is not known"));
  CHECK_THAT(refused("  %p = inttoptr i32 %lane to ptr addrspace(5)\n"),
             Catch::Contains("address space 5, wanted 1, 3, 4 or 8"));
  CHECK_THAT(refused("  %p = addrspacecast ptr addrspace(1) %in to ptr\n"),
             Catch::Contains("'addrspacecast' is not known"));
  CHECK_THAT(refused("  %r = load i32, ptr addrspace(3) @table, align 4\n"),
             Catch::Contains("@table is no variable that is known"));
  CHECK_THAT(refused("  %r = add i32 %lane, &\n"), Catch::Contains("line 5: '&' is not expected"));
  CHECK_THAT(refused("  %r = add i32 %lane, %nobody\n"), Catch::Contains("refuses the kernel"));
}

TEST_CASE("a kernel's parameters are those of its code object") {
  KernelInfo info;
  info.name = "test";
  info.parameters = {{0, 8}};
  CHECK_THROWS_WITH(lower(module_of(""), info),
                    Catch::Contains("line 3: parameter 1 has 8 bytes, another number than in the code object"));
  info.parameters = {{0, 8}, {8, 8}, {16, 4}};
  CHECK_THROWS_WITH(lower(module_of(""), info), Catch::Contains("2 parameters, the code object has 3"));
  info.name = "other";
  CHECK_THROWS_WITH(lower(module_of(""), info), Catch::Contains("the kernel is @test, the code object's is other"));
  CHECK_THROWS_WITH(lower("target triple = \"nvptx64-nvidia-cuda\"\n", info),
                    Catch::Contains("wanted one for AMD's devices"));
  CHECK_THROWS_WITH(lower("", info), Catch::Contains("the text defines no kernel other"));
}

TEST_CASE("a division by zero is a fault of the kernel") {
  CHECK_THAT(refused(take("x", "i32", 4) + "  %z = sub i32 %x, 10\n  %r = sdiv i32 %x, %z\n"),
             Catch::Contains("10 is divided by 0"));
  CHECK_THAT(refused(take("x", "i32", 4) + "  %m = sub i32 %x, 11\n  %r = sdiv i32 -2147483648, %m\n"),
             Catch::Contains("is divided by -1"));
  CHECK(
      first(take("x", "i32", 4) +
            "  %v = insertelement <2 x i32> <i32 0, i32 3>, i32 %x, i64 0\n  %q = sdiv <2 x i32> <i32 70, i32 99>, %v\n"
            "  %a = extractelement <2 x i32> %q, i64 0\n  %b = extractelement <2 x i32> %q, i64 1\n  %c = mul i32 %b, "
            "100\n"
            "  %r = add i32 %a, %c\n") == 3307);
  CHECK(first(take("x", "i32", 4) + "  %q = udiv i32 -1, %x\n  %r = urem i32 %q, 1000\n") == 429496729 % 1000);
}
