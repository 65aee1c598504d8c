// SPDX-License-Identifier: Apache-2.0
//
// non_finite.hpp: what is done with rows whose sums of values are not finite although their probabilities are. That is
// rare, and found out at the end of an item: nothing before it costs more for the numbers that it may meet.
#ifndef ATTNRT_CPU_ATTN_NON_FINITE_HPP
#define ATTNRT_CPU_ATTN_NON_FINITE_HPP
#include "attention.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

/// How an item's values are summed. Rows that are not finite after a pass go through the next one.
enum class Pass {
  kPlain,  ///< a hidden value is multiplied by 0 where others of its tile are seen
  kExact,  ///< hidden values count as zeros, whatever they are: the bits are those that finite ones would give
  kScaled  ///< so too, and probabilities are made smaller by kSmall: sums of the largest numbers do not overflow
};

/// 2^-24, for as many keys of equal probability, and back.
struct SmallProbabilities {
  static constexpr float kFactor = 0x1p-24f, kBack = 0x1p24f;
  float factors[cpu::kMaxTileKeys];
  constexpr SmallProbabilities() : factors() {
    for (float& f : factors) f = kFactor;
  }
};
inline constexpr SmallProbabilities kSmall;

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
