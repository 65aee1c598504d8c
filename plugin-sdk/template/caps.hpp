// SPDX-License-Identifier: Apache-2.0
//
// The data sheet: what the kernels of this plugin are proved to do. Selection reads it and nothing else, so a line too
// many sends work here that comes out wrong.
#ifndef EXAMPLE_ATTN_CAPS_HPP
#define EXAMPLE_ATTN_CAPS_HPP
#include <attnrt/plugin.h>

namespace example_attn {

// No list; any multiple of `multiple` from `min` to `max` (0 = no limit); the size to take when nobody asks.
inline constexpr attnrt_sizes head_sizes{sizeof(attnrt_sizes), 0, nullptr, 8, 8, 256, 0};
inline constexpr attnrt_sizes block_sizes{sizeof(attnrt_sizes), 0, nullptr, 1, 1, 0, 16};

constexpr attnrt_caps make_plain_caps() {
  attnrt_caps caps{};
  caps.struct_size = sizeof(attnrt_caps);
  caps.device_type = ATTNRT_DEVICE_CPU;
  caps.families = ATTNRT_FAMILY_STANDARD;
  caps.features = ATTNRT_FEATURE_CAUSAL | ATTNRT_FEATURE_NON_CAUSAL | ATTNRT_FEATURE_LSE;
  caps.q_dtypes = 1u << ATTNRT_FP32;
  caps.kv_dtypes = 1u << ATTNRT_FP32;
  caps.out_dtypes = 1u << ATTNRT_FP32;
  caps.attn_types = ATTNRT_ATTN_DECODER | ATTNRT_ATTN_ENCODER_ONLY;
  caps.phases = ATTNRT_PHASE_PREFILL | ATTNRT_PHASE_DECODE | ATTNRT_PHASE_MIXED;
  caps.kv_layouts = ATTNRT_KV_CONTIGUOUS | ATTNRT_KV_NHD;
  caps.block_sizes = &block_sizes;
  caps.head_sizes = &head_sizes;
  // Each row of the output is one loop over its own keys in order, whatever else is in the batch.
  caps.determinism = ATTNRT_DETERMINISM_SCHEDULE_INVARIANT;
  caps.graph_level = ATTNRT_GRAPH_NEVER;
  caps.impl = "own";
  return caps;
}
inline constexpr attnrt_caps plain_caps = make_plain_caps();

}  // namespace example_attn
#endif
