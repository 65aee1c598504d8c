// SPDX-License-Identifier: Apache-2.0
#include "image.hpp"

__asm__(
    ".section .rodata\n.balign 64\n.global example_gpu_attn_image\n.hidden example_gpu_attn_image\n"
    "example_gpu_attn_image:\n.incbin \"" IMAGE "\"\n.previous\n");
