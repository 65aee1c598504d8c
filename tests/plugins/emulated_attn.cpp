// SPDX-License-Identifier: Apache-2.0
//
// emulated_attn: the variants of cpu_attn for instructions that a processor with AVX-512 may lack, with those emulated.
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

/// Those that ship, but for the instruction sets.
constexpr attnrt_caps kAmx = amx_sheet(kAvx512), kDot = panel_sheet(kAvx512);
constexpr attnrt_caps kLatent = latent_panel_sheet(kAvx512), kPrefill = prefill_sheet(kAvx512);

constexpr attnrt_variant kAmxBf16 = sdk::make_variant<EmulatedAmx>("amx_bf16", &kAmx);
constexpr attnrt_variant kAvx512Bf16Dot = sdk::make_variant<Standard<avx512_bf16_attention>>("avx512_bf16", &kDot);
constexpr const attnrt_variant* kVariants[] = {&kAmxBf16, &kAvx512Bf16Dot};
constexpr attnrt_backend kAttn =
    sdk::make_backend("EMULATED_ATTN", "CPU_ATTN with emulated instructions", kVariants);

constexpr attnrt_variant kLatentDot = sdk::make_variant<MlaLatent<avx512_bf16_attention>>("avx512_bf16", &kLatent);
constexpr attnrt_variant kPrefillDot =
    sdk::make_variant<MlaPrefill<avx512_bf16_attention>>("avx512_bf16_prefill", &kPrefill);
constexpr const attnrt_variant* kMlaVariants[] = {&kLatentDot, &kPrefillDot};
constexpr attnrt_backend kMla =
    sdk::make_backend("EMULATED_MLA", "CPU_MLA with emulated instructions", kMlaVariants);
constexpr const attnrt_backend* kBackends[] = {&kAttn, &kMla};
constexpr attnrt_plugin kPlugin = sdk::make_plugin("emulated_attn", "0.1.0", "a test", kBackends);

}  // namespace
}  // namespace attnrt::cpu

ATTNRT_EXPORT_PLUGIN(attnrt::cpu::kPlugin, "emulated_attn", "0.1.0")
