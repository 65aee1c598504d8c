// SPDX-License-Identifier: Apache-2.0
//
// flex: attention under a mask and a score that a user writes (docs/flex.md), or without, on the CPU and on CUDA.
#include "attnrt/plugin.hpp"

#include "../gpu/plugin.hpp"
#include "caps.hpp"
#include "cpu/flex_op.hpp"
#include "cuda/caps.hpp"
#include "cuda/cuda_op.hpp"
#include "cuda/nvrtc.hpp"
#if defined(ATTNRT_CPU_ATTN_X86)
#include "../cpu_attn/kernels/amx.hpp"
#endif

namespace attnrt::flex {
namespace {

constexpr attnrt_variant kPortableVariant =
    sdk::make_variant<Flex<cpu::portable_attention, portable_rows>>("portable", &kPortable);
constexpr attnrt_variant kCudaVariant = sdk::make_variant<CudaFlexOp>("FA2", &kCuda);
#if defined(ATTNRT_CPU_ATTN_X86)
constexpr attnrt_variant kAvx2Variant = sdk::make_variant<Flex<cpu::avx2_attention, avx2_rows>>("avx2", &kAvx2);
constexpr attnrt_variant kAvx512Variant =
    sdk::make_variant<Flex<cpu::avx512_attention, avx512_rows>>("avx512", &kAvx512);
constexpr attnrt_variant kAvx512Bf16Variant =
    sdk::make_variant<Flex<cpu::avx512_bf16_attention, avx512_rows>>("avx512_bf16", &kAvx512Bf16);
constexpr attnrt_variant kAmxBf16Variant =
    sdk::make_variant<cpu::Amx<Flex<cpu::amx_bf16_attention, avx512_rows>>>("amx_bf16", &kAmxBf16);
constexpr const attnrt_variant* kVariants[] = {&kAmxBf16Variant, &kAvx512Bf16Variant, &kAvx512Variant,
                                               &kAvx2Variant,    &kPortableVariant,   &kCudaVariant};
#else
constexpr const attnrt_variant* kVariants[] = {&kPortableVariant, &kCudaVariant};
#endif

constexpr attnrt_backend kFlexAttention =
    sdk::make_backend("FLEX_ATTENTION", "attention under a mask and a score that a user writes", kVariants);
constexpr const attnrt_backend* kBackends[] = {&kFlexAttention};

// A device of CUDA's is of use where programs can be compiled for it.
attnrt_status available(attnrt_device device, const attnrt_diag* sink) {
  if (device.type == ATTNRT_DEVICE_CPU) return ATTNRT_OK;
  if (const attnrt_status status = gpu::available_on(ATTNRT_DEVICE_CUDA, device, sink)) return status;
  return sdk::detail::guarded(sink, [] {
    Nvrtc::get();
    return ATTNRT_OK;
  });
}

// There are no kernels before a program is compiled.
const void* extension(const char* id) { return gpu::test_driver_extension<ATTNRT_DEVICE_CUDA>(id, nullptr, 0); }

constexpr attnrt_plugin kPlugin =
    sdk::make_plugin("flex", "0.1.0", "C++17, -O3 -ffp-contract=off; CUDA by NVRTC", kBackends, available, extension);

}  // namespace
}  // namespace attnrt::flex

ATTNRT_EXPORT_PLUGIN(attnrt::flex::kPlugin, "flex", "0.1.0")
