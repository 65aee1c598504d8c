// SPDX-License-Identifier: Apache-2.0
//
// Barriers, and the lane's own number in its wave.
#include <bit>
#include <iterator>

#include "intrinsic.hpp"
#include "operand.hpp"
#include "workgroup.hpp"

namespace attnrt::emulator::amd {
namespace {

void barrier(Lane& lane, const char*, char*, uint32_t) { lane.wave->group->barrier(lane); }
void meet_only(const WaveCall&) {}

// mask, base: how many lanes below this one are in the mask.
void count_low(Lane& lane, const char* in, char* out, uint32_t) {
  const uint32_t below = lane.index >= 32 ? ~0u : (1u << lane.index) - 1;
  put(out, operand<uint32_t>(in, 1) + static_cast<uint32_t>(std::popcount(operand<uint32_t>(in, 0) & below)));
}
void count_high(Lane& lane, const char* in, char* out, uint32_t) {
  const uint32_t below = lane.index < 32 ? 0 : (1u << (lane.index - 32)) - 1;
  put(out, operand<uint32_t>(in, 1) + static_cast<uint32_t>(std::popcount(operand<uint32_t>(in, 0) & below)));
}

constexpr Rule kRules[] = {
    {.name = "llvm.amdgcn.s.barrier", .effect = &barrier},
    {.name = "llvm.amdgcn.wave.barrier", .together = &meet_only},
    {.name = "llvm.amdgcn.mbcnt.lo", .effect = &count_low},
    {.name = "llvm.amdgcn.mbcnt.hi", .effect = &count_high},
};

}  // namespace

Rules order_rules() { return {std::begin(kRules), std::end(kRules)}; }

}  // namespace attnrt::emulator::amd
