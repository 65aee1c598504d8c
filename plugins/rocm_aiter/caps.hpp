// SPDX-License-Identifier: Apache-2.0
//
// caps.hpp: the capability sheets of rocm_aiter, one of each backend for one architecture: which 8 bits a cache may have
// differs between them. A sheet offers what users of AITER's backend of that name expect of it, as far as the kernels
// here have it; the engine behind is not AITER's.
#ifndef ATTNRT_ROCM_AITER_CAPS_HPP
#define ATTNRT_ROCM_AITER_CAPS_HPP
#include "../triton/sheets.hpp"

namespace attnrt::rocm_aiter {

using triton::Archs;

constexpr attnrt_sizes listed(const uint32_t* list, uint32_t count, uint32_t preferred = 0) {
  return {sizeof(attnrt_sizes), count, list, 0, 0, 0, preferred};
}
constexpr uint32_t kMhaHeadList[] = {64, 128, 256}, kMhaBlockList[] = {16, 32}, kPrefillHeadList[] = {192},
                   kPrefillHeadVList[] = {128}, kPackedHeadList[] = {32, 64, 80, 96, 128, 160, 192, 224, 256},
                   kOneSlot[] = {1};
constexpr attnrt_sizes kMhaHeads = listed(kMhaHeadList, 3), kMhaBlocks = listed(kMhaBlockList, 2, 16),
                       kPrefillHeads = listed(kPrefillHeadList, 1), kPrefillHeadsV = listed(kPrefillHeadVList, 1),
                       kPackedHeads = listed(kPackedHeadList, 9), kUnifiedHeads = triton::heads_up_to(256, 32),
                       kUnifiedBlocks{sizeof(attnrt_sizes), 0, nullptr, 16, 16, 0, 64},
                       kLatentBlocks{sizeof(attnrt_sizes), 1, kOneSlot, 1, 1, 0, 1};
constexpr uint32_t kHalves = 1u << ATTNRT_FP16 | 1u << ATTNRT_BF16;

/// fp32 is left to ROCM_ATTN.
inline attnrt_caps without_fp32(attnrt_caps c) {
  c.q_dtypes &= kHalves;
  c.out_dtypes &= kHalves;
  c.kv_dtypes &= ~(1u << ATTNRT_FP32);
  return c;
}

/// ROCM_AITER_FA: decoders over plain caches, with every mask but those of positions.
inline attnrt_caps mha_sheet(const Archs& archs) {
  attnrt_caps c = without_fp32(standard_sheet(ATTNRT_DEVICE_ROCM, archs, kMhaHeads));
  c.features &= ~(ATTNRT_FEATURE_DIFF_KV | ATTNRT_FEATURE_MM_PREFIX | ATTNRT_FEATURE_ALIBI_SQRT);
  c.attn_types = ATTNRT_ATTN_DECODER;
  c.block_sizes = &kMhaBlocks;
  return c;
}

/// The prefill of latent attention: keys of 192, values of 128, both up-projected and without a cache. The conformance
/// kit captures batches over paged caches alone, so that none is claimed to be captured.
inline attnrt_caps mla_prefill_sheet(const Archs& archs) {
  attnrt_caps c = without_fp32(standard_sheet(ATTNRT_DEVICE_ROCM, archs, kPrefillHeads));
  c.features = ATTNRT_FEATURE_CAUSAL | ATTNRT_FEATURE_NON_CAUSAL | ATTNRT_FEATURE_CAUSAL_PER_REQUEST |
               ATTNRT_FEATURE_LSE | ATTNRT_FEATURE_DIFF_KV;
  c.kv_dtypes = kHalves;
  c.attn_types = ATTNRT_ATTN_DECODER;
  c.kv_layouts = ATTNRT_KV_CONTIGUOUS;
  c.graph_level = ATTNRT_GRAPH_NEVER;
  c.head_sizes_v = &kPrefillHeadsV;
  return c;
}

/// ROCM_AITER_UNIFIED_ATTN: all that the kernel has.
inline attnrt_caps unified_sheet(const Archs& archs) {
  attnrt_caps c = without_fp32(standard_sheet(ATTNRT_DEVICE_ROCM, archs, kUnifiedHeads));
  c.block_sizes = &kUnifiedBlocks;
  return c;
}

/// ROCM_ATTN: xpacked caches, fp32 too; encoders without a cache.
inline attnrt_caps packed_sheet(const Archs& archs) {
  attnrt_caps c = standard_sheet(ATTNRT_DEVICE_ROCM, archs, kPackedHeads);
  c.features &= ~(ATTNRT_FEATURE_DIFF_KV | ATTNRT_FEATURE_SINKS | ATTNRT_FEATURE_ALIBI_SQRT);
  c.attn_types = ATTNRT_ATTN_DECODER | ATTNRT_ATTN_ENCODER | ATTNRT_ATTN_ENCODER_ONLY;
  c.kv_layouts = ATTNRT_KV_XPACKED | ATTNRT_KV_CONTIGUOUS;
  return c;
}

/// ROCM_AITER_MLA and ROCM_AITER_TRITON_MLA: all keys of the latent cache, in blocks of any size.
inline attnrt_caps mla_sheet(const Archs& archs) {
  attnrt_caps c = without_fp32(latent_sheet(ATTNRT_DEVICE_ROCM, archs));
  c.block_sizes = &kLatentBlocks;
  return c;
}

/// ROCM_AITER_MLA_SPARSE: the keys that an indexer chose, which it does for causal decoders alone. The conformance kit
/// captures no sparse batch, so that none is claimed to be captured.
inline attnrt_caps sparse_sheet(const Archs& archs) {
  attnrt_caps c = without_fp32(latent_sheet(ATTNRT_DEVICE_ROCM, archs, "mla_sparse"));
  c.features = ATTNRT_FEATURE_CAUSAL | ATTNRT_FEATURE_LSE | ATTNRT_FEATURE_SPARSE_TOPK | ATTNRT_FEATURE_SINKS |
               (c.features & ATTNRT_FEATURE_KV_SCALES);
  c.graph_level = ATTNRT_GRAPH_NEVER;
  c.block_sizes = &kLatentBlocks;
  return c;
}

}  // namespace attnrt::rocm_aiter
#endif
