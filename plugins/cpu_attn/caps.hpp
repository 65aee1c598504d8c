// SPDX-License-Identifier: Apache-2.0
//
// caps.hpp: the capability sheets of cpu_attn.
#ifndef ATTNRT_CPU_ATTN_CAPS_HPP
#define ATTNRT_CPU_ATTN_CAPS_HPP
#include <cstdint>

#include "attnrt/plugin.h"

namespace attnrt::cpu {

constexpr uint32_t kFloats = 1u << ATTNRT_FP32 | 1u << ATTNRT_FP16 | 1u << ATTNRT_BF16;

constexpr uint32_t kBytes = 1u << ATTNRT_FP8_E4M3 | 1u << ATTNRT_FP8_E5M2 | 1u << ATTNRT_INT8;

constexpr attnrt_sizes kAnyBlock{sizeof(attnrt_sizes), 0, nullptr, 1, 1, 0, 64};
constexpr attnrt_sizes kHeads{sizeof(attnrt_sizes), 0, nullptr, 8, 8, 512, 0};
constexpr attnrt_sizes kAnyHeads{sizeof(attnrt_sizes), 0, nullptr, 1, 1, 512, 0};

constexpr uint32_t kLatentQk[] = {576}, kLatentV[] = {512}, kPrefillQk[] = {192}, kPrefillV[] = {128};
constexpr attnrt_sizes kLatentHeads{sizeof(attnrt_sizes), 1, kLatentQk, 0, 0, 0, 0};
constexpr attnrt_sizes kLatentHeadsV{sizeof(attnrt_sizes), 1, kLatentV, 0, 0, 0, 0};
constexpr attnrt_sizes kPrefillHeads{sizeof(attnrt_sizes), 1, kPrefillQk, 0, 0, 0, 0};
constexpr attnrt_sizes kPrefillHeadsV{sizeof(attnrt_sizes), 1, kPrefillV, 0, 0, 0, 0};

/// Masks and biases of every kernel family here but uncompressed MLA prefill.
constexpr uint64_t kMasks = ATTNRT_FEATURE_CAUSAL | ATTNRT_FEATURE_NON_CAUSAL | ATTNRT_FEATURE_CAUSAL_PER_REQUEST |
                            ATTNRT_FEATURE_SLIDING_WINDOW | ATTNRT_FEATURE_WINDOW_PREFIX | ATTNRT_FEATURE_SOFTCAP |
                            ATTNRT_FEATURE_ALIBI | ATTNRT_FEATURE_ALIBI_SQRT | ATTNRT_FEATURE_SINKS |
                            ATTNRT_FEATURE_DENSE_MASK | ATTNRT_FEATURE_TREE_MASK | ATTNRT_FEATURE_MM_PREFIX |
                            ATTNRT_FEATURE_BLOCK_SPARSE | ATTNRT_FEATURE_CONTEXT_PARALLEL | ATTNRT_FEATURE_LSE;

/// What holds for every variant here: dtypes of q and out are equal, that of the cache too or of 8 bits (supports()
/// says so), lengths are read in place, no query length or GQA group is special.
constexpr attnrt_caps sheet() {
  attnrt_caps c{};
  c.struct_size = sizeof c;
  c.device_type = ATTNRT_DEVICE_CPU;
  c.q_dtypes = c.kv_dtypes = c.out_dtypes = kFloats;
  c.phases = ATTNRT_PHASE_PREFILL | ATTNRT_PHASE_DECODE | ATTNRT_PHASE_MIXED;
  c.block_sizes = &kAnyBlock;
  c.determinism = ATTNRT_DETERMINISM_SCHEDULE_INVARIANT;
  c.graph_level = ATTNRT_GRAPH_NEVER;
  c.impl = "own";
  return c;
}

constexpr attnrt_caps standard_sheet(uint64_t isa) {
  attnrt_caps c = sheet();
  c.isa = isa;
  c.families = ATTNRT_FAMILY_STANDARD;
  c.features = kMasks | ATTNRT_FEATURE_DIFF_KV | ATTNRT_FEATURE_KV_SCALES | ATTNRT_FEATURE_PER_HEAD_SCALES |
               ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES;
  c.kv_dtypes = kFloats | kBytes;
  c.attn_types = ATTNRT_ATTN_DECODER | ATTNRT_ATTN_ENCODER | ATTNRT_ATTN_ENCODER_ONLY | ATTNRT_ATTN_ENCODER_DECODER;
  c.kv_layouts = ATTNRT_KV_CONTIGUOUS | ATTNRT_KV_NHD | ATTNRT_KV_HND;
  c.head_sizes = &kHeads;
  return c;
}

constexpr attnrt_caps latent_sheet(uint64_t isa) {
  attnrt_caps c = sheet();
  c.isa = isa;
  c.families = ATTNRT_FAMILY_MLA;
  c.features = kMasks | ATTNRT_FEATURE_SPLIT_Q | ATTNRT_FEATURE_KV_SCALES;
  c.kv_dtypes = kFloats | kBytes;
  c.attn_types = ATTNRT_ATTN_DECODER;
  c.kv_layouts = ATTNRT_KV_MLA_LATENT;
  c.head_sizes = &kLatentHeads;
  c.head_sizes_v = &kLatentHeadsV;
  return c;
}

constexpr attnrt_caps prefill_sheet(uint64_t isa) {
  attnrt_caps c = sheet();
  c.isa = isa;
  c.families = ATTNRT_FAMILY_STANDARD;
  c.features = ATTNRT_FEATURE_CAUSAL | ATTNRT_FEATURE_NON_CAUSAL | ATTNRT_FEATURE_LSE | ATTNRT_FEATURE_DIFF_KV;
  c.attn_types = ATTNRT_ATTN_DECODER;
  c.phases = ATTNRT_PHASE_PREFILL;
  c.kv_layouts = ATTNRT_KV_CONTIGUOUS;
  c.head_sizes = &kPrefillHeads;
  c.head_sizes_v = &kPrefillHeadsV;
  return c;
}

/// Rows of any width, where no other variant takes them.
constexpr attnrt_caps portable_sheet() {
  attnrt_caps c = standard_sheet(0);
  c.head_sizes = &kAnyHeads;
  return c;
}

/// The panel kernels read pages of their own packing too, and use the hint of a common prefix.
constexpr attnrt_caps panel_sheet(uint64_t isa) {
  attnrt_caps c = standard_sheet(isa);
  c.kv_layouts |= ATTNRT_KV_NATIVE;
  c.features |= ATTNRT_FEATURE_COMMON_PREFIX;
  return c;
}
constexpr attnrt_caps latent_panel_sheet(uint64_t isa) {
  attnrt_caps c = latent_sheet(isa);
  c.features |= ATTNRT_FEATURE_COMMON_PREFIX;
  return c;
}

/// What needs no cache of 8 bits and no packing of its own, around another library's products.
constexpr attnrt_caps onednn_sheet(uint64_t isa) {
  attnrt_caps c = standard_sheet(isa);
  c.features = kMasks | ATTNRT_FEATURE_DIFF_KV;
  c.kv_dtypes = kFloats;
  c.impl = "onednn 2.6";
  return c;
}

/// bf16 throughout.
constexpr attnrt_caps amx_sheet(uint64_t isa) {
  attnrt_caps c = panel_sheet(isa);
  c.features &= ~uint64_t{ATTNRT_FEATURE_KV_SCALES | ATTNRT_FEATURE_PER_HEAD_SCALES |
                          ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES};
  c.q_dtypes = c.kv_dtypes = c.out_dtypes = 1u << ATTNRT_BF16;
  return c;
}

constexpr uint64_t kAvx2 = ATTNRT_ISA_AVX2, kAvx512 = ATTNRT_ISA_AVX2 | ATTNRT_ISA_AVX512;
constexpr uint64_t kAvx512Bf16 = kAvx512 | ATTNRT_ISA_AVX512_BF16;

constexpr attnrt_caps kStandardPortable = portable_sheet(), kStandardAvx2 = panel_sheet(kAvx2),
                      kStandardAvx512 = panel_sheet(kAvx512), kStandardAvx512Bf16 = panel_sheet(kAvx512Bf16);
constexpr attnrt_caps kStandardAmxBf16 = amx_sheet(kAvx512Bf16 | ATTNRT_ISA_AMX_TILE | ATTNRT_ISA_AMX_BF16);
constexpr attnrt_caps kStandardOnednn = onednn_sheet(kAvx512);
constexpr attnrt_caps kLatentPortable = latent_sheet(0), kLatentAvx2 = latent_panel_sheet(kAvx2),
                      kLatentAvx512 = latent_panel_sheet(kAvx512),
                      kLatentAvx512Bf16 = latent_panel_sheet(kAvx512Bf16);
constexpr attnrt_caps kPrefillPortable = prefill_sheet(0), kPrefillAvx2 = prefill_sheet(kAvx2),
                      kPrefillAvx512 = prefill_sheet(kAvx512), kPrefillAvx512Bf16 = prefill_sheet(kAvx512Bf16);

}  // namespace attnrt::cpu
#endif
