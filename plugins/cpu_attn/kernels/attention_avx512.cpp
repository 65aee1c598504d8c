// SPDX-License-Identifier: Apache-2.0
//
// attention_avx512.cpp: panel_attention.hpp for AVX-512 (data sheet)
//   ISA     F, BW, DQ, VL, CD; register tile 6 x 64
//   dtypes  fp32; fp16 and bf16 widened to fp32
#define ATTNRT_KERNEL_ISA avx512
#include "decode_overlap.hpp"

namespace attnrt::cpu {

const AttentionKernels& avx512_attention() noexcept { return kernel::avx512::fp32_kernels<Isa::avx512>; }

}  // namespace attnrt::cpu
