// SPDX-License-Identifier: Apache-2.0
//
// flex_attention.cuh: the kernel of flash_attn's attention.cuh under a program; the constants stand before it.
#include "attention.cuh"
#include "flex_rules.cuh"

namespace attnrt::flex {

using Shape = flash::AttentionShape<flash::ELEMENT, FlexRules<Program, BENT, 16 * ROW_WARPS>, flash::Stored::kAsIs,
                                    HEAD_QK, HEAD_V, ROW_WARPS, KEY_WARPS, TILE, STAGES>;
static_assert(Shape::kSharedBytes == SHARED_BYTES, "the host asks for another size of shared memory");

extern "C" __global__ void __launch_bounds__(Shape::kThreads, BLOCKS)
    attention(const __grid_constant__ FlexArguments arguments) {
  extern __shared__ __align__(1024) char shared[];
  flash::Attention<Shape>(arguments, shared).run();
}

}  // namespace attnrt::flex
