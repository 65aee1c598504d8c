// SPDX-License-Identifier: Apache-2.0
//
// attention_avx512_vbmi.cpp: panel_attention.hpp for caches of 8 bits, where AVX-512 can look up bytes (data sheet)
//   ISA     F, BW, DQ, VL, CD, BF16, VBMI: what has BF16 has VBMI too, but for Cooper Lake; register tile 6 x 64
//   dtypes  q and out in bf16 by vdpbf16ps, in fp32 and fp16 by fp32; e4m3, e5m2, int8 through tables (kv8_chunk.hpp)
#define ATTNRT_KERNEL_ISA avx512_vbmi
#include "decode_overlap.hpp"

namespace attnrt::cpu {

AttendFns avx512_vbmi_kv8(uint32_t q_dtype) noexcept {
  namespace isa = kernel::avx512_vbmi;
  if (q_dtype == ATTNRT_BF16) return isa::panel_fns<isa::Bf16, isa::DotPair, isa::DotPair>;
  return isa::panel_fns<float, isa::DotFp32, isa::DotFp32>;
}

}  // namespace attnrt::cpu
