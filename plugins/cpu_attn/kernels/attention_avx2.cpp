// SPDX-License-Identifier: Apache-2.0
//
// attention_avx2.cpp: panel_attention.hpp for AVX2 (data sheet)
//   ISA     AVX2, FMA, F16C; register tile 6 x 16
//   dtypes  fp32; fp16 and bf16 widened to fp32
#define ATTNRT_KERNEL_ISA avx2
#include "decode_overlap.hpp"

namespace attnrt::cpu {

const AttentionKernels& avx2_attention() noexcept {
  namespace isa = kernel::avx2;
  static constexpr AttentionKernels kernels{{isa::panel_fns<float, isa::DotFp32, isa::DotFp32>,
                                             isa::panel_fns<isa::Fp16, isa::DotFp32, isa::DotFp16>,
                                             isa::panel_fns<isa::Bf16, isa::DotFp32, isa::DotWide>},
                                            {isa::panel_fns<float, isa::DotFp32, isa::DotFp32>,
                                             isa::panel_fns<float, isa::DotFp32, isa::DotFp32>,
                                             isa::panel_fns<float, isa::DotFp32, isa::DotFp32>},
                                            &isa::panel_scratch_bytes,
                                            &isa::panel_split_floats,
                                            0};
  return kernels;
}

}  // namespace attnrt::cpu
