// SPDX-License-Identifier: Apache-2.0
//
// What a kernel with producer and consumer warps needs: arrivals behind copies, lanes that poll, boxes of tensors.
// Expected values are written by hand from the manual.
#include <catch2/catch.hpp>
#include <numeric>

#include "machine.hpp"
#include "tensor_map.hpp"

using namespace attnrt::emulator;
using namespace attnrt::emulator::test;
using Catch::Contains;

namespace {

// %r11 = smem with an mbarrier for so many arrivals, %r12 = 128 bytes behind it
std::string barrier(uint32_t arrivals) {
  return "mov.u32 %r11, smem;\nadd.u32 %r12, %r11, 128;\nsetp.ne.u32 %p1, %t, 0;\n@!%p1 mbarrier.init.shared.b64 "
         "[%r11], " +
         std::to_string(arrivals) + ";\nbar.sync 0;\n";
}
const std::string kWait = "WAIT:\nmbarrier.try_wait.parity.shared.b64 %p4, [%r11], 0;\n@!%p4 bra WAIT;\n";

std::vector<Mode> modes() {
  std::vector<Mode> all;
  for (const bool late : {true, false})
    for (uint64_t seed = 0; seed < 4; ++seed) {
      Mode mode;
      mode.late = late;
      mode.seed = seed;
      all.push_back(mode);
    }
  return all;
}

/// `out` of a kernel of `threads` threads whose p0 is `out` and p1 holds 0, 1, 2, ..; or its fault.
struct Outcome {
  std::vector<uint32_t> out;
  std::string fault;
};
Outcome run(const std::string& body, uint32_t threads, const Mode& mode) {
  Machine machine;
  machine.mode = mode;
  machine.load(kernel(body));
  std::vector<uint32_t> counting(1024);
  std::iota(counting.begin(), counting.end(), 0u);
  const uint64_t out = machine.put(std::vector<uint32_t>(1024, 0xdead)), in = machine.put(counting);
  Outcome outcome;
  outcome.fault = machine.fault("k", {1, threads, 16384}, out, in);
  outcome.out = machine.get<uint32_t>(out, 1024);
  return outcome;
}

/// A map of elements of one type in a tensor whose rows are `stride` bytes apart.
template <class T>
TensorMap matrix(uint64_t address, uint32_t columns, uint32_t rows, uint32_t stride, uint16_t box_columns,
                 uint16_t box_rows, uint8_t swizzle = 0) {
  TensorMap map;
  map.mark = kTensorMapMark;
  map.address = address;
  map.rank = 2;
  map.element_bytes = sizeof(T);
  map.last[0] = columns - 1, map.last[1] = rows - 1;
  map.strides[0] = stride;
  map.box[0] = box_columns, map.box[1] = box_rows;
  map.element_strides[0] = map.element_strides[1] = 1;
  map.swizzle = swizzle;
  return map;
}
std::vector<char> bytes_of_map(const TensorMap& map) {
  std::vector<char> bytes(kTensorMapBytes);
  std::memcpy(bytes.data(), &map, sizeof map);
  return bytes;
}

/// Loads the box at these coordinates into smem + 1024 and writes what arrives there, `words` words, to out.
std::string load_box(uint32_t dimensions, const std::string& coordinates, uint32_t bytes, uint32_t words) {
  return barrier(1) + "add.u32 %r12, %r11, 1024;\n@!%p1 mbarrier.arrive.expect_tx.shared.b64 _, [%r11], " +
         std::to_string(bytes) + ";\n@!%p1 cp.async.bulk.tensor." + std::to_string(dimensions) +
         "d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%r12], [%rd1, {" + coordinates + "}], [%r11];\n" +
         kWait + "mov.u32 %r20, %t;\nCOPY:\nsetp.ge.u32 %p5, %r20, " + std::to_string(words) +
         ";\n@%p5 bra DONE;\nshl.b32 %r21, %r20, 2;\nadd.u32 %r22, %r12, %r21;\nld.shared.u32 %r23, [%r22];\n"
         "cvt.u64.u32 %rd20, %r21;\nadd.s64 %rd20, %rd20, %rd0;\nst.global.u32 [%rd20], %r23;\nadd.u32 %r20, %r20, "
         "32;\nbra COPY;\nDONE:\n";
}
template <class T>
std::vector<T> box_of(const TensorMap& map, Machine& machine, const std::string& coordinates, std::size_t count) {
  const auto words = static_cast<uint32_t>((count * sizeof(T) + 3) / 4);
  machine.load(kernel(load_box(map.rank, coordinates, map.box_bytes(), words)));
  const uint64_t out = machine.put(std::vector<uint32_t>((words + 31) / 32 * 32)),
                 place = machine.put(bytes_of_map(map));
  machine.launch("k", {1, 32, 16384}, out, place);
  return machine.get<T>(out, count);
}

}  // namespace

TEST_CASE("lanes of one warp that poll let the others arrive") {
  // The poll stands in front of the arrival, so that the lanes that are furthest back poll.
  const std::string body = barrier(1) + "setp.eq.u32 %p2, %t, 0;\n@!%p2 bra OTHERS;\n" + kWait +
                           "st.global.u32 [%rd0], 7;\nbra END;\nOTHERS:\nsetp.eq.u32 %p3, %t, 1;\n"
                           "@%p3 mbarrier.arrive.shared.b64 _, [%r11];\nEND:\nbar.warp.sync -1;\nbar.sync 0;";
  for (const Mode& mode : modes()) {
    const Outcome outcome = run(body, 32, mode);
    CHECK(outcome.fault.empty());
    CHECK(outcome.out[0] == 7);
  }
}

TEST_CASE("an mbarrier is seen by those who know of its init") {
  const std::string init = "mov.u32 %r11, smem;\nsetp.ne.u32 %p1, %t, 0;\n@!%p1 mbarrier.init.shared.b64 [%r11], 1;\n",
                    arrive = "setp.eq.u32 %p2, %t, 32;\n@%p2 mbarrier.arrive.shared.b64 _, [%r11];\n";
  CHECK(run(init + "bar.sync 0;\n" + arrive, 64, {}).fault.empty());
  CHECK_THAT(run(init + arrive, 64, {}).fault, Contains("race: warp 1 reads"));
}

TEST_CASE("9.7.13.15.15 an arrival follows the copies of its lane") {
  // Warp 1 copies a word a lane and ends; warp 0 waits for 32 arrivals and reads.
  const auto produce = [](const std::string& behind) {
    return "setp.lt.u32 %p2, %t, 32;\n@%p2 bra WAIT;\nsub.u32 %r2, %t, 32;\nshl.b32 %r3, %r2, 2;\nadd.u32 %r4, %r12, "
           "%r3;\ncvt.u64.u32 %rd10, %r3;\nadd.s64 %rd11, %rd1, %rd10;\ncp.async.ca.shared.global [%r4], [%rd11], 4;\n"
           "cp.async.mbarrier.arrive.noinc.shared.b64 [%r11];\n" +
           behind + "bra END;\n";
  };
  const std::string consume = kWait +
                              "shl.b32 %r3, %t, 2;\nadd.u32 %r4, %r12, %r3;\nld.shared.u32 %r5, [%r4];\ncvt.u64.u32 "
                              "%rd10, %r3;\nadd.s64 %rd11, %rd0, %rd10;\nst.global.u32 [%rd11], %r5;\nEND:";
  for (const Mode& mode : modes()) {
    const Outcome outcome = run(barrier(32) + produce("") + consume, 64, mode);
    CHECK(outcome.fault.empty());
    CHECK(outcome.out[9] == 9);
    CHECK(outcome.out[31] == 31);
    // without .noinc the barrier counts one arrival more for each lane: one of its own is still missing
    std::string counted = barrier(1) + produce("mbarrier.arrive.shared.b64 %rd20, [%r11];\n") + consume;
    counted.replace(counted.find(".noinc"), 6, "");
    counted.replace(counted.find("mbarrier.arrive.shared.b64 %rd20"), 0, "setp.eq.u32 %p6, %t, 63;\n@%p6 ");
    CHECK(run(counted, 64, mode).out[31] == 31);
  }
  // the producer itself may not touch what it has not waited for
  CHECK_THAT(run(barrier(32) + produce("ld.shared.u32 %r6, [%r4];\n") + consume, 64, {}).fault, Contains("in flight"));
}

TEST_CASE("setmaxnreg") {
  Machine machine;
  CHECK(machine.refusal(kernel("setmaxnreg.dec.sync.aligned.u32 24;\nsetmaxnreg.inc.sync.aligned.u32 240;")).empty());
  CHECK_THAT(machine.refusal(kernel("setmaxnreg.inc.sync.aligned.u32 260;")),
             Contains("a multiple of 8 from 24 to 256"));
  CHECK_THAT(machine.refusal(kernel("setmaxnreg.inc.sync.aligned.u32 100;")),
             Contains("a multiple of 8 from 24 to 256"));
}

TEST_CASE("9.7.9.25.5.2 a box of a matrix, and its edges") {
  Machine machine;
  std::vector<uint32_t> values(6 * 12);  // rows of 8 words, 12 apart; 100 r + c
  for (uint32_t r = 0; r < 6; ++r)
    for (uint32_t c = 0; c < 12; ++c) values[r * 12 + c] = 100 * r + c;
  const uint64_t at = machine.put(values);
  const TensorMap map = matrix<uint32_t>(at, 8, 6, 48, 4, 3);
  CHECK(box_of<uint32_t>(map, machine, "2, 1", 12) ==
        std::vector<uint32_t>{102, 103, 104, 105, 202, 203, 204, 205, 302, 303, 304, 305});
  // a column in front and rows behind are zeros, and so are columns past the eighth though memory has more
  CHECK(box_of<uint32_t>(map, machine, "-1, 4", 12) ==
        std::vector<uint32_t>{0, 400, 401, 402, 0, 500, 501, 502, 0, 0, 0, 0});
  CHECK(box_of<uint32_t>(map, machine, "6, 0", 12) ==
        std::vector<uint32_t>{6, 7, 0, 0, 106, 107, 0, 0, 206, 207, 0, 0});
  CHECK(box_of<uint32_t>(map, machine, "100, -200", 12) == std::vector<uint32_t>(12, 0));
  TensorMap nan = map;
  nan.fill = 0xff;
  CHECK(box_of<uint32_t>(nan, machine, "7, 5", 12)[1] == 0xffffffff);
}

TEST_CASE("swizzled boxes: pieces of 16 bytes change places by their row") {
  Machine machine;
  std::vector<uint16_t> values(16 * 64);  // 16 rows of 64; row * 100 + piece of 8
  for (uint32_t i = 0; i < values.size(); ++i) values[i] = static_cast<uint16_t>(i / 64 * 100 + i % 64 / 8);
  const uint64_t at = machine.put(values);
  const auto wide = box_of<uint16_t>(matrix<uint16_t>(at, 64, 16, 128, 64, 16, 128), machine, "0, 0", 16 * 64);
  CHECK(wide[0] == 0);         // row 0 as it is
  CHECK(wide[64 + 0] == 101);  // row 1: pieces 1 0 3 2 5 4 7 6
  CHECK(wide[64 + 8] == 100);
  CHECK(wide[5 * 64 + 2 * 8 + 3] == 507);  // row 5: piece 2 ^ 5
  CHECK(wide[11 * 64 + 6 * 8] == 1105);    // row 11 as row 3: piece 6 ^ 3
  // rows of 64 bytes: two of them in 128, so the bits come from every other row
  const auto half = box_of<uint16_t>(matrix<uint16_t>(at, 64, 16, 128, 32, 16, 64), machine, "32, 0", 16 * 32);
  CHECK(half[0] == 4);
  CHECK(half[32] == 104);          // row 1 as row 0
  CHECK(half[2 * 32] == 205);      // row 2: piece 0 ^ 1, behind the four of the box's start
  CHECK(half[7 * 32 + 8] == 706);  // row 7: piece 1 ^ 3
  const auto quarter = box_of<uint16_t>(matrix<uint16_t>(at, 64, 16, 128, 16, 16, 32), machine, "0, 0", 16 * 16);
  CHECK(quarter[3 * 16] == 300);  // rows 0 to 3 as they are
  CHECK(quarter[4 * 16] == 401);  // rows 4 to 7 swapped
  CHECK(quarter[8 * 16] == 800);
}

TEST_CASE("three dimensions, and every other element of one") {
  Machine machine;
  std::vector<uint32_t> values(4 * 5 * 4);  // z y x, 4 by 5 by 4: 100 z + 10 y + x
  for (uint32_t i = 0; i < values.size(); ++i) values[i] = i / 20 * 100 + i / 4 % 5 * 10 + i % 4;
  TensorMap map = matrix<uint32_t>(machine.put(values), 4, 5, 16, 4, 3);
  map.rank = 3;
  map.last[2] = 3;
  map.strides[1] = 80;
  map.box[2] = 2;
  map.element_strides[1] = 2;  // rows y and y + 2 of three
  map.element_strides[2] = 1;
  CHECK(box_of<uint32_t>(map, machine, "0, 1, 2", 16) ==
        std::vector<uint32_t>{210, 211, 212, 213, 230, 231, 232, 233, 310, 311, 312, 313, 330, 331, 332, 333});
  CHECK(box_of<uint32_t>(map, machine, "0, 3, 3", 16) ==
        std::vector<uint32_t>{330, 331, 332, 333, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
}

TEST_CASE("a box is stored without what lies outside") {
  const std::string body =
      "mov.u32 %r11, smem;\nshl.b32 %r2, %t, 2;\nadd.u32 %r3, %r11, %r2;\nst.shared.u32 [%r3], %t;\n"
      "fence.proxy.async.shared::cta;\nbar.sync 0;\nsetp.ne.u32 %p1, %t, 0;\n@%p1 bra END;\n"
      "cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group [%rd1, {6, 1}], [%r11];\n"
      "cp.async.bulk.commit_group;\ncp.async.bulk.wait_group.read 0;\nEND:";
  for (const Mode& mode : modes()) {
    Machine machine;
    machine.mode = mode;
    machine.load(kernel(body));
    const uint64_t at = machine.put(std::vector<uint32_t>(3 * 12, 9)),
                   map = machine.put(bytes_of_map(matrix<uint32_t>(at, 8, 3, 48, 4, 4)));
    machine.launch("k", {1, 32, 4096}, at, map);
    auto expected = std::vector<uint32_t>(3 * 12, 9);
    expected[12 + 6] = 0, expected[12 + 7] = 1, expected[24 + 6] = 4, expected[24 + 7] = 5;
    CHECK(machine.get<uint32_t>(at, 36) == expected);
  }
  Machine machine;
  std::string unfenced = body;
  unfenced.replace(unfenced.find("fence.proxy"), 11, "//fence.proxy");
  machine.load(kernel(unfenced));
  const uint64_t at = machine.put(std::vector<uint32_t>(36)),
                 map = machine.put(bytes_of_map(matrix<uint32_t>(at, 8, 3, 48, 4, 4)));
  CHECK_THAT(machine.fault("k", {1, 32, 4096}, at, map), Contains("without fence.proxy.async"));
}

TEST_CASE("a tensor map may be a parameter, and must be one") {
  Machine machine;
  const uint64_t at = machine.put(std::vector<uint32_t>(36, 5));
  std::string text = kernel(load_box(2, "0, 0", 64, 16));
  text.replace(text.find(".param .u64 p1"), 14, ".param .align 64 .b8 p1[128]");
  text.replace(text.find("ld.param.u64 %rd1, [p1];"), 24, "mov.b64 %rd1, p1;\ncvta.param.u64 %rd1, %rd1;");
  machine.load(text);
  struct alignas(64) Map {
    char bytes[128];
  } map{};
  const auto bytes = bytes_of_map(matrix<uint32_t>(at, 8, 3, 48, 4, 4));
  std::memcpy(map.bytes, bytes.data(), 128);
  struct alignas(64) Arguments {
    uint64_t out;
    char padding[56];
    Map map;
  } arguments{machine.put(std::vector<uint32_t>(32)), {}, map};
  machine.launch("k", {1, 32, 4096}, arguments);
  CHECK(machine.get<uint32_t>(arguments.out, 16) ==
        std::vector<uint32_t>{5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 0, 0, 0, 0});
  arguments.map = {};
  CHECK_THAT(machine.fault("k", {1, 32, 4096}, arguments), Contains("was not made by cuTensorMapEncodeTiled"));
  Machine other;
  other.load(kernel(load_box(3, "0, 0, 0", 64, 16)));
  CHECK_THAT(other.fault("k", {1, 32, 4096}, other.room(64), other.put(bytes)),
             Contains("a tensor map of 2 dimensions"));
  CHECK_THAT(other.refusal(kernel(load_box(3, "0, 0", 64, 16))), Contains("2 coordinates, wanted 3"));
  std::string misplaced = kernel(load_box(2, "0, 0", 64, 16));
  misplaced.replace(misplaced.find("%r11, 1024"), 10, "%r11, 1040");
  other.load(misplaced);
  CHECK_THAT(other.fault("k", {1, 32, 4096}, other.room(64), other.put(bytes)), Contains("wanted a multiple of 128"));
}
