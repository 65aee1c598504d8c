// SPDX-License-Identifier: Apache-2.0
//
// 9.7.16 tcgen05 and tensor memory. A[i][0] = i % 16, A[i][1] = 1, B[n][0] = 1, B[n][1] = n and zeros beside, so that
// D[i][n] = i % 16 + n.
#include <catch2/catch.hpp>

#include "element.hpp"
#include "machine.hpp"

using namespace attnrt::emulator;
using namespace attnrt::emulator::test;
using Catch::Contains;

namespace {

constexpr uint32_t kColumns = 16, kK = 16;

// Shared memory: A at 0 and B at 8192 as core matrices of 8 rows by 16 bytes, those of one column of matrices 128 bytes
// apart; the address of tensor memory at 12288, an mbarrier at 12296.
const std::string kFill =
    "mov.u32 %r10, smem;\nshr.u32 %r1, %t, 3;\nshl.b32 %r1, %r1, 7;\nand.b32 %r2, %t, 7;\nshl.b32 %r2, %r2, 4;\n"
    "add.u32 %r11, %r10, %r1;\nadd.u32 %r11, %r11, %r2;\nmul.wide.u32 %rd10, %t, 32;\nadd.s64 %rd11, %rd1, %rd10;\n"
    "ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%rd11];\nst.shared.v4.u32 [%r11], {%r1, %r2, %r3, %r4};\n"
    "ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%rd11+16];\nst.shared.v4.u32 [%r11+2048], {%r1, %r2, %r3, %r4};\n"
    "setp.ge.u32 %p1, %t, 16;\n@%p1 bra FILLED;\nadd.s64 %rd11, %rd2, %rd10;\n"
    "ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%rd11];\nst.shared.v4.u32 [%r11+8192], {%r1, %r2, %r3, %r4};\n"
    "ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%rd11+16];\nst.shared.v4.u32 [%r11+8448], {%r1, %r2, %r3, %r4};\nFILLED:\n"
    "fence.proxy.async.shared::cta;\n";
const std::string kAllocate =
    "setp.ne.u32 %p1, %t, 0;\n@!%p1 mbarrier.init.shared::cta.b64 [smem+12296], 1;\nsetp.lt.u32 %p2, %t, 32;\n"
    "@%p2 tcgen05.alloc.cta_group::1.sync.aligned.shared::cta.b32 [smem+12288], 64;\n"
    "@%p2 tcgen05.relinquish_alloc_permit.cta_group::1.sync.aligned;\nbar.sync 0;\nld.shared.u32 %r20, [smem+12288];\n"
    "shr.u32 %r21, %t, 5;\nshl.b32 %r21, %r21, 21;\nadd.u32 %r22, %r20, %r21;\n";  // %r22: this warp's lanes
const std::string kWait = "WAIT:\nmbarrier.try_wait.parity.shared::cta.b64 %p4, [smem+12296], 0;\n@!%p4 bra WAIT;\n";
const std::string kRelease = "bar.sync 0;\n@%p2 tcgen05.dealloc.cta_group::1.sync.aligned.b32 %r20, 64;\n";

/// A descriptor without swizzle: leading bytes between column halves, 128 bytes between groups of 8 rows.
std::string descriptor(const std::string& name, uint32_t at, uint32_t leading) {
  const uint64_t rest = uint64_t{leading >> 4} << 16 | uint64_t{128 >> 4} << 32 | uint64_t{1} << 46;
  return "add.u32 %r30, %r10, " + std::to_string(at) + ";\nshr.u32 %r30, %r30, 4;\ncvt.u64.u32 " + name +
         ", %r30;\nor.b64 " + name + ", " + name + ", " + std::to_string(rest) + ";\n";
}
std::string product(uint32_t rows, const std::string& a, const char* adds = "%p5") {
  const uint32_t shape = 1u << 4 | kColumns / 8 << 17 | rows / 16 << 24;
  return descriptor("%rd20", 0, 2048) + descriptor("%rd21", 8192, 256) + "setp.ne.u32 %p5, %r10, %r10;\n" +
         "@!%p1 tcgen05.mma.cta_group::1.kind::f16 [%r20], " + a + ", %rd21, " + std::to_string(shape) + ", " + adds +
         ";\n";
}
const std::string kCommit =
    "@!%p1 tcgen05.commit.cta_group::1.mbarrier::arrive::one.shared::cluster.b64 [smem+12296];\n";

std::string registers(uint32_t first, uint32_t count) {
  std::string list = "{";
  for (uint32_t i = 0; i < count; ++i) list += (i ? ", %r" : "%r") + std::to_string(first + i);
  return list + "}";
}
/// Writes registers %r100.. of each thread to out + 4 * count * thread.
std::string put(uint32_t count) {
  std::string text = "mul.wide.u32 %rd12, %t, " + std::to_string(4 * count) + ";\nadd.s64 %rd12, %rd12, %rd0;\n";
  for (uint32_t i = 0; i < count; ++i)
    text += "st.global.u32 [%rd12+" + std::to_string(4 * i) + "], %r" + std::to_string(100 + i) + ";\n";
  return text;
}
const std::string kLoad =
    "tcgen05.ld.sync.aligned.32x32b.x16.b32 " + registers(100, 16) + ", [%r22 + 0];\ntcgen05.wait::ld.sync.aligned;\n";

struct Outcome {
  std::string fault;
  std::vector<float> out;
};
Outcome run(const std::string& body, const Mode& mode = {}) {
  Machine machine(100);
  machine.mode = mode;
  machine.load(kernel(body, 3, "sm_100a"));
  std::vector<uint16_t> a(128 * kK), b(kColumns * kK);
  for (uint32_t i = 0; i < 128; ++i) {
    a[i * kK] = to_half(static_cast<float>(i % 16));
    a[i * kK + 1] = to_half(1);
  }
  for (uint32_t n = 0; n < kColumns; ++n) {
    b[n * kK] = to_half(1);
    b[n * kK + 1] = to_half(static_cast<float>(n));
  }
  const uint64_t out = machine.put(std::vector<float>(128 * 16, -1)), pa = machine.put(a), pb = machine.put(b);
  Outcome outcome;
  outcome.fault = machine.fault("k", {1, 128, 16384}, out, pa, pb);
  outcome.out = machine.get<float>(out, 128 * 16);
  return outcome;
}
std::vector<Mode> modes() {
  std::vector<Mode> all(4);
  for (std::size_t i = 0; i < all.size(); ++i) all[i].late = i % 2, all[i].seed = i / 2 * 5;
  return all;
}

}  // namespace

TEST_CASE("tcgen05: 128 rows from shared memory") {
  for (const Mode& mode : modes()) {
    const Outcome once =
        run(kFill + kAllocate + product(128, "%rd20") + kCommit + kWait + kLoad + put(16) + kRelease, mode);
    CHECK(once.fault == "");
    for (uint32_t i : {0u, 5u, 31u, 77u, 127u})
      for (uint32_t n : {0u, 7u, 15u}) CHECK(once.out[i * 16 + n] == static_cast<float>(i % 16 + n));
    // a second product is added to the first
    const Outcome twice = run(kFill + kAllocate + product(128, "%rd20") + product(128, "%rd20", "!%p5") + kCommit +
                                  kWait + kLoad + put(16) + kRelease,
                              mode);
    CHECK(twice.fault == "");
    CHECK(twice.out[77 * 16 + 9] == 2 * (77 % 16 + 9));
  }
}

TEST_CASE("tcgen05: 64 rows lie in 16 of each 32 lanes") {
  for (const Mode& mode : modes()) {
    const Outcome outcome =
        run(kFill + kAllocate + product(64, "%rd20") + kCommit + kWait + "tcgen05.ld.sync.aligned.16x32bx2.x8.b32 " +
                registers(100, 8) + ", [%r22 + 0], 8;\ntcgen05.wait::ld.sync.aligned;\n" + put(8) + kRelease,
            mode);
    CHECK(outcome.fault == "");
    // warp 2, thread 5: row 37, columns 0 to 7; thread 21: the same row, columns 8 to 15
    CHECK(outcome.out[(64 + 5) * 8 + 3] == 37 % 16 + 3);
    CHECK(outcome.out[(64 + 21) * 8 + 3] == 37 % 16 + 11);
  }
}

TEST_CASE("tcgen05: A from tensor memory, two elements a word") {
  // row t of A, as words, from global memory; columns 32 to 39
  const std::string give =
      "mul.wide.u32 %rd10, %t, 32;\nadd.s64 %rd11, %rd1, %rd10;\nld.global.v4.u32 {%r100, %r101, %r102, %r103}, "
      "[%rd11];\n"
      "ld.global.v4.u32 {%r104, %r105, %r106, %r107}, [%rd11+16];\ntcgen05.st.sync.aligned.32x32b.x8.b32 [%r22 + "
      "32], " +
      registers(100, 8) + ";\n";
  const std::string wait = "tcgen05.wait::st.sync.aligned;\n",
                    meet = "tcgen05.fence::before_thread_sync;\nbar.sync 0;\n";
  for (const Mode& mode : modes()) {
    const Outcome outcome = run(kFill + kAllocate + give + wait + meet + product(128, "[%r20 + 32]") + kCommit + kWait +
                                    kLoad + put(16) + kRelease,
                                mode);
    CHECK(outcome.fault == "");
    CHECK(outcome.out[77 * 16 + 9] == 77 % 16 + 9);
  }
  // without the wait nothing says that the words have arrived
  CHECK(run(kFill + kAllocate + give + meet + product(128, "[%r20 + 32]") + kCommit + kWait + wait + kLoad + put(16) +
            kRelease)
            .out[77 * 16 + 9] != 77 % 16 + 9);
}

TEST_CASE("tcgen05: what is a fault") {
  const std::string before = kFill + kAllocate, all = before + product(128, "%rd20") + kCommit;
  CHECK_THAT(run(all + kLoad + put(16) + kRelease).fault, Contains("is in flight"));
  CHECK_THAT(run(all + kWait + kLoad + put(16)).fault, Contains("ends with tensor memory that it allocated"));
  std::string hasty = kLoad;
  hasty.erase(hasty.find("tcgen05.wait"));
  CHECK_THAT(run(all + kWait + hasty + kRelease).fault, Contains("an access of tensor memory is in flight"));
  std::string wrong = kLoad;
  wrong.replace(wrong.find("%r22"), 4, "%r20");
  CHECK_THAT(run(all + kWait + wrong + put(16) + kRelease).fault, Contains("whose lanes begin at 32"));
  std::string far = kLoad;
  far.replace(far.find("+ 0"), 3, "+ 60");
  CHECK_THAT(run(all + kWait + far + put(16) + kRelease).fault, Contains("which are not allocated"));
  std::string unfenced = all;
  unfenced.replace(unfenced.find("fence.proxy"), 11, "//fence.proxy");
  CHECK_THAT(run(unfenced + kWait + kLoad + put(16) + kRelease).fault, Contains("without fence.proxy.async"));
  CHECK_THAT(run("tcgen05.alloc.cta_group::1.sync.aligned.shared::cta.b32 [smem], 48;").fault, Contains("48 columns"));
  CHECK_THAT(
      run(before + "setp.eq.u32 %p9, %t, %t;\n@%p2 tcgen05.dealloc.cta_group::1.sync.aligned.b32 %r20, 32;").fault,
      Contains("which were not allocated so"));
  Machine machine(90);
  CHECK_THAT(machine.refusal(kernel("tcgen05.wait::ld.sync.aligned;")), Contains("tcgen05 is for sm_100a"));
}
