// SPDX-License-Identifier: Apache-2.0
//
// emulated_avx512_attention.cpp: attention_avx512.cpp with the intrinsics of emulated_avx512.hpp, without fp16: each
// dtype takes half a minute to compile.
#define ATTNRT_KERNEL_ISA avx512
#include "../../plugins/cpu_attn/kernels/decode_overlap.hpp"

namespace attnrt::cpu {

const AttentionKernels& avx512_attention() noexcept {
  namespace isa = kernel::avx512;
  static constexpr AttentionKernels kernels{
      {isa::panel_fns<float, isa::DotFp32, isa::DotFp32>, {}, isa::panel_fns<isa::Bf16, isa::DotFp32, isa::DotWide>},
      {isa::panel_fns<float, isa::DotFp32, isa::DotFp32>, {}, isa::panel_fns<float, isa::DotFp32, isa::DotFp32>},
      &isa::panel_scratch_bytes,
      &isa::panel_split_floats,
      Isa::avx512};
  return kernels;
}

}  // namespace attnrt::cpu
