// SPDX-License-Identifier: Apache-2.0
//
// Functions of the reals, by the host's library: LLVM's own, exact to the last place, and AMD's instructions, which
// give no subnormal numbers (CDNA3 ISA 6.3).
#include <cmath>
#include <iterator>

#include "intrinsic.hpp"
#include "operand.hpp"

namespace attnrt::emulator::amd {
namespace {

float exponential_2(float x) { return std::exp2(x); }
float exponential(float x) { return std::exp(x); }
float logarithm_2(float x) { return std::log2(x); }
float logarithm(float x) { return std::log(x); }
float root(float x) { return std::sqrt(x); }
float reciprocal(float x) { return 1 / x; }
float reciprocal_root(float x) { return 1 / std::sqrt(x); }
float sine(float x) { return std::sin(x); }
float cosine(float x) { return std::cos(x); }

template <float (*function)(float)>
void each(const LaneCall& call) {
  for (uint32_t at = 0; at < call.bytes; at += sizeof(float)) {
    float value;
    std::memcpy(&value, call.in + at, sizeof value);
    put(call.out + at, function(value));
  }
}
template <float (*function)(float)>
void instruction(const LaneCall& call) {
  const float value = function(operand<float>(call.in, 0));
  put(call.out, std::fpclassify(value) == FP_SUBNORMAL ? std::copysign(0.f, value) : value);
}

constexpr Rule kRules[] = {
    {.name = "llvm.exp2.", .alone = &each<&exponential_2>},
    {.name = "llvm.exp.", .alone = &each<&exponential>},
    {.name = "llvm.log2.", .alone = &each<&logarithm_2>},
    {.name = "llvm.log.", .alone = &each<&logarithm>},
    {.name = "llvm.sin.", .alone = &each<&sine>},
    {.name = "llvm.cos.", .alone = &each<&cosine>},
    {.name = "llvm.amdgcn.log.f32", .alone = &instruction<&logarithm_2>},
    {.name = "llvm.amdgcn.sqrt.f32", .alone = &instruction<&root>},
    {.name = "llvm.amdgcn.rcp.f32", .alone = &instruction<&reciprocal>},
    {.name = "llvm.amdgcn.rsq.f32", .alone = &instruction<&reciprocal_root>},
};

}  // namespace

Rules math_rules() { return {std::begin(kRules), std::end(kRules)}; }

}  // namespace attnrt::emulator::amd
