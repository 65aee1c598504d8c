// SPDX-License-Identifier: Apache-2.0
//
// attention_wgmma.cu: one kernel of attention_wgmma.cuh, of the constants that aot/units.py gives.
#include "attention_wgmma.cuh"

namespace attnrt::flash {

using Shape = WarpgroupShape<ELEMENT, StandardRules<BENT>, Stored::STORED, HEAD_QK, HEAD_V, TILE, STAGES>;
static_assert(Shape::kSharedBytes == SHARED_BYTES, "aot/units.py asks for another size of shared memory");

extern "C" __global__ void __launch_bounds__(Shape::kThreads, 1)
    attention_wgmma(const __grid_constant__ AttentionArguments arguments) {
  extern __shared__ __align__(1024) char shared[];
  WarpgroupAttention<Shape>(arguments, shared).run();
}

}  // namespace attnrt::flash
