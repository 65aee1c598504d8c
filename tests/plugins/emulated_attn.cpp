// SPDX-License-Identifier: Apache-2.0
//
// emulated_attn: the variants of cpu_attn for AVX-512 and AMX, with all that AVX2 lacks emulated.
#include "../../plugins/cpu_attn/caps.hpp"
#include "../../plugins/cpu_attn/kernels/mla.hpp"
#include "../../plugins/cpu_attn/kernels/standard.hpp"
#include "amx_emulator.hpp"
#include "attnrt/plugin.hpp"

namespace attnrt::cpu {
namespace {

class EmulatedAmx : public Standard<amx_bf16_attention> {
 public:
  using Standard::Standard;
  void run(const Plan& plan, const attnrt_run_args& args, attnrt_stream stream) const {
    test::emulate_amx();
    Standard::run(plan, args, stream);
  }
};

/// A sheet for AVX2 and these dtypes of q and out.
constexpr attnrt_caps emulated(attnrt_caps caps, uint32_t dtypes) {
  caps.q_dtypes = caps.out_dtypes = dtypes;
  caps.kv_dtypes &= dtypes | kBytes;
  return caps;
}

/// Those that ship, but for the instruction sets and fp16.
constexpr uint32_t kBf16 = 1u << ATTNRT_BF16, kBoth = kBf16 | 1u << ATTNRT_FP32;
constexpr attnrt_caps kAmx = amx_sheet(kAvx2), kPanels = emulated(panel_sheet(kAvx2), kBoth),
                      kDot = emulated(panel_sheet(kAvx2), kBf16),
                      kLatentPanels = emulated(latent_panel_sheet(kAvx2), kBoth),
                      kLatentDot = emulated(latent_panel_sheet(kAvx2), kBf16),
                      kPrefillPanels = emulated(prefill_sheet(kAvx2), kBoth),
                      kPrefillDot = emulated(prefill_sheet(kAvx2), kBf16);

constexpr attnrt_variant kAmxVariant = sdk::make_variant<EmulatedAmx>("amx_bf16", &kAmx);
constexpr attnrt_variant kDotVariant = sdk::make_variant<Standard<avx512_bf16_attention>>("avx512_bf16", &kDot);
constexpr attnrt_variant kPanelVariant = sdk::make_variant<Standard<avx512_attention>>("avx512", &kPanels);
constexpr const attnrt_variant* kVariants[] = {&kAmxVariant, &kDotVariant, &kPanelVariant};
constexpr attnrt_backend kAttn =
    sdk::make_backend("EMULATED_ATTN", "CPU_ATTN with emulated instructions", kVariants);

constexpr attnrt_variant kLatentDotVariant =
    sdk::make_variant<MlaLatent<avx512_bf16_attention>>("avx512_bf16", &kLatentDot);
constexpr attnrt_variant kLatentVariant = sdk::make_variant<MlaLatent<avx512_attention>>("avx512", &kLatentPanels);
constexpr attnrt_variant kPrefillDotVariant =
    sdk::make_variant<MlaPrefill<avx512_bf16_attention>>("avx512_bf16_prefill", &kPrefillDot);
constexpr attnrt_variant kPrefillVariant =
    sdk::make_variant<MlaPrefill<avx512_attention>>("avx512_prefill", &kPrefillPanels);
constexpr const attnrt_variant* kMlaVariants[] = {&kLatentDotVariant, &kLatentVariant, &kPrefillDotVariant,
                                                  &kPrefillVariant};
constexpr attnrt_backend kMla =
    sdk::make_backend("EMULATED_MLA", "CPU_MLA with emulated instructions", kMlaVariants);
constexpr const attnrt_backend* kBackends[] = {&kAttn, &kMla};
constexpr attnrt_plugin kPlugin = sdk::make_plugin("emulated_attn", "0.1.0", "a test", kBackends);

}  // namespace
}  // namespace attnrt::cpu

ATTNRT_EXPORT_PLUGIN(attnrt::cpu::kPlugin, "emulated_attn", "0.1.0")
