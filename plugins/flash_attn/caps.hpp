// SPDX-License-Identifier: Apache-2.0
//
// caps.hpp: the capability sheets of flash_attn. Architectures, dtypes and head sizes are those that were compiled.
#ifndef ATTNRT_FLASH_ATTN_CAPS_HPP
#define ATTNRT_FLASH_ATTN_CAPS_HPP
#include <algorithm>
#include <cstdint>

#include "attnrt/plugin.h"
#include "images.hpp"

namespace attnrt::flash {

constexpr attnrt_sizes kBlocks{sizeof(attnrt_sizes), 0, nullptr, 16, 16, 0, 16};

/// Architectures that run what was compiled. Images for 8.0 run on 8.6 and 8.9 too; on 8.7, which is Tegra, they do
/// not. Where there is text it serves all that are newer than the newest image.
struct ArchRanges {
  uint32_t ranges[2 * 16] = {};
  uint32_t count = 0;

  explicit ArchRanges(const char* kernel) {
    const auto find = [&](uint32_t arch) { return kernel_table().find({kernel, arch, -1, -1, -1, 0, 0, 0, -1}); };
    uint32_t newest = 0;
    for (const uint32_t arch : {80u, 86u, 89u, 90u, 100u, 120u})
      if (const gpu::KernelImage* image = find(arch); image && !image->ptx) add(newest = arch, arch);
    if (find(UINT32_MAX)) add(newest + 1, UINT32_MAX);
  }

 private:
  void add(uint32_t low, uint32_t high) {
    ranges[2 * count] = low;
    ranges[2 * count++ + 1] = high;
  }
};

/// Keys and values of their own, in a cache or not, by `kernel`; `bytes`: in a cache of 8 bits too.
inline attnrt_caps sheet(const char* kernel, const ArchRanges& archs, const attnrt_sizes& heads, bool bytes = false) {
  const gpu::KernelOffer offered = kernel_table().offer(kernel);
  attnrt_caps c{};
  c.struct_size = sizeof c;
  c.device_type = ATTNRT_DEVICE_CUDA;
  c.arch_ranges = archs.ranges;
  c.num_arch_ranges = archs.count;
  c.families = ATTNRT_FAMILY_STANDARD;
  c.q_dtypes = c.out_dtypes = offered.q_dtypes;
  constexpr uint32_t e4m3 = 1u << ATTNRT_FP8_E4M3;
  c.kv_dtypes = bytes ? offered.kv_dtypes : offered.kv_dtypes & ~e4m3;
  c.features = ATTNRT_FEATURE_CAUSAL | ATTNRT_FEATURE_NON_CAUSAL | ATTNRT_FEATURE_CAUSAL_PER_REQUEST |
               ATTNRT_FEATURE_SLIDING_WINDOW | ATTNRT_FEATURE_SOFTCAP | ATTNRT_FEATURE_ALIBI | ATTNRT_FEATURE_SINKS |
               ATTNRT_FEATURE_LSE | ATTNRT_FEATURE_CONTEXT_PARALLEL | ATTNRT_FEATURE_DIFF_KV;
  if (c.kv_dtypes & e4m3) c.features |= ATTNRT_FEATURE_KV_SCALES | ATTNRT_FEATURE_PER_HEAD_SCALES;
  c.attn_types = ATTNRT_ATTN_DECODER | ATTNRT_ATTN_ENCODER | ATTNRT_ATTN_ENCODER_ONLY | ATTNRT_ATTN_ENCODER_DECODER;
  c.phases = ATTNRT_PHASE_PREFILL | ATTNRT_PHASE_DECODE | ATTNRT_PHASE_MIXED;
  c.kv_layouts = ATTNRT_KV_CONTIGUOUS | ATTNRT_KV_NHD | ATTNRT_KV_HND;
  c.block_sizes = &kBlocks;
  c.head_sizes = &heads;
  c.determinism = ATTNRT_DETERMINISM_BATCH_INVARIANT;
  c.graph_level = ATTNRT_GRAPH_ALWAYS;
  c.impl = "own";
  return c;
}

/// The same for decoders whose K and V differ in width.
inline attnrt_caps diff_kv(attnrt_caps c) {
  c.attn_types = ATTNRT_ATTN_DECODER;
  return c;
}

constexpr uint32_t kLatentQk[] = {576}, kLatentV[] = {512};
constexpr attnrt_sizes kLatentHeads{sizeof(attnrt_sizes), 1, kLatentQk, 0, 0, 0, 0};
constexpr attnrt_sizes kLatentHeadsV{sizeof(attnrt_sizes), 1, kLatentV, 0, 0, 0, 0};

/// Latent rows, the up-projection absorbed into q.
inline attnrt_caps latent_sheet(const ArchRanges& archs) {
  attnrt_caps c = sheet("latent_wgmma", archs, kLatentHeads);
  c.families = ATTNRT_FAMILY_MLA;
  c.features = ATTNRT_FEATURE_CAUSAL | ATTNRT_FEATURE_NON_CAUSAL | ATTNRT_FEATURE_CAUSAL_PER_REQUEST |
               ATTNRT_FEATURE_LSE | ATTNRT_FEATURE_CONTEXT_PARALLEL | ATTNRT_FEATURE_SPLIT_Q;
  c.attn_types = ATTNRT_ATTN_DECODER;
  c.kv_layouts = ATTNRT_KV_MLA_LATENT;
  c.head_sizes_v = &kLatentHeadsV;
  return c;
}

/// The largest head of a kernel: any multiple of 8 up to it is padded inside.
inline attnrt_sizes heads_of(const char* kernel) {
  const gpu::KernelOffer offered = kernel_table().offer(kernel);
  return {sizeof(attnrt_sizes), 0, nullptr, 8, 8, std::min(offered.head_size_qk, offered.head_size_v), 0};
}

}  // namespace attnrt::flash
#endif
