// SPDX-License-Identifier: Apache-2.0
//
// attention_avx512_bf16.cpp: panel_attention.hpp for AVX-512 with its bf16 dot (data sheet)
//   ISA     F, BW, DQ, VL, CD, BF16; register tile 6 x 64
//   dtypes  bf16 by vdpbf16ps, two products a lane and step; fp32 and fp16 as in attention_avx512.cpp
#define ATTNRT_KERNEL_ISA avx512_bf16
#include "panel_attention.hpp"

namespace attnrt::cpu {

const AttentionKernels& avx512_bf16_attention() noexcept {
  namespace isa = kernel::avx512_bf16;
  static constexpr AttentionKernels kernels{{&isa::attend_panels<float, isa::DotFp32, isa::DotFp32>,
                                             &isa::attend_panels<isa::Fp16, isa::DotFp32, isa::DotFp16>,
                                             &isa::attend_panels<isa::Bf16, isa::DotPair, isa::DotPair>},
                                            {&isa::attend_panels<float, isa::DotFp32, isa::DotFp32>,
                                             &isa::attend_panels<float, isa::DotFp32, isa::DotFp32>,
                                             &isa::attend_panels<isa::Bf16, isa::DotPair, isa::DotPair>},
                                            &isa::panel_scratch_bytes,
                                            &isa::panel_split_floats,
                                            isa::kRowWalkRows};
  return kernels;
}

}  // namespace attnrt::cpu
