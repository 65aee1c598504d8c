// SPDX-License-Identifier: Apache-2.0
//
// Of a lane alone: conversions of fp8, bytes, medians (CDNA3 ISA 12, CDNA4 ISA for those with a scale).
#include <bit>
#include <cmath>
#include <iterator>
#include <limits>

#include "element.hpp"
#include "fault.hpp"
#include "fp8.hpp"
#include "intrinsic.hpp"
#include "operand.hpp"

namespace attnrt::emulator::amd {
namespace {

template <bool bf8>
void to_float(const LaneCall& call) {  // word, byte
  put(call.out, fp8_values(fp8_of(
                    call.arch, bf8))[operand<uint32_t>(call.in, 0) >> 8 * (operand<uint32_t>(call.in, 1) & 3) & 0xff]);
}
template <bool bf8>
void to_floats(const LaneCall& call) {  // word, half
  const uint32_t pair = operand<uint32_t>(call.in, 0) >> (operand<uint8_t>(call.in, 1) ? 16 : 0);
  const float* const values = fp8_values(fp8_of(call.arch, bf8));
  const float both[2] = {values[pair & 0xff], values[pair >> 8 & 0xff]};
  put(call.out, both);
}
uint32_t with_half(uint32_t old, uint32_t pair, bool high) {
  return high ? (old & 0xffff) | pair << 16 : (old & 0xffff0000) | pair;
}
template <bool bf8>
void from_floats(const LaneCall& call) {  // two numbers, old word, half
  const Fp8Kind kind = fp8_of(call.arch, bf8);
  const uint32_t pair = to_fp8(kind, operand<float>(call.in, 0)) | uint32_t{to_fp8(kind, operand<float>(call.in, 1))}
                                                                       << 8;
  put(call.out, with_half(operand<uint32_t>(call.in, 2), pair, operand<uint8_t>(call.in, 3)));
}

// A scale is a power of two; the value is multiplied by it.
template <bool bf8, class Element>
void scaled(const LaneCall& call) {  // word, scale, half
  const uint32_t pair = operand<uint32_t>(call.in, 0) >> (operand<uint8_t>(call.in, 2) ? 16 : 0);
  const float* const values = fp8_values(bf8 ? Fp8Kind::e5m2 : Fp8Kind::e4m3);
  const float scale = operand<float>(call.in, 1);
  const Element both[2] = {static_cast<Element>(values[pair & 0xff] * scale),
                           static_cast<Element>(values[pair >> 8 & 0xff] * scale)};
  put(call.out, both);
}
struct Half {
  uint16_t bits;
  explicit Half(float value) : bits(to_half(value)) {}
};
struct Bf16 {
  uint16_t bits;
  explicit Bf16(float value) {
    uint32_t word = std::bit_cast<uint32_t>(value);
    if (value == value) word += 0x7fff + (word >> 16 & 1);
    bits = static_cast<uint16_t>(word >> 16);
  }
};
template <bool bf8>
void to_scaled(const LaneCall& call) {  // old word, two numbers, scale, half
  const Fp8Kind kind = bf8 ? Fp8Kind::e5m2 : Fp8Kind::e4m3;
  const float scale = operand<float>(call.in, 3);
  const uint32_t pair = to_fp8(kind, operand<float>(call.in, 1) / scale) |
                        uint32_t{to_fp8(kind, operand<float>(call.in, 2) / scale)} << 8;
  put(call.out, with_half(operand<uint32_t>(call.in, 0), pair, operand<uint8_t>(call.in, 4)));
}

void toward_zero(const LaneCall& call) {  // v_cvt_pkrtz
  uint16_t both[2];
  for (uint32_t i = 0; i < 2; ++i) {
    const float value = operand<float>(call.in, i);
    both[i] = to_half(value);
    if (std::isfinite(value) && std::fabs(from_half(both[i])) > std::fabs(value)) --both[i];  // one towards zero
  }
  put(call.out, both);
}

void median(const LaneCall& call) {
  const float a = operand<float>(call.in, 0), b = operand<float>(call.in, 1), c = operand<float>(call.in, 2);
  // With a nan the instruction gives the smallest of the three (CDNA3 ISA, V_MED3_F32).
  put(call.out, std::isnan(a) || std::isnan(b) || std::isnan(c)
                    ? std::fmin(std::fmin(a, b), c)
                    : std::fmax(std::fmin(a, b), std::fmin(std::fmax(a, b), c)));
}

// v_perm_b32: each byte of the selector names one of the eight of both words, a sign, 0 or 255.
void perm(const LaneCall& call) {
  const uint64_t bytes = uint64_t{operand<uint32_t>(call.in, 0)} << 32 | operand<uint32_t>(call.in, 1);
  const uint32_t selector = operand<uint32_t>(call.in, 2);
  uint32_t result = 0;
  for (uint32_t i = 0; i < 4; ++i) {
    const uint32_t s = selector >> 8 * i & 0xff;
    const uint32_t byte = s < 8     ? static_cast<uint32_t>(bytes >> 8 * s & 0xff)
                          : s < 12  ? (bytes >> (16 * (s - 8) + 15) & 1 ? 0xff : 0)
                          : s == 12 ? 0
                                    : 0xff;
    result |= byte << 8 * i;
  }
  put(call.out, result);
}

// pointer, stride, bytes, flags: base in 48 bits, stride in 14, bytes and flags in 32 each.
void make_resource(const LaneCall& call) {
  const uint64_t words[2] = {
      (operand<uint64_t>(call.in, 0) & 0xffffffffffff) | uint64_t{operand<uint16_t>(call.in, 1)} << 48,
      (operand<uint64_t>(call.in, 2) & 0xffffffff) | uint64_t{operand<uint32_t>(call.in, 3)} << 32};
  put(call.out, words);
}

constexpr Rule kRules[] = {
    {.name = "llvm.amdgcn.make.buffer.rsrc.p8.p1", .alone = &make_resource},
    {.name = "llvm.amdgcn.cvt.f32.fp8", .alone = &to_float<false>},
    {.name = "llvm.amdgcn.cvt.f32.bf8", .alone = &to_float<true>},
    {.name = "llvm.amdgcn.cvt.pk.f32.fp8", .alone = &to_floats<false>},
    {.name = "llvm.amdgcn.cvt.pk.f32.bf8", .alone = &to_floats<true>},
    {.name = "llvm.amdgcn.cvt.pk.fp8.f32", .alone = &from_floats<false>},
    {.name = "llvm.amdgcn.cvt.pk.bf8.f32", .alone = &from_floats<true>},
    {.name = "llvm.amdgcn.cvt.scalef32.pk.f32.fp8", .alone = &scaled<false, float>},
    {.name = "llvm.amdgcn.cvt.scalef32.pk.f32.bf8", .alone = &scaled<true, float>},
    {.name = "llvm.amdgcn.cvt.scalef32.pk.f16.fp8", .alone = &scaled<false, Half>},
    {.name = "llvm.amdgcn.cvt.scalef32.pk.f16.bf8", .alone = &scaled<true, Half>},
    {.name = "llvm.amdgcn.cvt.scalef32.pk.bf16.fp8", .alone = &scaled<false, Bf16>},
    {.name = "llvm.amdgcn.cvt.scalef32.pk.bf16.bf8", .alone = &scaled<true, Bf16>},
    {.name = "llvm.amdgcn.cvt.scalef32.pk.fp8.f32", .alone = &to_scaled<false>},
    {.name = "llvm.amdgcn.cvt.scalef32.pk.bf8.f32", .alone = &to_scaled<true>},
    {.name = "llvm.amdgcn.cvt.pkrtz", .alone = &toward_zero},
    {.name = "llvm.amdgcn.fmed3.f32", .alone = &median},
    {.name = "llvm.amdgcn.perm", .alone = &perm},
};

}  // namespace

Rules conversion_rules() { return {std::begin(kRules), std::end(kRules)}; }

}  // namespace attnrt::emulator::amd
