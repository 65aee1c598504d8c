// SPDX-License-Identifier: Apache-2.0
//
// emulated_attn: the variants of cpu_attn for instructions that a processor with AVX-512 may lack, with those emulated.
#include "../../plugins/cpu_attn/caps.hpp"
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

constexpr attnrt_caps dot_sheet() {
  attnrt_caps c = panel_sheet(kAvx512);
  c.q_dtypes = c.out_dtypes = 1u << ATTNRT_BF16;
  return c;
}
constexpr attnrt_caps kAmx = amx_sheet(kAvx512), kDot = dot_sheet();

constexpr attnrt_variant kAmxBf16 = sdk::make_variant<EmulatedAmx>("amx_bf16", &kAmx);
constexpr attnrt_variant kAvx512Bf16Dot = sdk::make_variant<Standard<avx512_bf16_attention>>("avx512_bf16", &kDot);
constexpr const attnrt_variant* kVariants[] = {&kAmxBf16, &kAvx512Bf16Dot};
constexpr attnrt_backend kBackend =
    sdk::make_backend("EMULATED_ATTN", "CPU_ATTN with emulated instructions", kVariants);
constexpr const attnrt_backend* kBackends[] = {&kBackend};
constexpr attnrt_plugin kPlugin = sdk::make_plugin("emulated_attn", "0.1.0", "a test", kBackends);

}  // namespace
}  // namespace attnrt::cpu

ATTNRT_EXPORT_PLUGIN(attnrt::cpu::kPlugin, "emulated_attn", "0.1.0")
