// SPDX-License-Identifier: Apache-2.0
//
// attention_avx2.cpp: panel_attention.hpp for AVX2 (data sheet)
//   ISA     AVX2, FMA, F16C; register tile 6 x 16
//   dtypes  fp32; fp16 and bf16 widened to fp32
#define ATTNRT_KERNEL_ISA avx2
#include "decode_overlap.hpp"

namespace attnrt::cpu {

const AttentionKernels& avx2_attention() noexcept { return kernel::avx2::fp32_kernels<Isa::avx2>; }

}  // namespace attnrt::cpu
