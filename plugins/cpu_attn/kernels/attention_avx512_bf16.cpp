// SPDX-License-Identifier: Apache-2.0
//
// attention_avx512_bf16.cpp: panel_attention.hpp for AVX-512 with its bf16 dot (data sheet)
//   ISA     F, BW, DQ, VL, CD, BF16; register tile 6 x 64
//   dtypes  bf16 by vdpbf16ps, two products a lane and step; fp32 and fp16 as in attention_avx512.cpp; 8 bits by
//           attention_avx512_vbmi.cpp where the processor has VBMI
#define ATTNRT_KERNEL_ISA avx512_bf16
#include "decode_overlap.hpp"

namespace attnrt::cpu {

namespace {

AttentionKernels bf16_kernels() noexcept {
  namespace isa = kernel::avx512_bf16;
  AttentionKernels kernels{{isa::panel_fns<float, isa::DotFp32, isa::DotFp32>,
                            isa::panel_fns<isa::Fp16, isa::DotFp32, isa::DotFp16>,
                            isa::panel_fns<isa::Bf16, isa::DotPair, isa::DotPair>},
                           {isa::panel_fns<float, isa::DotFp32, isa::DotFp32>,
                            isa::panel_fns<float, isa::DotFp32, isa::DotFp32>,
                            isa::panel_fns<isa::Bf16, isa::DotPair, isa::DotPair>},
                           &isa::panel_scratch_bytes,
                           &isa::panel_split_floats,
                           Isa::avx512_bf16};
  if (__builtin_cpu_supports("avx512vbmi"))
    for (uint32_t dtype = ATTNRT_FP32; dtype <= ATTNRT_BF16; ++dtype)
      kernels.attend_kv8[dtype] = avx512_vbmi_kv8(dtype);
  return kernels;
}

}  // namespace

const AttentionKernels& avx512_bf16_attention() noexcept {
  static const AttentionKernels kernels = bf16_kernels();
  return kernels;
}

}  // namespace attnrt::cpu
