// SPDX-License-Identifier: Apache-2.0
//
// attention_fp32.cpp: attention.hpp with products in fp32 (data sheet)
//   ISA     AVX-512 F, BW, DQ, VL, CD
//   dtypes  fp32; fp16 and bf16 widened as their rows are copied
#define ATTNRT_KERNEL_ISA onednn
#include "attention.hpp"

namespace attnrt::cpu {

const AttentionKernels& onednn_attention() noexcept {
  namespace isa = kernel::onednn;
  static constexpr AttentionKernels kernels =
      isa::onednn_kernels(&isa::attend_onednn<float, isa::DotFp32>, &isa::attend_onednn<isa::Fp16, isa::DotFp32>,
                          &isa::attend_onednn<isa::Bf16, isa::DotFp32>);
  return kernels;
}

}  // namespace attnrt::cpu
