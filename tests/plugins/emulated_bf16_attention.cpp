// SPDX-License-Identifier: Apache-2.0
//
// emulated_bf16_attention.cpp: attention_avx512_bf16.cpp and, for 8 bits, attention_avx512_vbmi.cpp, with the
// intrinsics of emulated_avx512.hpp and the dot of emulated_pairs.hpp, for bf16 alone.
#define ATTNRT_KERNEL_ISA avx512_bf16
#include "../../plugins/cpu_attn/kernels/decode_overlap.hpp"

namespace attnrt::cpu {

const AttentionKernels& avx512_bf16_attention() noexcept {
  namespace isa = kernel::avx512_bf16;
  static constexpr AttentionKernels kernels{{{}, {}, isa::panel_fns<isa::Bf16, isa::DotPair, isa::DotPair>},
                                            {{}, {}, isa::panel_fns<isa::Bf16, isa::DotPair, isa::DotPair>},
                                            &isa::panel_scratch_bytes,
                                            &isa::panel_split_floats,
                                            Isa::avx512_bf16};
  return kernels;
}

}  // namespace attnrt::cpu
