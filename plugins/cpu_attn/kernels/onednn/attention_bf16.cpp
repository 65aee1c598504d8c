// SPDX-License-Identifier: Apache-2.0
//
// attention_bf16.cpp: attention.hpp with products of bf16 (data sheet)
//   ISA     AVX-512 F, BW, DQ, VL, CD, BF16
//   dtypes  bf16
#define ATTNRT_KERNEL_ISA onednn_bf16
#include "attention.hpp"

namespace attnrt::cpu {

const AttentionKernels& onednn_bf16_attention() noexcept {
  namespace isa = kernel::onednn_bf16;
  static constexpr AttentionKernels kernels =
      isa::onednn_kernels(nullptr, nullptr, &isa::attend_onednn<isa::Bf16, isa::DotPair>);
  return kernels;
}

}  // namespace attnrt::cpu
