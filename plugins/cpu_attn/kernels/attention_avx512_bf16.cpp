// SPDX-License-Identifier: Apache-2.0
//
// attention_avx512_bf16.cpp: panel_attention.hpp for AVX-512 with its bf16 dot (data sheet)
//   ISA     F, BW, DQ, VL, CD, BF16; register tile 6 x 64
//   dtypes  bf16 by vdpbf16ps, two products a lane and step; fp32 and fp16 as in attention_avx512.cpp; 8 bits by
//           attention_avx512_vbmi.cpp where the processor has VBMI
#define ATTNRT_KERNEL_ISA avx512_bf16
#include "side_stream.hpp"

namespace attnrt::cpu {
namespace {

namespace isa = kernel::avx512_bf16;

constexpr AttendFns kBytes[] = {isa::panel_fns<float, isa::DotFp32, isa::DotFp32>,
                                isa::panel_fns<float, isa::DotFp32, isa::DotFp32>,
                                isa::panel_fns<isa::Bf16, isa::DotPair, isa::DotPair>};

AttendFns bytes_here(uint32_t q_dtype) noexcept {
  return __builtin_cpu_supports("avx512vbmi") ? avx512_vbmi_bytes(q_dtype) : kBytes[q_dtype];
}

}  // namespace

const AttentionKernels& avx512_bf16_attention() noexcept {
  static constexpr AttentionKernels kernels{
      {isa::panel_fns<float, isa::DotFp32, isa::DotFp32>, isa::panel_fns<isa::Fp16, isa::DotFp32, isa::DotFp16>,
       isa::panel_fns<isa::Bf16, isa::DotPair, isa::DotPair>},
      {kBytes[ATTNRT_FP32], kBytes[ATTNRT_FP16], kBytes[ATTNRT_BF16]},
      &isa::panel_scratch_bytes,
      &isa::panel_split_floats,
      isa::kRowWalkRows,
      0,
      0,
      &bytes_here};
  return kernels;
}

}  // namespace attnrt::cpu
