// SPDX-License-Identifier: Apache-2.0
//
// rocm_aiter: the list of its backends and variants, under the names by which engines know AITER's. Kernels are compiled
// from Triton ahead of time; neither Python nor a ROCm library but HIP's runtime is needed where they run.
#include <iterator>

#include "../gpu/plugin.hpp"
#include "../triton/attention_op.hpp"
#include "../triton/latent_op.hpp"
#include "caps.hpp"

namespace attnrt::rocm_aiter {
namespace {

using triton::AttentionOp, triton::LatentOp, triton::images, triton::num_images;

// An architecture that kernels may be compiled for, with the names of its variants.
struct Target {
  Archs archs;
  const char *name, *prefill_name;
};
constexpr Target kTargets[] = {{Archs(0x942), "gfx942", "gfx942_prefill"}, {Archs(0x950), "gfx950", "gfx950_prefill"}};
constexpr uint32_t kNumTargets = std::size(kTargets);

// The variants of a backend, of one kind or two, on each architecture that was compiled, and the backend. They are made
// from the table of kernels, which is constant data, so that all is ready when the plugin is.
class Backend {
 public:
  Backend(const char* name, const char* summary) : table_{sizeof(attnrt_backend), 0, name, summary, list_} {}

  template <class Op>
  Backend& with(attnrt_caps (*sheet)(const Archs&), const char* Target::*name = &Target::name) {
    for (const Target& target : kTargets) {
      if (!triton::kernel_table().offer("attention", target.archs.only).q_dtypes) continue;
      const uint32_t at = table_.num_variants++;
      sheets_[at] = sheet(target.archs);
      variants_[at] = sdk::make_variant<Op>(target.*name, &sheets_[at]);
      list_[at] = &variants_[at];
    }
    return *this;
  }
  const attnrt_backend* table() const { return &table_; }

 private:
  attnrt_caps sheets_[2 * kNumTargets] = {};
  attnrt_variant variants_[2 * kNumTargets] = {};
  const attnrt_variant* list_[2 * kNumTargets] = {};
  attnrt_backend table_;
};

Backend mha("ROCM_AITER_FA", "fused attention for decoders, prefill and decode, and the prefill of latent attention"),
    unified("ROCM_AITER_UNIFIED_ATTN", "fused attention of any type, with every mask, paged or contiguous"),
    packed("ROCM_ATTN", "fused attention over xpacked caches, fp32 too"),
    mla("ROCM_AITER_MLA", "multi-head latent attention: decode over latent rows in blocks of any size"),
    sparse("ROCM_AITER_MLA_SPARSE", "multi-head latent attention over the keys that an indexer chose"),
    triton_mla("ROCM_AITER_TRITON_MLA", "multi-head latent attention: decode over latent rows in blocks of any size");

const attnrt_backend* const kBackends[] = {
    mha.with<AttentionOp>(&mha_sheet).with<AttentionOp>(&mla_prefill_sheet, &Target::prefill_name).table(),
    unified.with<AttentionOp>(&unified_sheet).table(),
    packed.with<AttentionOp>(&packed_sheet).table(),
    mla.with<LatentOp>(&mla_sheet).table(),
    sparse.with<LatentOp>(&sparse_sheet).table(),
    triton_mla.with<LatentOp>(&mla_sheet).table(),
};

attnrt_status available(attnrt_device device, const attnrt_diag* sink) {
  return gpu::available_on(ATTNRT_DEVICE_ROCM, device, sink);
}

const void* extension(const char* id) { return gpu::test_driver_extension<ATTNRT_DEVICE_ROCM>(id, images, num_images); }

constexpr attnrt_plugin kPlugin =
    sdk::make_plugin(ATTNRT_PLUGIN_NAME, ATTNRT_PLUGIN_VERSION, "code objects by Triton; host " __VERSION__, kBackends,
                     available, extension);

}  // namespace
}  // namespace attnrt::rocm_aiter

ATTNRT_EXPORT_PLUGIN(attnrt::rocm_aiter::kPlugin, ATTNRT_PLUGIN_NAME, ATTNRT_PLUGIN_VERSION)
