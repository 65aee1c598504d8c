// SPDX-License-Identifier: Apache-2.0
//
// sheets.hpp: what the capability sheets of every plugin with these kernels have in common. Architectures, dtypes and
// head sizes are those that were compiled.
#ifndef ATTNRT_TRITON_SHEETS_HPP
#define ATTNRT_TRITON_SHEETS_HPP
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "attnrt/plugin.h"
#include "images.hpp"

namespace attnrt::triton {

constexpr attnrt_sizes kBlocks{sizeof(attnrt_sizes), 0, nullptr, 16, 16, 0, 16};
constexpr uint32_t kLatentQk[] = {576}, kLatentV[] = {512};
constexpr attnrt_sizes kLatentHeads{sizeof(attnrt_sizes), 1, kLatentQk, 0, 0, 0, 0};
constexpr attnrt_sizes kLatentHeadsV{sizeof(attnrt_sizes), 1, kLatentV, 0, 0, 0, 0};

/// Architectures as a sheet lists them, and of which of them its kernels' dtypes are asked.
struct Archs {
  uint32_t ranges[2 * 8] = {};
  uint32_t count = 0;
  uint32_t only = 0;  ///< 0 = all that were compiled

  /// One architecture.
  constexpr explicit Archs(uint32_t arch) : ranges{arch, arch}, count(1), only(arch) {}

  /// All that run a kernel as it was compiled: NVIDIA's 80 serves 8.0, 8.6 and
  /// 8.9 (gpu::runs_on), others serve themselves.
  explicit Archs(const char* kernel) {
    for (unsigned i = 0; i < num_images; ++i) {
      if (std::strcmp(images[i].kernel, kernel) != 0) continue;
      for (const uint32_t device : {images[i].arch, 86u, 89u})
        if (gpu::runs_on(device, images[i].arch)) add(device);
    }
  }

 private:
  void add(uint32_t arch) {
    bool known = count == 8;
    for (uint32_t r = 0; r < count; ++r) known |= ranges[2 * r] == arch;
    if (known) return;
    ranges[2 * count] = ranges[2 * count + 1] = arch;
    ++count;
  }
};

/// What holds for every variant; `kernel` is the one that attends. `archs` outlives the sheet.
inline attnrt_caps sheet(int32_t device_type, const char* kernel, const Archs& archs) {
  const gpu::KernelOffer offered = kernel_table().offer(kernel, archs.only);
  attnrt_caps c{};
  c.struct_size = sizeof c;
  c.device_type = device_type;
  c.arch_ranges = archs.ranges;
  c.num_arch_ranges = archs.count;
  c.q_dtypes = c.out_dtypes = offered.q_dtypes;
  c.kv_dtypes = offered.kv_dtypes;
  c.attn_types = ATTNRT_ATTN_DECODER;
  c.phases = ATTNRT_PHASE_PREFILL | ATTNRT_PHASE_DECODE | ATTNRT_PHASE_MIXED;
  c.block_sizes = &kBlocks;
  c.determinism = ATTNRT_DETERMINISM_BATCH_INVARIANT;
  c.graph_level = ATTNRT_GRAPH_ALWAYS;
  c.impl = "own, triton-aot";
  return c;
}

constexpr uint64_t kMasks = ATTNRT_FEATURE_CAUSAL | ATTNRT_FEATURE_NON_CAUSAL | ATTNRT_FEATURE_CAUSAL_PER_REQUEST |
                            ATTNRT_FEATURE_SLIDING_WINDOW | ATTNRT_FEATURE_SOFTCAP | ATTNRT_FEATURE_ALIBI |
                            ATTNRT_FEATURE_ALIBI_SQRT | ATTNRT_FEATURE_SINKS | ATTNRT_FEATURE_MM_PREFIX |
                            ATTNRT_FEATURE_LSE;
constexpr uint64_t kScales = ATTNRT_FEATURE_KV_SCALES | ATTNRT_FEATURE_PER_HEAD_SCALES;
constexpr uint32_t kEightBits = 1u << ATTNRT_FP8_E4M3 | 1u << ATTNRT_FP8_E4M3FNUZ | 1u << ATTNRT_FP8_E5M2;

/// Keys and values of their own, in a cache or not: all that the kernel `attention` can do but trees.
inline attnrt_caps standard_sheet(int32_t device_type, const Archs& archs, const attnrt_sizes& heads) {
  attnrt_caps c = sheet(device_type, "attention", archs);
  c.families = ATTNRT_FAMILY_STANDARD;
  c.features = kMasks | ATTNRT_FEATURE_DIFF_KV | (c.kv_dtypes & kEightBits ? kScales : 0);
  c.attn_types = ATTNRT_ATTN_DECODER | ATTNRT_ATTN_ENCODER | ATTNRT_ATTN_ENCODER_ONLY | ATTNRT_ATTN_ENCODER_DECODER;
  c.kv_layouts = ATTNRT_KV_CONTIGUOUS | ATTNRT_KV_NHD | ATTNRT_KV_HND;
  c.head_sizes = &heads;
  return c;
}

/// Latent rows, the up-projection absorbed into q. `kernel` is mla_decode or mla_sparse.
inline attnrt_caps latent_sheet(int32_t device_type, const Archs& archs, const char* kernel = "mla_decode") {
  attnrt_caps c = sheet(device_type, kernel, archs);
  c.families = ATTNRT_FAMILY_MLA;
  c.features = ATTNRT_FEATURE_CAUSAL | ATTNRT_FEATURE_NON_CAUSAL | ATTNRT_FEATURE_CAUSAL_PER_REQUEST |
               ATTNRT_FEATURE_LSE | ATTNRT_FEATURE_SPLIT_Q | (c.kv_dtypes & kEightBits ? ATTNRT_FEATURE_KV_SCALES : 0);
  c.kv_layouts = ATTNRT_KV_MLA_LATENT;
  c.head_sizes = &kLatentHeads;
  c.head_sizes_v = &kLatentHeadsV;
  return c;
}

/// The largest head of a kernel: any multiple of 8 from `least` up to it is padded inside.
constexpr attnrt_sizes heads_up_to(uint32_t most, uint32_t least = 8) {
  return {sizeof(attnrt_sizes), 0, nullptr, 8, least, most, 0};
}

/// That of the kernel `attention`.
inline attnrt_sizes attention_heads() {
  const gpu::KernelOffer offered = kernel_table().offer("attention");
  return heads_up_to(std::min(offered.head_size_qk, offered.head_size_v));
}

}  // namespace attnrt::triton
#endif
