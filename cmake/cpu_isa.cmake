# SPDX-License-Identifier: Apache-2.0
#
# The instruction sets that CPU kernels are compiled for, and what a compiler is told for each; kernels that ship and
# kernels of the tests take the same. avx512_vbmi and amx_bf16 extend avx512_bf16.
set(ATTNRT_ISA_avx2 -mavx2 -mfma -mf16c)
set(ATTNRT_ISA_avx512 ${ATTNRT_ISA_avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512cd
                      -mprefer-vector-width=512)
set(ATTNRT_ISA_avx512_bf16 ${ATTNRT_ISA_avx512} -mavx512bf16)
set(ATTNRT_ISA_avx512_vbmi ${ATTNRT_ISA_avx512_bf16} -mavx512vbmi)
set(ATTNRT_ISA_amx_bf16 ${ATTNRT_ISA_avx512_bf16})

# Bits must not depend on what an optimiser finds profitable: no contraction but the kernels' own, no -ffast-math.
set(ATTNRT_KERNEL_OPTIONS -ffp-contract=off -fno-math-errno)

# attnrt_set_isa(ISA source...): in the folder whose target compiles them.
function(attnrt_set_isa isa)
  set_source_files_properties(${ARGN} PROPERTIES COMPILE_OPTIONS "${ATTNRT_ISA_${isa}}")
endfunction()
