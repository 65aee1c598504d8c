// SPDX-License-Identifier: Apache-2.0
//
// cpu_attn: the list of its backends and variants, best first. A kernel is added by one line here.
#include "attnrt/plugin.hpp"

#include "caps.hpp"
#include "kernels/mla.hpp"
#include "kernels/standard.hpp"

namespace attnrt::cpu {
namespace {

constexpr attnrt_variant kPortable = sdk::make_variant<Standard<portable_attention>>("portable", &kStandardPortable);
constexpr const attnrt_variant* kStandardVariants[] = {&kPortable};

constexpr attnrt_variant kLatent = sdk::make_variant<MlaLatent<portable_attention>>("portable", &kLatentPortable);
constexpr attnrt_variant kPrefill =
    sdk::make_variant<MlaPrefill<portable_attention>>("portable_prefill", &kPrefillPortable);
constexpr const attnrt_variant* kMlaVariants[] = {&kLatent, &kPrefill};

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
