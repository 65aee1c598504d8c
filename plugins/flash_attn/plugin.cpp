// SPDX-License-Identifier: Apache-2.0
//
// flash_attn: the list of its backends and variants. Kernels are CUDA C++ of this project, compiled ahead of time; no
// CUDA library but the driver is needed where they run.
#include "attnrt/plugin.hpp"

#include "../gpu/plugin.hpp"
#include "attention_op.hpp"
#include "caps.hpp"
#include "latent_op.hpp"

namespace attnrt::flash {
namespace {

// The table of compiled kernels is constant data, so that sheets made from it are ready when the plugin is.
const ArchRanges kArchs("attention"), kWarpgroupArchs("attention_wgmma");
const attnrt_sizes kHeads = heads_of("attention"), kWarpgroupHeads = heads_of("attention_wgmma");
const attnrt_caps kFa2Sheet = sheet("attention", kArchs, kHeads),
                  kFa3Sheet = sheet("attention_wgmma", kWarpgroupArchs, kWarpgroupHeads, true),
                  kDiffKvFa2Sheet = diff_kv(kFa2Sheet), kDiffKvFa3Sheet = diff_kv(kFa3Sheet),
                  kLatentSheet = latent_sheet(kWarpgroupArchs);

const attnrt_variant kFa2 = sdk::make_variant<AttentionOp>("FA2", &kFa2Sheet);
const attnrt_variant kFa3 = sdk::make_variant<WarpgroupAttentionOp>("FA3", &kFa3Sheet);
const attnrt_variant kDiffKvFa2 = sdk::make_variant<DiffKvOp<AttentionOp>>("FA2", &kDiffKvFa2Sheet);
const attnrt_variant kDiffKvFa3 = sdk::make_variant<DiffKvOp<WarpgroupAttentionOp>>("FA3", &kDiffKvFa3Sheet);
const attnrt_variant kLatentFa3 = sdk::make_variant<LatentOp>("FA3", &kLatentSheet);

constexpr const attnrt_variant* kFlashAttnVariants[] = {&kFa3, &kFa2};
constexpr const attnrt_variant* kDiffKvVariants[] = {&kDiffKvFa3, &kDiffKvFa2};
constexpr const attnrt_variant* kLatentVariants[] = {&kLatentFa3};

// The variants whose kernels were compiled: FA3's belong to one architecture, which a build may leave out.
attnrt_backend backend(const char* name, const char* summary, const attnrt_variant* const (&variants)[2]) {
  attnrt_backend b = sdk::make_backend(name, summary, variants);
  if (!kWarpgroupArchs.count) {
    b.variants = variants + 1;
    b.num_variants = 1;
  }
  return b;
}
const attnrt_backend kFlashAttn =
    backend("FLASH_ATTN", "FlashAttention in CUDA C++, paged or contiguous, prefill and decode", kFlashAttnVariants);
const attnrt_backend kDiffKv =
    backend("FLASH_ATTN_DIFFKV", "FlashAttention of decoders whose K and V differ in width", kDiffKvVariants);
constexpr attnrt_backend kLatent = sdk::make_backend(
    "FLASH_ATTN_MLA", "multi-head latent attention in CUDA C++: decode over latent rows", kLatentVariants);
constexpr const attnrt_backend* kBackends[] = {&kFlashAttn, &kDiffKv, &kLatent};

attnrt_status available(attnrt_device device, const attnrt_diag* sink) {
  return gpu::available_on(ATTNRT_DEVICE_CUDA, device, sink);
}

const void* extension(const char* id) { return gpu::test_driver_extension<ATTNRT_DEVICE_CUDA>(id, images, num_images); }

const attnrt_plugin kPlugin = [] {
  attnrt_plugin plugin = sdk::make_plugin(ATTNRT_PLUGIN_NAME, ATTNRT_PLUGIN_VERSION,
                                          "cubins by nvcc; host " __VERSION__, kBackends, available, extension);
  if (!kWarpgroupArchs.count) --plugin.num_backends;  // the last one needs 9.0
  return plugin;
}();

}  // namespace
}  // namespace attnrt::flash

ATTNRT_EXPORT_PLUGIN(attnrt::flash::kPlugin, ATTNRT_PLUGIN_NAME, ATTNRT_PLUGIN_VERSION)
