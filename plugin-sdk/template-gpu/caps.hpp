// SPDX-License-Identifier: Apache-2.0
//
// The data sheet: what the kernels of this plugin are proved to do. Selection reads it and nothing else, so a line too
// many sends work here that comes out wrong.
#ifndef EXAMPLE_GPU_ATTN_CAPS_HPP
#define EXAMPLE_GPU_ATTN_CAPS_HPP
#include <attnrt/plugin.h>

#include "kernels/arguments.hpp"

namespace example_gpu_attn {

// No list; any multiple of `multiple` from `min` to `max` (0 = no limit); the size to take when nobody asks.
inline constexpr attnrt_sizes head_sizes{sizeof(attnrt_sizes), 0, nullptr, 8, 8, kMostHead, 0};
inline constexpr attnrt_sizes block_sizes{sizeof(attnrt_sizes), 0, nullptr, 1, 1, 0, 16};
// Pairs of the first and the last architecture: PTX for 8.0 runs on all that came later.
inline constexpr uint32_t arch_ranges[] = {80, 129};

constexpr attnrt_caps make_caps() {
  attnrt_caps caps{};
  caps.struct_size = sizeof(attnrt_caps);
  caps.device_type = ATTNRT_DEVICE_CUDA;
  caps.arch_ranges = arch_ranges;
  caps.num_arch_ranges = 1;
  caps.families = ATTNRT_FAMILY_STANDARD;
  caps.features = ATTNRT_FEATURE_CAUSAL | ATTNRT_FEATURE_NON_CAUSAL | ATTNRT_FEATURE_LSE;
  caps.q_dtypes = 1u << ATTNRT_FP16;
  caps.kv_dtypes = 1u << ATTNRT_FP16;
  caps.out_dtypes = 1u << ATTNRT_FP16;
  caps.attn_types = ATTNRT_ATTN_DECODER | ATTNRT_ATTN_ENCODER_ONLY;
  caps.phases = ATTNRT_PHASE_PREFILL | ATTNRT_PHASE_DECODE | ATTNRT_PHASE_MIXED;
  caps.kv_layouts = ATTNRT_KV_CONTIGUOUS | ATTNRT_KV_NHD;
  caps.block_sizes = &block_sizes;
  caps.head_sizes = &head_sizes;
  // Each row of the output is one warp's loop over its own keys in order, whatever else is in the batch.
  caps.determinism = ATTNRT_DETERMINISM_SCHEDULE_INVARIANT;
  // A captured run would go on reading the arrays of the batch that was in the plan then. A plan that copies them into
  // memory of its own may say ATTNRT_GRAPH_ALWAYS.
  caps.graph_level = ATTNRT_GRAPH_NEVER;
  caps.impl = "own";
  return caps;
}
inline constexpr attnrt_caps caps = make_caps();

}  // namespace example_gpu_attn
#endif
