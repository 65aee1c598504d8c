// SPDX-License-Identifier: Apache-2.0
//
// Wavefronts of shared memory, counted by hand: 32 banks of 4 bytes, a word of each a wavefront.
#include <catch2/catch.hpp>

#include "machine.hpp"

using namespace attnrt::emulator;
using namespace attnrt::emulator::test;

namespace {

/// Lane i at `first + i * stride`.
std::string of(uint32_t stride, uint32_t bytes, uint32_t lanes = kAllLanes, uint32_t first = 0) {
  uint32_t addresses[kLanes];
  for (uint32_t i = 0; i < kLanes; ++i) addresses[i] = first + i * stride;
  const Wavefronts w = wavefronts_of(addresses, lanes, bytes);
  return say(w.needed, "/", w.ideal);
}

/// The conflicts that a kernel of one warp has, %r10 = smem + t * stride, all of 4096 bytes written before.
std::string counted(uint32_t stride, const std::string& body) {
  Machine machine;
  machine.mode.count_wavefronts = true;
  machine.load(kernel("mov.u32 %r11, smem;\nmad.lo.u32 %r10, %t, " + std::to_string(stride) + ", %r11;\n" + body, 1));
  machine.launch("k", {1, 32, 8192}, machine.put(std::vector<uint32_t>(1024)));
  const Coverage coverage = coverage_of(*machine.module().kernel("k"));
  std::string text = say(coverage.wavefronts, "/", coverage.ideal_wavefronts);
  for (const Coverage::Access& access : coverage.conflicts)
    text += say("; ", machine.module().line(access.line).substr(0, 11), " ", access.wavefronts, "/", access.ideal);
  return text;
}

}  // namespace

TEST_CASE("words of one bank take one wavefront each") {
  CHECK(of(4, 4) == "1/1");     // 32 words, 32 banks
  CHECK(of(0, 4) == "1/1");     // one word for all
  CHECK(of(8, 4) == "2/1");     // every other bank, twice
  CHECK(of(128, 4) == "32/1");  // all in bank 0
  CHECK(of(132, 4) == "1/1");   // rows padded by a word
  CHECK(of(2, 2) == "1/1");     // two lanes a word
  CHECK(of(1, 1) == "1/1");     // four lanes a word
  CHECK(of(128, 4, 0xff) == "8/1");
  CHECK(of(8, 8) == "2/2");      // half warps of 128 bytes
  CHECK(of(128, 8) == "32/2");   // 16 lanes in banks 0 and 1, twice
  CHECK(of(16, 16) == "4/4");    // quarters of 128 bytes
  CHECK(of(128, 16) == "32/4");  // 8 lanes in banks 0 to 3, four times
  CHECK(of(144, 16) == "4/4");   // rows padded by 16 bytes
  CHECK(of(64, 16) == "16/4");   // rows of 64 bytes: 4 lanes in the same banks
  CHECK(of(128, 16, 0xff) == "8/1");
  CHECK(of(32, 32) == "8/8");
  CHECK(of(4, 4, kAllLanes, 64) == "1/1");
}

TEST_CASE("each instruction has its counters") {
  CHECK(counted(4, "st.shared.u32 [%r10], %t;\nld.shared.u32 %r2, [%r10];") == "2/2");
  CHECK(counted(128, "st.shared.u32 [%r10], %t;\nld.shared.u32 %r2, [%r10];") ==
        "64/2; st.shared.u 32/1; ld.shared.u 32/1");
  // generic addresses, where they are in shared memory; global memory has no banks
  CHECK(counted(8, "cvt.u64.u32 %rd20, %r10;\ncvta.shared.u64 %rd20, %rd20;\nst.u32 [%rd20], %t;\nst.u32 [%rd0], 1;") ==
        "2/1; st.u32 [%rd 2/1");
  const std::string fill = "st.shared.v4.b32 [%r10], {%t, %t, %t, %t};\nbar.warp.sync -1;\n";
  CHECK(counted(128, fill + "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r1, %r2, %r3, %r4}, [%r10];") ==
        "64/8; st.shared.v 32/4; ldmatrix.sy 32/4");
  CHECK(counted(144, fill + "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r1, %r2, %r3, %r4}, [%r10];") == "8/8");
  CHECK(counted(64, "stmatrix.sync.aligned.m8n8.x2.shared.b16 [%r10], {%t, %t};") == "8/2; stmatrix.sy 8/2");
  CHECK(counted(128, "cp.async.cg.shared.global [%r10], [%rd0], 16;\ncp.async.wait_all;") == "32/4; cp.async.cg 32/4");
  // twice the same instruction: both count
  CHECK(counted(8,
                "mov.u32 %r20, 0;\nL:\nst.shared.u32 [%r10], %t;\nadd.u32 %r20, %r20, 1;\nsetp.lt.u32 %p1, %r20, "
                "3;\n@%p1 bra L;") == "6/3; st.shared.u 6/3");
}

TEST_CASE("nobody counts unless asked") {
  Machine machine;
  machine.load(kernel("mov.u32 %r11, smem;\nmad.lo.u32 %r10, %t, 128, %r11;\nst.shared.u32 [%r10], %t;", 1));
  machine.launch("k", {1, 32, 8192}, machine.room(4));
  CHECK(coverage_of(*machine.module().kernel("k")).wavefronts == 0);
}
