// SPDX-License-Identifier: Apache-2.0
//
// caps.hpp: the capability sheets of flex: those of cpu_attn's kernels, and a program; cuda/caps.hpp has CUDA's.
#ifndef ATTNRT_FLEX_CAPS_HPP
#define ATTNRT_FLEX_CAPS_HPP
#include "../cpu_attn/caps.hpp"

namespace attnrt::flex {

constexpr attnrt_caps under_program(attnrt_caps c) {
  c.features |= ATTNRT_FEATURE_FLEX;
  return c;
}

constexpr attnrt_caps kPortable = under_program(cpu::kStandardPortable), kAvx2 = under_program(cpu::kStandardAvx2),
                      kAvx512 = under_program(cpu::kStandardAvx512),
                      kAvx512Bf16 = under_program(cpu::kStandardAvx512Bf16),
                      kAmxBf16 = under_program(cpu::kStandardAmxBf16);

}  // namespace attnrt::flex
#endif
