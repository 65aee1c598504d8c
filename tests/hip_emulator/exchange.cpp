// SPDX-License-Identifier: Apache-2.0
//
// Lanes that read each other, against values written by hand.
#include <catch2/catch.hpp>

#include "program.hpp"

using namespace attnrt::hip_test;
using Words = std::vector<uint32_t>;

namespace {

// Lane l holds 100 + l.
Words lanes() {
  Words all(64);
  for (uint32_t l = 0; l < 64; ++l) all[l] = 100 + l;
  return all;
}
Words exchanged(const std::string& call, const Words& in = lanes()) {
  return run<uint32_t>(take("x", "i32", 4) + call + give("r", "i32", 4), in);
}
Words dpp(uint32_t control, uint32_t rows = 15, uint32_t banks = 15, bool bound = false) {
  return exchanged("  %r = tail call i32 @llvm.amdgcn.update.dpp.i32(i32 7, i32 %x, i32 " + std::to_string(control) +
                   ", i32 " + std::to_string(rows) + ", i32 " + std::to_string(banks) + ", i1 " +
                   (bound ? "true" : "false") + ")\n");
}

}  // namespace

TEST_CASE("a lane's value goes to all, to one, or is gathered by number") {
  CHECK(exchanged("  %r = call i32 @llvm.amdgcn.readfirstlane.i32(i32 %x)\n") == Words(64, 100));
  CHECK(exchanged("  %r = call i32 @llvm.amdgcn.readlane.i32(i32 %x, i32 41)\n") == Words(64, 141));
  const Words written = exchanged("  %r = call i32 @llvm.amdgcn.writelane.i32(i32 9, i32 3, i32 %x)\n");
  CHECK(written[2] == 102);
  CHECK(written[3] == 9);
  // Lane l reads lane 63 - l: four times its number.
  const Words pulled = exchanged(
      "  %n = sub i32 63, %lane\n  %a = shl i32 %n, 2\n  %r = call i32 @llvm.amdgcn.ds.bpermute(i32 %a, i32 %x)\n");
  CHECK(pulled[0] == 163);
  CHECK(pulled[63] == 100);
  // All lanes below 32 write to lane 5 and the last of them wins; nobody writes to the others.
  const Words pushed = exchanged("  %r = call i32 @llvm.amdgcn.ds.permute(i32 20, i32 %x)\n");
  CHECK(pushed[5] == 163);
  CHECK(pushed[6] == 0);
}

TEST_CASE("a ballot has a bit for each lane") {
  const auto odd = run<uint64_t>(take("x", "i32", 4) +
                                     "  %c = trunc i32 %x to i1\n  %r = call i64 @llvm.amdgcn.ballot.i64(i1 %c)\n" +
                                     give("r", "i64", 8),
                                 lanes());
  CHECK(odd == std::vector<uint64_t>(64, 0xaaaaaaaaaaaaaaaaull));
}

TEST_CASE("the controls of DPP") {
  const Words reversed = dpp(0x1b);  // quad_perm 3 2 1 0
  CHECK(reversed[0] == 103);
  CHECK(reversed[6] == 105);
  const Words left = dpp(0x101);  // row_shl:1
  CHECK(left[0] == 101);
  CHECK(left[15] == 7);  // out of its row: the old value
  CHECK(dpp(0x101, 15, 15, true)[15] == 0);
  const Words right = dpp(0x112);  // row_shr:2
  CHECK(right[2] == 100);
  CHECK(right[17] == 7);
  const Words turned = dpp(0x121);  // row_ror:1
  CHECK(turned[0] == 115);
  CHECK(turned[17] == 116);
  CHECK(dpp(0x140)[1] == 114);   // row_mirror
  CHECK(dpp(0x141)[1] == 106);   // row_half_mirror
  CHECK(dpp(0x142)[16] == 115);  // row_bcast:15
  CHECK(dpp(0x142)[3] == 7);
  CHECK(dpp(0x143)[40] == 131);  // row_bcast:31
  CHECK(dpp(0x143)[31] == 7);
  CHECK(dpp(0x152)[20] == 118);           // row_newbcast:2
  CHECK(dpp(0x130)[15] == 116);           // wave_shl:1
  CHECK(dpp(0x13c)[0] == 163);            // wave_ror:1
  const Words masked = dpp(0x140, 2, 4);  // row 1, bank 2 alone
  CHECK(masked[1] == 7);
  CHECK(masked[16] == 7);
  CHECK(masked[24] == 123);
  CHECK(masked[28] == 7);
}

TEST_CASE("swizzles of quads and of bits") {
  // The pattern of a swap of neighbours: xor 1, and-mask 31.
  CHECK(exchanged("  %r = call i32 @llvm.amdgcn.ds.swizzle(i32 %x, i32 1055)\n")[4] == 105);
  // Quads 0 0 2 2.
  const Words quads = exchanged("  %r = call i32 @llvm.amdgcn.ds.swizzle(i32 %x, i32 32928)\n");
  CHECK(quads[5] == 104);
  CHECK(quads[7] == 106);
}

TEST_CASE("permlane swaps exchange upper rows of one with lower rows of another") {
  const auto swapped = [](const char* name) {
    return run<uint32_t>(take("x", "i32", 4) + "  %y = add i32 %x, 1000\n  %s = call { i32, i32 } @llvm.amdgcn." +
                             name +
                             "(i32 %x, i32 %y, i1 false, i1 false)\n  %a = extractvalue { i32, i32 } %s, 0\n  %b = "
                             "extractvalue { i32, i32 } %s, 1\n"
                             "  %v0 = insertelement <2 x i32> zeroinitializer, i32 %a, i64 0\n  %r = insertelement <2 "
                             "x i32> %v0, i32 %b, i64 1\n" +
                             give("r", "<2 x i32>", 8),
                         lanes(), 2);
  };
  const auto at = [](const Words& all, uint32_t lane) { return std::pair(all[2 * lane], all[2 * lane + 1]); };
  const Words by_32 = swapped("permlane32.swap"), by_16 = swapped("permlane16.swap");
  CHECK(at(by_32, 3) == std::pair(103u, 135u));
  CHECK(at(by_32, 35) == std::pair(1103u, 1135u));
  CHECK(at(by_16, 3) == std::pair(103u, 119u));
  CHECK(at(by_16, 19) == std::pair(1103u, 1119u));
  CHECK(at(by_16, 40) == std::pair(140u, 156u));
}

TEST_CASE("lanes that part are told, with what they do") {
  // Odd lanes meet, even ones end.
  const std::string parted =
      "  %c = trunc i32 %lane to i1\n  br i1 %c, label %odd, label %even\nodd:\n  %r = call i32 "
      "@llvm.amdgcn.readfirstlane.i32(i32 %lane)\n"
      "  br label %even\neven:\n";
  CHECK_THAT(fault_of(parted, lanes()),
             Catch::Contains("the lanes of wave 0 part: 32 want to meet, 0 wait at a barrier, 32 have ended"));
  const std::string uneven = "  %r = call i32 @llvm.amdgcn.readlane.i32(i32 %lane, i32 %lane)\n";
  CHECK_THAT(fault_of(uneven, lanes()), Catch::Contains("the lane that is read differs among the lanes of a wave"));
}
