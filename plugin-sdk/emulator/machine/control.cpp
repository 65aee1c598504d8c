// SPDX-License-Identifier: Apache-2.0
//
// 9.7.12 Control flow, 9.7.19 what belongs to no other chapter.
#include "chapters.hpp"
#include "lanes.hpp"

namespace attnrt::emulator {
namespace {

void bra(Assembly& a) { a.in.flow = Flow::branch; }
void brx(Assembly& a) {
  a.want_operands(2);
  a.source(a.operand(0), Type::u32);
  a.branch_table(a.operand(1));
  a.in.flow = Flow::table;
}
void leave(Assembly& a) { a.in.flow = Flow::exit; }
void ret(Assembly& a) { a.in.flow = a.branch_to_return() ? Flow::branch : Flow::exit; }
void yield(Assembly& a) {
  a.in.flow = Flow::pause;
  a.in.run = [](Warp& warp, const Instruction&, uint32_t) { warp.poll(); };
}
void trap(Assembly& a) {
  a.in.run = [](Warp&, const Instruction&, uint32_t) {
    throw Fault(Answer::launch_failed, "the kernel executes trap");
  };
}

// How many registers a warp has is the assembler's to know; what is checked is what the manual asks of every text.
void setmaxnreg(Assembly& a) {
  if (a.arch() < 90) a.fail("setmaxnreg is for sm_90 and later");
  if (a.in.displacement < 24 || a.in.displacement > 256 || a.in.displacement % 8)
    a.fail(say("setmaxnreg ", a.in.displacement, ", wanted a multiple of 8 from 24 to 256"));
  a.in.run = [](Warp& warp, const Instruction&, uint32_t lanes) {
    if (lanes != warp.alive()) throw Fault(Answer::illegal_instruction, "setmaxnreg by a part of a warp");
  };
}

constexpr Rule kRules[] = {
    {"9.7.12.3", "bra", "uni?", "L", &bra},
    {"9.7.12.4", "brx", "idx uni?", "*", &brx},
    {"9.7.12.6", "ret", "uni?", "", &ret},
    {"9.7.12.7", "exit", "", "", &leave},
    {"9.7.19.2", "nanosleep", "u32", "a", &yield},
    {"9.7.19.4", "trap", "", "", &trap},
    {"9.7.19.5", "setmaxnreg", "inc|dec sync aligned u32", "i", &setmaxnreg},
};

}  // namespace

std::span<const Rule> control_rules() { return kRules; }

}  // namespace attnrt::emulator
