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
void nothing(Assembly& a) {
  a.in.run = [](Warp&, const Instruction&, uint32_t) {};
}
void yield(Assembly& a) {
  a.in.flow = Flow::pause;
  a.in.run = [](Warp& warp, const Instruction&, uint32_t) { warp.yield(); };
}
void trap(Assembly& a) {
  a.in.run = [](Warp&, const Instruction&, uint32_t) {
    throw Fault(Answer::launch_failed, "the kernel executes trap");
  };
}

constexpr Rule kRules[] = {
    {"9.7.12.3", "bra", "uni?", "L", &bra},
    {"9.7.12.4", "brx", "idx uni?", "*", &brx},
    {"9.7.12.6", "ret", "uni?", "", &leave},
    {"9.7.12.7", "exit", "", "", &leave},
    {"9.7.19.2", "nanosleep", "u32", "a", &yield},
    {"9.7.19.4", "trap", "", "", &trap},
    {"9.7.19.5", "setmaxnreg", "inc|dec sync aligned u32", "i", &nothing},
};

}  // namespace

std::span<const Rule> control_rules() { return kRules; }

}  // namespace attnrt::emulator
