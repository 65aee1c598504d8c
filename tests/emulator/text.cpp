// SPDX-License-Identifier: Apache-2.0
//
// What is no PTX, or no PTX that the machine knows, is refused with its line; nothing is guessed.
#include <catch2/catch.hpp>

#include "machine.hpp"

using namespace attnrt::emulator;
using namespace attnrt::emulator::test;
using Catch::Contains;

namespace {

std::string refusal(const std::string& body, uint32_t arch = 90) {
  Machine machine(arch);
  return machine.refusal(kernel(body, 2, arch == 80 ? "sm_80" : "sm_90a"));
}

}  // namespace

TEST_CASE("an unknown opcode, modifier, operand or width is refused") {
  CHECK(refusal("add.u32 %r1, %r2, %r3;").empty());
  CHECK_THAT(refusal("frob.u32 %r1, %r2, %r3;"), Contains("frob.u32 with 3 operands is not an instruction"));
  CHECK_THAT(refusal("add.u33 %r1, %r2, %r3;"), Contains("add.u33"));
  CHECK_THAT(refusal("add.sat.u32 %r1, %r2, %r3;"), Contains("add.sat.u32"));
  CHECK_THAT(refusal("add.u32.sat %r1, %r2, %r3;"), Contains("add.u32.sat"));
  CHECK_THAT(refusal("add.u32 %r1, %r2;"), Contains("with 2 operands"));
  CHECK_THAT(refusal("add.u32 %r1, %r2, %r3, %r4;"), Contains("with 4 operands"));
  CHECK_THAT(refusal("add.u32 %r1, %r2, %rd3;"), Contains("%rd3 has 64 bits, wanted 32"));
  CHECK_THAT(refusal("add.u32 %r1, %r2, %x9;"), Contains("'%x9' is no name"));
  CHECK_THAT(refusal("add.u32 5, %r2, %r3;"), Contains("no register to write"));
  CHECK_THAT(refusal("@%r1 add.u32 %r1, %r2, %r3;"), Contains("is no predicate"));
  CHECK_THAT(refusal("bra NOWHERE;"), Contains("there is no label NOWHERE"));
  CHECK_THAT(refusal("cp.async.cg.shared.global [%r1], [%rd1], 8;"), Contains("wanted 16"));
  CHECK_THAT(refusal("setp.lt.and.s32 %p1, %r1, %r2;"), Contains("takes a predicate c exactly where"));
  CHECK_THAT(refusal("cvt.f16.f32 %h1, %f1;"), Contains("takes a rounding"));
  CHECK_THAT(refusal("cvt.rn.s32.f32 %r1, %f1;"), Contains("takes .rni"));
  CHECK_THAT(refusal("max.f32 %f1, %f2, %f3, %f4;"), Contains("sm_100"));
  CHECK_THAT(refusal("ld.global.v4.u64 {%rd1, %rd2, %rd3, %rd4}, [%rd1];"), Contains("32 bytes"));
  CHECK_THAT(refusal("stmatrix.sync.aligned.m8n8.x1.shared.b16 [%r1], {%r2};", 80), Contains("sm_90"));
  CHECK_THAT(refusal("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%f1,%f2,%f3}, {%r1,%r2,%r3,%r4}, {%r5,%r6}, "
                     "{%f1,%f2,%f3,%f4};"),
             Contains("a vector of 3"));
  CHECK_THAT(refusal("add.u32 %r1, %r2, 0x1g;"), Contains("'0x1g' is no number"));
  CHECK_THAT(refusal("add.u32 %r1, %r2, %r3"), Contains("wanted"));
  CHECK_THAT(refusal("tcgen05.wait::ld.sync.aligned;"), Contains("tcgen05 is for sm_100a and sm_103a"));
}

TEST_CASE("a refusal begins with the line") {
  Machine machine;
  CHECK_THAT(machine.refusal(".version 8.0\n.target sm_80\n.address_size 64\n.entry k()\n{\n  nop.b32;\n}\n"),
             Catch::StartsWith("line 6: "));
  CHECK_THAT(machine.refusal(".version 8.0\n.target sm_100\n"), Contains("the device is sm_90"));
  CHECK_THAT(machine.refusal(".version 8.0\n.target sm_80a\n"), Contains("the device is sm_90"));
  CHECK_THAT(machine.refusal(".version 8.0\n.target sm_80\n.func f(.reg .b32 a) { ret; }\n"),
             Contains("functions with registers as parameters are not known"));
  CHECK_THAT(machine.refusal(".version 8.0\n.target sm_80\n.entry k() { ret;\n"), Contains("the text ends"));
  CHECK_THAT(machine.refusal("ELF"), Contains("wanted"));
  CHECK_THAT(machine.refusal(""), Contains(".target"));
}

TEST_CASE("scopes shadow names and labels") {
  Machine machine;
  machine.load(
      kernel("mov.u32 %r1, 1;\n{ .reg .b32 %r1; mov.u32 %r1, 5; bra L; L: }\n{ .reg .b32 x; mov.u32 x, 7; add.u32 %r1, "
             "%r1, x; bra L; L: }\nst.global.u32 [%rd0], %r1;",
             1));
  const uint64_t out = machine.room(4);
  machine.launch("k", {}, out);
  CHECK(machine.get<uint32_t>(out, 1)[0] == 8);
}

TEST_CASE("variables of the module keep their initial values") {
  Machine machine;
  machine.load(
      ".version 8.0\n.target sm_80\n.address_size 64\n.global .align 4 .b32 table[3] = {7, 0x10, -1};\n.const .f32 one "
      "= 0f3F800000;\n"
      ".visible .entry k(.param .u64 p) {\n.reg .b64 %rd<4>; .reg .b32 %r<4>;\nld.param.u64 %rd1, [p];\nmov.u64 %rd2, "
      "table;\nld.global.u32 %r1, [%rd2+4];\n"
      "ld.global.u32 %r2, [table+8];\nadd.u32 %r1, %r1, %r2;\nld.const.u32 %r3, [one];\nst.global.v2.u32 [%rd1], {%r1, "
      "%r3};\nret;\n}\n");
  const uint64_t out = machine.room(8);
  machine.launch("k", {}, out);
  CHECK(machine.get<uint32_t>(out, 2) == std::vector<uint32_t>{15, 0x3f800000});
}

TEST_CASE("registers that live together have places of their own") {
  // forty values live at once, then forty others in their places
  std::string body;
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 40; ++i)
      body += "add.u32 %r" + std::to_string(100 * round + i) + ", %t, " + std::to_string(i * (round + 1)) + ";\n";
    body += "mov.u32 %r300, 0;\n";
    for (int i = 0; i < 40; ++i)
      body += "mad.lo.u32 %r300, %r" + std::to_string(100 * round + i) + ", " + std::to_string(i + 1) + ", %r300;\n";
    body += "st.global.u32 [%rd0+" + std::to_string(4 * round) + "], %r300;\n";
  }
  Machine machine;
  machine.load(kernel("setp.ne.u32 %p1, %t, 3;\n@%p1 ret;\n" + body, 1));
  const uint64_t out = machine.room(8);
  machine.launch("k", {}, out);
  uint32_t wanted[2] = {0, 0};
  for (uint32_t round = 0; round < 2; ++round)
    for (uint32_t i = 0; i < 40; ++i) wanted[round] += (3 + i * (round + 1)) * (i + 1);
  CHECK(machine.get<uint32_t>(out, 2) == std::vector<uint32_t>{wanted[0], wanted[1]});
  CHECK(machine.module().kernel("k")->register_bytes < 60 * 128 + 100 * 128);  // constants too have places
}
