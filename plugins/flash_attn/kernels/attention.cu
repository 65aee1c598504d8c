// SPDX-License-Identifier: Apache-2.0
//
// attention.cu: one kernel of attention.cuh, of the constants that aot/units.py gives.
#include "attention.cuh"

namespace attnrt::flash {

using Shape =
    AttentionShape<ELEMENT, StandardRules<BENT>, Stored::STORED, HEAD_QK, HEAD_V, ROW_WARPS, KEY_WARPS, TILE, STAGES>;
static_assert(Shape::kSharedBytes == SHARED_BYTES, "aot/units.py asks for another size of shared memory");

extern "C" __global__ void __launch_bounds__(Shape::kThreads, BLOCKS)
    attention(const __grid_constant__ AttentionArguments arguments) {
  extern __shared__ __align__(1024) char shared[];
  Attention<Shape>(arguments, shared).run();
}

}  // namespace attnrt::flash
