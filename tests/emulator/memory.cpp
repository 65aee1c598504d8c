// SPDX-License-Identifier: Apache-2.0
//
// Data movement, control flow, barriers and what they protect: right programs run, wrong ones are told.
#include <catch2/catch.hpp>
#include <numeric>

#include "machine.hpp"

using namespace attnrt::emulator;
using namespace attnrt::emulator::test;
using Catch::Contains;

namespace {

std::vector<uint32_t> counting(std::size_t n) {
  std::vector<uint32_t> values(n);
  std::iota(values.begin(), values.end(), 0u);
  return values;
}
// %rd10 = out + 4 * thread, %rd11 = in + 4 * thread, %r10 = shared address of word `thread`
const std::string kPlaces =
    "mul.wide.u32 %rd12, %t, 4;\nadd.s64 %rd10, %rd0, %rd12;\nadd.s64 %rd11, %rd1, %rd12;\n"
    "shl.b32 %r10, %t, 2;\nmov.u32 %r11, smem;\nadd.s32 %r10, %r10, %r11;\n";

std::vector<uint32_t> run(Machine& machine, const std::string& body, std::size_t threads = 32, uint32_t shared = 4096) {
  machine.load(kernel(kPlaces + body));
  const uint64_t out = machine.put(std::vector<uint32_t>(threads, 0xdeadbeef)), in = machine.put(counting(threads + 4));
  machine.launch("k", {1, static_cast<uint32_t>(threads), shared}, out, in);
  return machine.get<uint32_t>(out, threads);
}
std::string fault(const std::string& body, uint32_t threads = 64, Mode mode = {}) {
  Machine machine;
  machine.mode = mode;
  machine.load(kernel(kPlaces + body));
  const uint64_t out = machine.put(std::vector<uint32_t>(threads)), in = machine.put(counting(threads));
  return machine.fault("k", {1, threads, 4096}, out, in);
}

}  // namespace

TEST_CASE("9.7.9 vectors, widths, parameters") {
  Machine machine;
  const auto sums = run(machine,
                        "ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%rd1];\nadd.u32 %r1, %r1, %r4;\nadd.u32 %r1, %r1, "
                        "%t;\nst.global.u32 [%rd10], %r1;");
  CHECK(sums[5] == 0 + 3 + 5);
  const auto bytes = run(machine,
                         "ld.global.u8 %r1, [%rd11];\nld.global.s8 %r2, [%rd11+0];\nst.global.v2.b16 [%rd10], {%h1, "
                         "%h1};\nst.global.u32 [%rd10], %r1;");
  CHECK(bytes[31] == 31);
  const auto joined = run(machine, "mov.b32 {%h1, %h2}, %t;\nmov.b32 %r1, {%h2, %h1};\nst.global.u32 [%rd10], %r1;");
  CHECK(joined[7] == 7u << 16);
  const auto generic = run(machine,
                           "cvt.u64.u32 %rd20, %r10;\ncvta.shared.u64 %rd20, %rd20;\nst.u32 [%rd20], "
                           "%t;\nld.shared.u32 %r1, [%r10];\nst.global.u32 [%rd10], %r1;");
  CHECK(generic[9] == 9);
  const auto local = run(machine,
                         ".local .align 8 .b8 stack[64];\nmov.u64 %rd20, stack;\nst.local.u32 [%rd20+8], "
                         "%t;\nld.local.u32 %r1, [%rd20+8];\nst.global.u32 [%rd10], %r1;");
  CHECK(local[30] == 30);
}

TEST_CASE("9.7.9.6 shuffles") {
  Machine machine;
  CHECK(run(machine, "shfl.sync.bfly.b32 %r1, %t, 1, 31, -1;\nst.global.u32 [%rd10], %r1;")[6] == 7);
  CHECK(run(machine, "shfl.sync.idx.b32 %r1, %t, 3, 31, -1;\nst.global.u32 [%rd10], %r1;")[20] == 3);
  const auto down = run(machine,
                        "shfl.sync.down.b32 %r1|%p1, %t, 4, 31, -1;\nselp.b32 %r2, 1000, 0, %p1;\nadd.u32 %r1, %r1, "
                        "%r2;\nst.global.u32 [%rd10], %r1;");
  CHECK(down[3] == 1007);
  CHECK(down[30] == 30);
  const auto up = run(machine, "shfl.sync.up.b32 %r1, %t, 2, 0, -1;\nst.global.u32 [%rd10], %r1;");
  CHECK(up[1] == 1);
  CHECK(up[9] == 7);
  const auto segments =
      run(machine, "shfl.sync.idx.b32 %r1, %t, 1, 6175, -1;\nst.global.u32 [%rd10], %r1;");  // segments of 8
  CHECK(segments[13] == 9);
}

TEST_CASE("9.7.12 lanes part and meet") {
  Machine machine;
  // collatz steps of thread + 1, in loops of a different length for each lane
  const auto steps = run(
      machine,
      "add.u32 %r1, %t, 1;\nmov.u32 %r2, 0;\nLOOP:\nsetp.eq.u32 %p1, %r1, 1;\n@%p1 bra DONE;\nand.b32 %r3, %r1, 1;\n"
      "setp.eq.u32 %p2, %r3, 1;\n@%p2 bra ODD;\nshr.u32 %r1, %r1, 1;\nbra NEXT;\nODD:\nmad.lo.u32 %r1, %r1, 3, 1;\n"
      "NEXT:\nadd.u32 %r2, %r2, 1;\nbra LOOP;\nDONE:\nvote.sync.ballot.b32 %r4, 1, -1;\nsetp.ne.u32 %p3, %r4, -1;\n"
      "@%p3 trap;\nst.global.u32 [%rd10], %r2;");
  CHECK(steps[0] == 0);
  CHECK(steps[2] == 7);
  CHECK(steps[26] == 111);
  const auto cases =
      run(machine,
          "rem.u32 %r1, %t, 3;\nts: .branchtargets A, B, C;\nbrx.idx %r1, ts;\nA: mov.u32 %r2, 10;\nbra END;\n"
          "B: mov.u32 %r2, 20;\nbra END;\nC: mov.u32 %r2, 30;\nEND:\nst.global.u32 [%rd10], %r2;");
  CHECK(cases[3] == 10);
  CHECK(cases[4] == 20);
  CHECK(cases[5] == 30);
  const auto early = run(machine, "setp.gt.u32 %p1, %t, 9;\n@%p1 ret;\nst.global.u32 [%rd10], %t;");
  CHECK(early[9] == 9);
  CHECK(early[10] == 0xdeadbeef);
}

TEST_CASE("9.7.13 barriers and atomics") {
  Machine machine;
  const std::string turned =
      "st.shared.u32 [%r10], %t;\nbar.sync 0;\nxor.b32 %r1, %r10, 128;\nld.shared.u32 %r2, [%r1];\nst.global.u32 "
      "[%rd10], %r2;";
  for (uint64_t seed = 0; seed < 4; ++seed) {
    machine.mode.seed = seed;
    const auto got = run(machine, turned, 64);
    CHECK(got[5] == 37);
    CHECK(got[40] == 8);
  }
  const auto named = run(machine,
                         "setp.lt.u32 %p1, %t, 32;\n@!%p1 bra CONSUME;\nst.shared.u32 [%r10], %t;\nbar.arrive 3, "
                         "64;\nbra END;\nCONSUME:\nbar.sync 3, 64;\n"
                         "sub.u32 %r1, %r10, 128;\nld.shared.u32 %r2, [%r1];\nst.global.u32 [%rd10], %r2;\nEND:",
                         64);
  CHECK(named[50] == 18);
  const auto counted = run(
      machine,
      "and.b32 %r1, %t, 1;\nsetp.eq.u32 %p1, %r1, 1;\nbar.red.popc.u32 %r2, 0, %p1;\nst.global.u32 [%rd10], %r2;", 96);
  CHECK(counted[77] == 48);
  const auto added = run(
      machine,
      "atom.global.add.u32 %r1, [%rd1+8], 1;\nbar.sync 0;\nld.global.u32 %r2, [%rd1+8];\nst.global.u32 [%rd10], %r2;",
      96);
  CHECK(added[3] == 2 + 96);
  const auto swapped = run(
      machine, "atom.global.cas.b32 %r1, [%rd11], 7, 100;\nld.global.u32 %r2, [%rd11];\nst.global.u32 [%rd10], %r2;");
  CHECK(swapped[7] == 100);
  CHECK(swapped[8] == 8);
  CHECK(run(machine, "redux.sync.add.u32 %r1, %t, -1;\nst.global.u32 [%rd10], %r1;")[3] == 496);
  CHECK(run(machine, "elect.sync %r1|%p1, -1;\nselp.b32 %r2, 1, 0, %p1;\nst.global.u32 [%rd10], %r2;")[0] == 1);
  CHECK(run(machine, "and.b32 %r1, %t, 3;\nmatch.any.sync.b32 %r2, %r1, -1;\nst.global.u32 [%rd10], %r2;")[1] ==
        0x22222222u);
}

TEST_CASE("a race is told with both warps") {
  const std::string write = "st.shared.u32 [%r10], %t;\n",
                    read = "xor.b32 %r1, %r10, 128;\nld.shared.u32 %r2, [%r1];\nst.global.u32 [%rd10], %r2;\n";
  CHECK(fault(write + "bar.sync 0;\n" + read).empty());
  CHECK_THAT(fault(write + read),
             Contains("race: warp 0 reads") || Contains("which nobody wrote") || Contains("race: warp 1 reads"));
  // read, then overwritten by another warp
  CHECK_THAT(fault(write + "bar.sync 0;\n" + read + "add.u32 %r3, %t, 7;\nst.shared.u32 [%r10], %r3;"),
             Contains("race: warp 1 ") || Contains("race: warp 0 reads"));
  CHECK(fault(write + "bar.sync 0;\n" + read + "bar.sync 0;\nadd.u32 %r3, %t, 7;\nst.shared.u32 [%r10], %r3;").empty());
  // several warps may write what is equal
  CHECK(fault("st.shared.u32 [%r11], 5;\nld.shared.u32 %r2, [%r11];\n").empty());
  CHECK_THAT(fault("st.shared.u32 [%r11], %t;\n"), Contains("race: warp 1 writes"));
  // a barrier that this warp does not pass orders nothing for it
  CHECK_THAT(fault("setp.lt.u32 %p1, %t, 32;\n@%p1 st.shared.u32 [%r10], %t;\n@%p1 bar.sync 1, 32;\n@!%p1 bar.sync 2, "
                   "32;\n@!%p1 ld.shared.u32 %r2, [%r11];"),
             Contains("race: warp 1 reads"));
  Mode quiet;
  quiet.report_races = false;
  CHECK(fault(write + read, 64, quiet).empty());
}

TEST_CASE("what a device forbids is a fault with its line") {
  CHECK_THAT(fault("st.global.u32 [%rd10+256], %t;"),
             Contains("0 bytes behind a piece of 256") && Contains("st.global.u32") && Contains("line "));
  CHECK_THAT(fault("ld.global.u32 %r1, [%rd11+2];"),
             Contains("an access of 4 bytes") && Contains("wanted a multiple of 4"));
  CHECK_THAT(fault("ld.global.v2.u32 {%r1, %r2}, [%rd1+4];"), Contains("wanted a multiple of 8"));
  CHECK_THAT(fault("ld.shared.u32 %r1, [%r10+4096];"), Contains("shared address"));
  CHECK_THAT(fault("ld.shared.u32 %r1, [%r10];"), Contains("which nobody wrote"));
  CHECK_THAT(fault("and.b32 %r1, %t, 1;\nsetp.eq.u32 %p1, %r1, 1;\n@%p1 bar.sync 0;"), Contains("by a part of a warp"));
  CHECK_THAT(fault("setp.lt.u32 %p1, %t, 32;\n@%p1 bar.sync 1, 64;"),
             Contains("waits for ever") && Contains("warp 0 at barrier 1"));
  CHECK_THAT(
      fault("and.b32 %r1, %t, 1;\nsetp.eq.u32 %p1, %r1, 1;\n@%p1 bra X;\nshfl.sync.bfly.b32 %r2, %t, 1, 31, -1;\nX:"),
      Contains("shfl.sync"));
  CHECK_THAT(fault("trap;"), Contains("trap"));
  Machine machine;
  machine.load(kernel(kPlaces + "ld.global.u32 %r1, [%rd11];\nst.global.u32 [%rd10], %r1;"));
  const uint64_t out = machine.put(std::vector<uint32_t>(32)), in = machine.room(128);
  CHECK_THAT(machine.fault("k", {1, 32, 0}, out, in), Contains("which nobody wrote"));
  machine.mode.report_unwritten = false;
  CHECK(machine.fault("k", {1, 32, 0}, out, in).empty());
}

TEST_CASE("9.7.9.25.3 copies land when they are waited for") {
  const std::string copy = "cp.async.ca.shared.global [%r10], [%rd11], 4;\ncp.async.commit_group;\n";
  const std::string take = "ld.shared.u32 %r2, [%r10];\nst.global.u32 [%rd10], %r2;\n";
  for (const bool late : {false, true}) {
    Mode mode;
    mode.late = late;
    Machine machine;
    machine.mode = mode;
    CHECK(run(machine, copy + "cp.async.wait_group 0;\n" + take)[13] == 13);
    CHECK(run(machine, copy + copy.substr(0, 0) + "cp.async.wait_all;\n" + take)[13] == 13);
    // a source size of 0 fills with zeros
    CHECK(run(machine, "mov.u32 %r5, 0;\ncp.async.ca.shared.global [%r10], [%rd11], 4, %r5;\ncp.async.wait_all;\n" +
                           take)[13] == 0);
    CHECK_THAT(fault(copy + take, 64, mode), Contains("in flight"));
    CHECK_THAT(fault(copy + copy + "cp.async.wait_group 1;\n" + take, 64, mode), Contains("in flight"));
    CHECK_THAT(fault(copy + "cp.async.wait_group 1;\n" + take, 64, mode), Contains("in flight"));
    CHECK_THAT(fault(copy, 64, mode), Contains("a lane ends while a copy"));
    // another warp needs a barrier too
    CHECK_THAT(fault(copy + "cp.async.wait_group 0;\nxor.b32 %r1, %r10, 128;\nld.shared.u32 %r2, [%r1];", 64, mode),
               Contains("race") || Contains("in flight") || Contains("nobody wrote"));
    CHECK(fault(copy + "cp.async.wait_group 0;\nbar.sync 0;\nxor.b32 %r1, %r10, 128;\nld.shared.u32 %r2, [%r1];", 64,
                mode)
              .empty());
  }
}

TEST_CASE("9.7.13.15 mbarriers and bulk copies") {
  // warp 1 copies 128 bytes in, warp 0 waits for them
  const std::string setup =
      "setp.ne.u32 %p1, %t, 0;\n@!%p1 mbarrier.init.shared.b64 [%r11], 1;\nbar.sync 0;\nadd.u32 %r12, %r11, "
      "128;\nadd.u32 %r13, %r10, 128;\n";
  const std::string produce =
      "setp.eq.u32 %p2, %t, 32;\n@%p2 mbarrier.arrive.expect_tx.shared.b64 _, [%r11], 128;\n"
      "@%p2 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r12], [%rd1], 128, [%r11];\n";
  const std::string wait =
      "setp.ge.u32 %p3, %t, 32;\n@%p3 bra END;\nWAIT:\nmbarrier.try_wait.parity.shared.b64 %p4, [%r11], 0;\n@!%p4 bra "
      "WAIT;\n";
  const std::string take = "ld.shared.u32 %r2, [%r13];\nst.global.u32 [%rd10], %r2;\nEND:";
  for (const bool late : {false, true})
    for (uint64_t seed = 0; seed < 3; ++seed) {
      Machine machine;
      machine.mode.late = late;
      machine.mode.seed = seed;
      CHECK(run(machine, setup + produce + wait + take, 64)[17] == 17);
    }
  CHECK_THAT(fault(setup + produce + "setp.ge.u32 %p3, %t, 32;\n@%p3 bra END;\n" + take),
             Contains("in flight") || Contains("nobody wrote") || Contains("race"));
  CHECK_THAT(fault(setup + wait + take), Contains("waits for ever"));
  CHECK_THAT(fault("mbarrier.arrive.shared.b64 %rd20, [%r11];"), Contains("there is no mbarrier"));
  CHECK_THAT(fault("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r11], [%rd1], 120, [%r11];"),
             Contains("multiples of 16") || Contains("there is no mbarrier"));
  // and out again
  const std::string out =
      "st.shared.u32 [%r10], %t;\nfence.proxy.async.shared::cta;\nbar.sync 0;\nsetp.ne.u32 %p1, %t, 0;\n@%p1 bra END;\n"
      "cp.async.bulk.global.shared::cta.bulk_group [%rd0], [%r11], "
      "256;\ncp.async.bulk.commit_group;\ncp.async.bulk.wait_group 0;\nEND:";
  Machine machine;
  CHECK(run(machine, out, 64)[41] == 41);
  std::string unfenced = out;
  unfenced.erase(unfenced.find("fence.proxy"), unfenced.find("bar.sync") - unfenced.find("fence.proxy"));
  CHECK_THAT(fault(unfenced), Contains("without fence.proxy.async"));
}

TEST_CASE("blocks run on several threads and all of them") {
  Machine machine;
  machine.mode.threads = 4;
  machine.load(
      kernel("mov.u32 %r1, %ctaid.x;\nmov.u32 %r2, %ntid.x;\nmad.lo.u32 %r3, %r1, %r2, %t;\nmul.wide.u32 %rd10, %r3, "
             "4;\nadd.s64 %rd10, %rd10, %rd0;\nst.global.u32 [%rd10], %r3;",
             1));
  const uint64_t out = machine.room(4 * 64 * 50);
  machine.launch("k", {50, 64, 0}, out);
  CHECK(machine.get<uint32_t>(out, 64 * 50) == counting(64 * 50));
  const Coverage coverage = coverage_of(*machine.module().kernel("k"));
  CHECK(coverage.executed == coverage.instructions);
}

TEST_CASE("coverage names the lines that nobody ran") {
  Machine machine;
  machine.load(
      kernel("setp.gt.u32 %p1, %t, 100;\n@%p1 bra RARE;\nbra END;\nRARE:\nst.global.u32 [%rd0], %t;\nEND:", 1));
  machine.launch("k", {}, machine.room(4));
  const Coverage coverage = coverage_of(*machine.module().kernel("k"));
  REQUIRE(coverage.missed_lines.size() == 2);  // the branch that nobody takes runs for no lane either
  CHECK_THAT(std::string(machine.module().line(coverage.missed_lines[1])), Contains("st.global.u32"));
}
