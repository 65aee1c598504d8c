// SPDX-License-Identifier: Apache-2.0
//
// latent_wgmma.cu: the kernel of latent_wgmma.cuh for one element type.
#include "latent_wgmma.cuh"

namespace attnrt::flash {

using Shape = LatentShape<ELEMENT>;
static_assert(Shape::kSharedBytes == SHARED_BYTES, "aot/units.py asks for another size of shared memory");

extern "C" __global__ void __launch_bounds__(Shape::kThreads, 1)
    latent_wgmma(const __grid_constant__ AttentionArguments arguments) {
  extern __shared__ __align__(1024) char shared[];
  LatentAttention<Shape>(arguments, shared).run();
}

}  // namespace attnrt::flash
