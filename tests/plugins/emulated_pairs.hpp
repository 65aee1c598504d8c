// SPDX-License-Identifier: Apache-2.0
//
// emulated_pairs.hpp: the bf16 dot and the rounding to bf16 of AVX512_BF16 by instructions of AVX-512, so that kernels
// written for them can be tested where the processor lacks them (Intel's Software Developer's Manual: VDPBF16PS,
// VCVTNE2PS2BF16). Numbers below the smallest normal one are zeros, as there.
#ifndef ATTNRT_TEST_EMULATED_PAIRS_HPP
#define ATTNRT_TEST_EMULATED_PAIRS_HPP
#include "../../plugins/cpu_attn/simd/isa.hpp"

#define ATTNRT_KERNEL_PAIRS
namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

inline Vec flush(Vec v) {
  const VecInt bits = bits_of(v), normal = (bits & 0x7f800000) != 0;
  return from_bits(bits & (normal | static_cast<int32_t>(0x80000000u)));
}

/// acc + both products of the bf16 pairs in each lane, first the odd one.
[[gnu::noinline]] inline Vec dot_pairs(const Vec& to, const Vec& a, const Vec& b) {
  const auto element = [](Vec pairs, bool odd) {
    return flush(from_bits(odd ? bits_of(pairs) & static_cast<int32_t>(0xffff0000u) : bits_of(pairs) << 16));
  };
  const Vec acc = flush(madd(element(a, true), element(b, true), flush(to)));
  return flush(madd(element(a, false), element(b, false), acc));
}

/// The lanes of `low`, then those of `top`, rounded to bf16, to even.
[[gnu::noinline]] inline Vec round_pairs(const Vec& low, const Vec& top) {
  uint16_t halves[2 * kLanes];
  const auto put = [&](Vec v, int at) {
    for (int i = 0; i < kLanes; ++i) {
      const auto u = static_cast<uint32_t>(bits_of(flush(v))[i]);
      const bool nan = (u & 0x7fffffffu) > 0x7f800000u;
      halves[at + i] = static_cast<uint16_t>(nan ? u >> 16 | 0x40u : (u + 0x7fffu + (u >> 16 & 1u)) >> 16);
    }
  };
  put(low, 0);
  put(top, kLanes);
  Vec v;
  std::memcpy(&v, halves, sizeof v);
  return v;
}

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
