// SPDX-License-Identifier: Apache-2.0
//
// attnrt/cpu_isa.hpp: which instruction sets this machine has, as the host asks before it calls a CPU variant.
// Header-only, C++17.
#ifndef ATTNRT_CPU_ISA_HPP
#define ATTNRT_CPU_ISA_HPP
#include <cstdint>
#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "attnrt/plugin.h"

namespace attnrt::sdk {
#if defined(__x86_64__)
namespace cpuid {

struct Leaf {
  uint32_t a = 0, b = 0, c = 0, d = 0;
  Leaf(uint32_t leaf, uint32_t sub) {
    if (!__get_cpuid_count(leaf, sub, &a, &b, &c, &d)) a = b = c = d = 0;
  }
};

inline uint64_t enabled_state() {
  uint32_t low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t{high} << 32 | low;
}

inline bool amx_permission() {
  constexpr long request_permission = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
}

}  // namespace cpuid
#endif

/// ATTNRT_ISA_* that the CPU has, whose registers the system saves and, for AMX, whose use it permits this process:
/// asking is what requests that permission. [thread-safe]
inline uint64_t cpu_isa() {
  uint64_t isa = 0;
#if defined(__x86_64__)
  const cpuid::Leaf one(1, 0), seven(7, 0), seven1(7, 1);
  if (!(one.c >> 27 & 1)) return 0;  // no OSXSAVE: the system saves no wide registers
  const uint64_t state = cpuid::enabled_state();
  const bool ymm = (state & 0x6) == 0x6, zmm = (state & 0xe6) == 0xe6, tiles = (state & 0x60000) == 0x60000;
  const auto add = [&isa](bool have, uint64_t bit) { isa |= have ? bit : 0; };
  add(ymm && (seven.b >> 5 & 1) && (one.c >> 12 & 1) && (one.c >> 29 & 1), ATTNRT_ISA_AVX2);
  constexpr uint32_t base512 = 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31;  // F, DQ, CD, BW, VL
  const bool avx512 = zmm && (isa & ATTNRT_ISA_AVX2) && (seven.b & base512) == base512;
  add(avx512, ATTNRT_ISA_AVX512);
  add(avx512 && (seven1.a >> 5 & 1), ATTNRT_ISA_AVX512_BF16);
  add(avx512 && (seven.c >> 11 & 1), ATTNRT_ISA_AVX512_VNNI);
  add(avx512 && (seven.d >> 23 & 1), ATTNRT_ISA_AVX512_FP16);
  if (tiles && (seven.d >> 24 & 1)) {
    static const bool permitted = cpuid::amx_permission();
    add(permitted, ATTNRT_ISA_AMX_TILE);
    add(permitted && (seven.d >> 22 & 1), ATTNRT_ISA_AMX_BF16);
    add(permitted && (seven.d >> 25 & 1), ATTNRT_ISA_AMX_INT8);
    add(permitted && (seven1.a >> 21 & 1), ATTNRT_ISA_AMX_FP16);
  }
#elif defined(__aarch64__)
  isa |= ATTNRT_ISA_NEON;
#endif
  return isa;
}

}  // namespace attnrt::sdk
#endif
