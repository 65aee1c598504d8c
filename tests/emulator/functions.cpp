// SPDX-License-Identifier: Apache-2.0
//
// Functions and calls: parameters, results, lanes that return at different places.
#include <catch2/catch.hpp>
#include <numeric>

#include "machine.hpp"

using namespace attnrt::emulator;
using namespace attnrt::emulator::test;
using Catch::Contains;

namespace {

// collatz steps of n, but 1000 where n is 0: returns from two places, loops for another time in each lane
const std::string kSteps =
    ".func (.param .b32 result) steps(.param .b32 n) {\n.reg .b32 %r<9>; .reg .pred %p<3>;\nld.param.u32 %r1, [n];\n"
    "setp.ne.u32 %p1, %r1, 0;\n@%p1 bra GO;\nst.param.b32 [result], 1000;\nret;\nGO: mov.u32 %r2, 0;\nLOOP: "
    "setp.eq.u32 "
    "%p1, %r1, 1;\n@%p1 bra DONE;\nand.b32 %r3, %r1, 1;\nsetp.eq.u32 %p2, %r3, 1;\n@%p2 mad.lo.u32 %r1, %r1, 3, 1;\n"
    "@!%p2 shr.u32 %r1, %r1, 1;\nadd.u32 %r2, %r2, 1;\nbra LOOP;\nDONE: st.param.b32 [result+0], %r2;\nret;\n}\n";
// the larger of what steps makes of a and b, which lie in one array
const std::string kLarger =
    ".func (.param .b32 result) larger(.param .align 8 .b8 pair[16]) {\n.reg .b32 %r<5>; .reg .b64 %rd<2>;\n"
    "mov.b64 %rd1, pair;\nld.param.u32 %r1, [pair];\nld.param.u32 %r2, [%rd1+8];\n"
    "{ .param .b32 x; .param .b32 y; st.param.b32 [x], %r1; call.uni (y), steps, (x); ld.param.b32 %r3, [y]; }\n"
    "{ .param .b32 x; .param .b32 y; st.param.b32 [x+0], %r2; call (y), steps, (x); ld.param.b32 %r4, [y+0]; }\n"
    "max.u32 %r3, %r3, %r4;\nst.param.b32 [result], %r3;\nret;\n}\n";

std::string with_functions(const std::string& functions, const std::string& body) {
  std::string text = kernel(body);
  return text.insert(text.find(".visible .entry"), functions);
}
const std::string kStore = "mul.wide.u32 %rd10, %t, 4;\nadd.s64 %rd10, %rd10, %rd0;\nst.global.u32 [%rd10], %r9;";

std::vector<uint32_t> run(const std::string& text) {
  Machine machine;
  machine.load(text);
  const uint64_t out = machine.put(std::vector<uint32_t>(32));
  machine.launch("k", {}, out, out);
  return machine.get<uint32_t>(out, 32);
}

}  // namespace

TEST_CASE("a function is called for lanes that go different ways in it") {
  const auto steps = run(with_functions(
      kSteps,
      "{ .param .b32 x; .param .b32 y;\nst.param.b32 [x], %t;\ncall.uni (y), steps, (x);\nld.param.b32 %r9, "
      "[y];\n}\nvote.sync.ballot.b32 %r8, 1, -1;\nsetp.ne.u32 %p9, %r8, -1;\n@%p9 trap;\n" +
          kStore));
  CHECK(steps[0] == 1000);
  CHECK(steps[1] == 0);
  CHECK(steps[3] == 7);
  CHECK(steps[27] == 111);
}

TEST_CASE("calls one in the other, by a prototype, with an array as a parameter") {
  const std::string prototype = ".func (.param .b32 a) larger(.param .align 8 .b8 b[16]);\n";
  const auto larger = run(with_functions(
      prototype + kSteps + kLarger,
      "add.u32 %r1, %t, 1;\n{ .param .align 8 .b8 x[16]; .param .b32 y;\nst.param.b32 [x], %r1;\nst.param.b32 [x+8], "
      "6;\ncall.uni (y), larger, (x);\nld.param.b32 %r9, [y];\n}\n" +
          kStore));
  CHECK(larger[0] == 8);   // of 6, not of 1
  CHECK(larger[6] == 16);  // of 7
}

TEST_CASE("what calls cannot be") {
  Machine machine;
  const std::string recursive = ".func again() {\ncall.uni again;\nret;\n}\n";
  CHECK_THAT(machine.refusal(with_functions(recursive, "call.uni again;")), Contains("recursion is not known"));
  std::string twice;  // each calls the one before twice: 2^20 calls of one that does nothing
  for (int i = 0; i <= 20; ++i) {
    const std::string before = i ? "call.uni f" + std::to_string(i - 1) + ";\n" : "";
    twice += ".func f" + std::to_string(i) + "() {\n" + before + before + "ret;\n}\n";
  }
  CHECK_THAT(machine.refusal(with_functions(twice, "call.uni f20;")), Contains("too many"));
  CHECK_THAT(machine.refusal(with_functions(kSteps, "call.uni steps;")), Contains("with 0 parameters and 0 results"));
  CHECK_THAT(machine.refusal(kernel("call.uni nobody;")), Contains("there is no function nobody"));
  CHECK_THAT(machine.refusal(with_functions(".extern .func outside();\n", "call.uni outside;")),
             Contains("is defined in no module that is here"));
  CHECK_THAT(machine.refusal(kernel("@%p1 call.uni nobody;")), Contains("under a guard"));
  // names of the caller are not the function's
  CHECK_THAT(machine.refusal(with_functions(".func f() {\nmov.u32 %r1, 5;\nret;\n}\n", "call.uni f;")),
             Contains("'%r1' is no register to write"));
  machine.load(with_functions(".extern .func __assertfail(.param .b64 a);\n",
                              "{ .param .b64 a;\nst.param.b64 [a], %rd0;\ncall.uni __assertfail, (a);\n}"));
  CHECK_THAT(machine.fault("k", {}, machine.room(4), machine.room(4)), Contains("an assertion of the kernel failed"));
}
