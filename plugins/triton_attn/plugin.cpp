// SPDX-License-Identifier: Apache-2.0
//
// triton_attn: the list of its backends and variants. Kernels are compiled from Triton ahead of time; neither Python
// nor a CUDA library but the driver is needed where they run.
#include "../gpu/plugin.hpp"
#include "../triton/attention_op.hpp"
#include "../triton/latent_op.hpp"
#include "caps.hpp"

namespace attnrt::triton {
namespace {

// The table of compiled kernels is constant data, so that sheets made from it are ready when the plugin is.
const ArchRanges kArchs("attention"), kLatentArchs("mla_decode");
const attnrt_sizes kHeads = attention_heads();
const attnrt_caps kStandard = standard_sheet(ATTNRT_DEVICE_CUDA, kArchs, kHeads),
                  kTreeSheet = tree_sheet(kArchs, kHeads), kLatent = latent_sheet(ATTNRT_DEVICE_CUDA, kLatentArchs);

const attnrt_variant kAttentionVariant = sdk::make_variant<AttentionOp>("aot", &kStandard);
const attnrt_variant kTreeVariant = sdk::make_variant<AttentionOp>("aot", &kTreeSheet);
const attnrt_variant kLatentVariant = sdk::make_variant<LatentOp>("aot", &kLatent);

constexpr const attnrt_variant* kAttentionVariants[] = {&kAttentionVariant};
constexpr const attnrt_variant* kTreeVariants[] = {&kTreeVariant};
constexpr const attnrt_variant* kLatentVariants[] = {&kLatentVariant};

constexpr attnrt_backend kTritonAttn = sdk::make_backend(
    "TRITON_ATTN", "fused attention in Triton, paged or contiguous, prefill and decode", kAttentionVariants);
constexpr attnrt_backend kTreeAttn =
    sdk::make_backend("TREE_ATTN", "attention under a tree of speculated tokens, in Triton", kTreeVariants);
constexpr attnrt_backend kTritonMla =
    sdk::make_backend("TRITON_MLA", "multi-head latent attention in Triton: decode over latent rows", kLatentVariants);
constexpr const attnrt_backend* kBackends[] = {&kTritonAttn, &kTreeAttn, &kTritonMla};

attnrt_status available(attnrt_device device, const attnrt_diag* sink) {
  return gpu::available_on(ATTNRT_DEVICE_CUDA, device, sink);
}

const void* extension(const char* id) { return gpu::test_driver_extension<ATTNRT_DEVICE_CUDA>(id, images, num_images); }

constexpr attnrt_plugin kPlugin = sdk::make_plugin(
    ATTNRT_PLUGIN_NAME, ATTNRT_PLUGIN_VERSION, "cubins by Triton; host " __VERSION__, kBackends, available, extension);

}  // namespace
}  // namespace attnrt::triton

ATTNRT_EXPORT_PLUGIN(attnrt::triton::kPlugin, ATTNRT_PLUGIN_NAME, ATTNRT_PLUGIN_VERSION)
