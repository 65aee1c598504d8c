# SPDX-License-Identifier: Apache-2.0
#
# The sources of cpu_attn by what compiles them, for the plugin and for tests that build parts of it.
include(cpu_isa)
set(kernels ${PROJECT_SOURCE_DIR}/plugins/cpu_attn/kernels)

# For the baseline of the architecture; free of vector code, but for merge.cpp and the copies of kv_cache.cpp.
set(CPU_ATTN_HOST_SOURCES
    ${kernels}/attention_op.cpp
    ${kernels}/common_prefix.cpp
    ${kernels}/kv8_cache.cpp
    ${kernels}/kv_cache.cpp
    ${kernels}/mask_operands.cpp
    ${kernels}/merge.cpp
    ${kernels}/native_cache.cpp
    ${kernels}/partition.cpp)

# One file for each instruction set (cpu_isa.cmake).
set(CPU_ATTN_X86_ISAS avx2 avx512 avx512_bf16 avx512_vbmi amx_bf16)
foreach(isa IN LISTS CPU_ATTN_X86_ISAS)
  set(CPU_ATTN_KERNEL_${isa} ${kernels}/attention_${isa}.cpp)
endforeach()

set(CPU_ATTN_ONEDNN_KERNEL_avx512 ${kernels}/onednn/attention_fp32.cpp)
set(CPU_ATTN_ONEDNN_KERNEL_avx512_bf16 ${kernels}/onednn/attention_bf16.cpp)
set(CPU_ATTN_ONEDNN_HOST_SOURCES ${kernels}/onednn/library.cpp ${kernels}/onednn/matmul.cpp ${kernels}/onednn/op.cpp)
