// SPDX-License-Identifier: Apache-2.0
//
// caps.hpp: the capability sheet of FLEX_ATTENTION on CUDA.
#ifndef ATTNRT_FLEX_CUDA_CAPS_HPP
#define ATTNRT_FLEX_CUDA_CAPS_HPP
#include "attnrt/plugin.h"
#include "shapes.hpp"

namespace attnrt::flex {

constexpr attnrt_sizes kCudaBlocks{sizeof(attnrt_sizes), 0, nullptr, 16, 16, 0, 16};
constexpr attnrt_sizes kCudaHeads{sizeof(attnrt_sizes), 0, nullptr, 8, 8, kWidestHead, 0};
constexpr uint32_t kCudaArchs[] = {80, UINT32_MAX};  ///< kernels are compiled for the device that is there

constexpr attnrt_caps cuda_sheet() {
  attnrt_caps c{};
  c.struct_size = sizeof c;
  c.device_type = ATTNRT_DEVICE_CUDA;
  c.arch_ranges = kCudaArchs;
  c.num_arch_ranges = 1;
  c.families = ATTNRT_FAMILY_STANDARD;
  c.q_dtypes = c.kv_dtypes = c.out_dtypes = 1u << ATTNRT_FP16 | 1u << ATTNRT_BF16;
  c.features = ATTNRT_FEATURE_CAUSAL | ATTNRT_FEATURE_NON_CAUSAL | ATTNRT_FEATURE_CAUSAL_PER_REQUEST |
               ATTNRT_FEATURE_SLIDING_WINDOW | ATTNRT_FEATURE_SOFTCAP | ATTNRT_FEATURE_ALIBI | ATTNRT_FEATURE_SINKS |
               ATTNRT_FEATURE_LSE | ATTNRT_FEATURE_DIFF_KV | ATTNRT_FEATURE_FLEX;
  c.attn_types = ATTNRT_ATTN_DECODER | ATTNRT_ATTN_ENCODER | ATTNRT_ATTN_ENCODER_ONLY | ATTNRT_ATTN_ENCODER_DECODER;
  c.phases = ATTNRT_PHASE_PREFILL | ATTNRT_PHASE_DECODE | ATTNRT_PHASE_MIXED;
  c.kv_layouts = ATTNRT_KV_CONTIGUOUS | ATTNRT_KV_NHD | ATTNRT_KV_HND;
  c.block_sizes = &kCudaBlocks;
  c.head_sizes = &kCudaHeads;
  c.determinism = ATTNRT_DETERMINISM_BATCH_INVARIANT;
  c.graph_level = ATTNRT_GRAPH_ALWAYS;
  c.impl = "own";
  return c;
}

constexpr attnrt_caps kCuda = cuda_sheet();

}  // namespace attnrt::flex
#endif
