// SPDX-License-Identifier: Apache-2.0
//
// cpu_attn: the list of its backends and variants, best first. A kernel is added by one line here.
#include "attnrt/plugin.hpp"

#include "caps.hpp"
#include "kernels/mla.hpp"
#include "kernels/standard.hpp"
#if defined(__x86_64__)
#include "kernels/amx.hpp"
#endif
#if defined(ATTNRT_CPU_ATTN_ONEDNN)
#include "kernels/onednn/op.hpp"
#endif

namespace attnrt::cpu {
namespace {

constexpr attnrt_variant kPortable = sdk::make_variant<Standard<portable_attention>>("portable", &kStandardPortable);
constexpr attnrt_variant kLatent = sdk::make_variant<MlaLatent<portable_attention>>("portable", &kLatentPortable);
constexpr attnrt_variant kPrefill =
    sdk::make_variant<MlaPrefill<portable_attention>>("portable_prefill", &kPrefillPortable);

#if defined(ATTNRT_CPU_ATTN_X86)
constexpr attnrt_variant kAvx2Variant = sdk::make_variant<Standard<avx2_attention>>("avx2", &kStandardAvx2);
constexpr attnrt_variant kAvx512Variant = sdk::make_variant<Standard<avx512_attention>>("avx512", &kStandardAvx512);
constexpr attnrt_variant kAvx512Bf16Variant =
    sdk::make_variant<Standard<avx512_bf16_attention>>("avx512_bf16", &kStandardAvx512Bf16);
constexpr attnrt_variant kAmxBf16Variant =
    sdk::make_variant<Amx<Standard<amx_bf16_attention>>>("amx_bf16", &kStandardAmxBf16);
#if defined(ATTNRT_CPU_ATTN_ONEDNN)
constexpr attnrt_variant kOnednnVariant = sdk::make_variant<Onednn>("onednn", &kStandardOnednn);
#endif

constexpr attnrt_variant kLatentAvx2Variant = sdk::make_variant<MlaLatent<avx2_attention>>("avx2", &kLatentAvx2);
constexpr attnrt_variant kLatentAvx512Variant =
    sdk::make_variant<MlaLatent<avx512_attention>>("avx512", &kLatentAvx512);
constexpr attnrt_variant kLatentAvx512Bf16Variant =
    sdk::make_variant<MlaLatent<avx512_bf16_attention>>("avx512_bf16", &kLatentAvx512Bf16);

constexpr attnrt_variant kPrefillAvx2Variant =
    sdk::make_variant<MlaPrefill<avx2_attention>>("avx2_prefill", &kPrefillAvx2);
constexpr attnrt_variant kPrefillAvx512Variant =
    sdk::make_variant<MlaPrefill<avx512_attention>>("avx512_prefill", &kPrefillAvx512);
constexpr attnrt_variant kPrefillAvx512Bf16Variant =
    sdk::make_variant<MlaPrefill<avx512_bf16_attention>>("avx512_bf16_prefill", &kPrefillAvx512Bf16);

constexpr const attnrt_variant* kStandardVariants[] = {&kAmxBf16Variant, &kAvx512Bf16Variant, &kAvx512Variant,
#if defined(ATTNRT_CPU_ATTN_ONEDNN)
                                                       &kOnednnVariant,
#endif
                                                       &kAvx2Variant,    &kPortable};
constexpr const attnrt_variant* kMlaVariants[] = {
    &kLatentAvx512Bf16Variant,  &kLatentAvx512Variant,  &kLatentAvx2Variant,  &kLatent,
    &kPrefillAvx512Bf16Variant, &kPrefillAvx512Variant, &kPrefillAvx2Variant, &kPrefill};
#else
constexpr const attnrt_variant* kStandardVariants[] = {&kPortable};
constexpr const attnrt_variant* kMlaVariants[] = {&kLatent, &kPrefill};
#endif

constexpr attnrt_backend kCpuAttn =
    sdk::make_backend("CPU_ATTN", "fused attention on the CPU, paged or contiguous", kStandardVariants);
constexpr attnrt_backend kCpuMla =
    sdk::make_backend("CPU_MLA", "multi-head latent attention on the CPU: latent decode and prefill", kMlaVariants);
constexpr const attnrt_backend* kBackends[] = {&kCpuAttn, &kCpuMla};

#if defined(__clang__)
#define ATTNRT_CPU_ATTN_COMPILER "clang " __clang_version__
#else
#define ATTNRT_CPU_ATTN_COMPILER "g++ " __VERSION__
#endif
constexpr attnrt_plugin kPlugin =
    sdk::make_plugin("cpu_attn", "0.1.0", ATTNRT_CPU_ATTN_COMPILER ", -O3 -ffp-contract=off", kBackends);

}  // namespace
}  // namespace attnrt::cpu

ATTNRT_EXPORT_PLUGIN(attnrt::cpu::kPlugin, "cpu_attn", "0.1.0")
