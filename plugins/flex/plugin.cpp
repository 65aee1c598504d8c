// SPDX-License-Identifier: Apache-2.0
//
// flex: attention under a mask and a score that a user writes (docs/flex.md), or without.
#include "attnrt/plugin.hpp"

#include "caps.hpp"
#include "cpu/flex_op.hpp"
#if defined(ATTNRT_CPU_ATTN_X86)
#include "../cpu_attn/kernels/amx.hpp"
#endif

namespace attnrt::flex {
namespace {

constexpr attnrt_variant kPortableVariant =
    sdk::make_variant<Flex<cpu::portable_attention, portable_rows>>("portable", &kPortable);
#if defined(ATTNRT_CPU_ATTN_X86)
constexpr attnrt_variant kAvx2Variant = sdk::make_variant<Flex<cpu::avx2_attention, avx2_rows>>("avx2", &kAvx2);
constexpr attnrt_variant kAvx512Variant =
    sdk::make_variant<Flex<cpu::avx512_attention, avx512_rows>>("avx512", &kAvx512);
constexpr attnrt_variant kAvx512Bf16Variant =
    sdk::make_variant<Flex<cpu::avx512_bf16_attention, avx512_rows>>("avx512_bf16", &kAvx512Bf16);
constexpr attnrt_variant kAmxBf16Variant =
    sdk::make_variant<cpu::Amx<Flex<cpu::amx_bf16_attention, avx512_rows>>>("amx_bf16", &kAmxBf16);
constexpr const attnrt_variant* kVariants[] = {&kAmxBf16Variant, &kAvx512Bf16Variant, &kAvx512Variant, &kAvx2Variant,
                                               &kPortableVariant};
#else
constexpr const attnrt_variant* kVariants[] = {&kPortableVariant};
#endif

constexpr attnrt_backend kFlexAttention =
    sdk::make_backend("FLEX_ATTENTION", "attention under a mask and a score that a user writes", kVariants);
constexpr const attnrt_backend* kBackends[] = {&kFlexAttention};

constexpr attnrt_plugin kPlugin = sdk::make_plugin("flex", "0.1.0", "C++17, -O3 -ffp-contract=off", kBackends);

}  // namespace
}  // namespace attnrt::flex

ATTNRT_EXPORT_PLUGIN(attnrt::flex::kPlugin, "flex", "0.1.0")
