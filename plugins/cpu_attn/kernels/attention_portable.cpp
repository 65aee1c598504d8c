// SPDX-License-Identifier: Apache-2.0
//
// attention_portable.cpp: portable_attention.hpp for the architecture's baseline (x86-64: SSE2, register tile 4 x 8).
#define ATTNRT_KERNEL_ISA portable
#include "portable_attention.hpp"

namespace attnrt::cpu {

const AttentionKernels& portable_attention() noexcept {
  namespace isa = kernel::portable;
  static constexpr AttentionKernels kernels{
      {&isa::attend_item<float>, &isa::attend_item<isa::Fp16>, &isa::attend_item<isa::Bf16>},
      {&isa::attend_item<float>, &isa::attend_item<float>, &isa::attend_item<float>},
      &isa::attention_scratch_bytes, nullptr, Isa::portable};
  return kernels;
}

}  // namespace attnrt::cpu
