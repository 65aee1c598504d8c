// SPDX-License-Identifier: Apache-2.0
//
// attnrt/cpu_isa.hpp: which instruction sets this machine has, as the host asks before it calls a CPU variant.
// Header-only, C++17.
#ifndef ATTNRT_CPU_ISA_HPP
#define ATTNRT_CPU_ISA_HPP
#include <cstdint>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "attnrt/amx.hpp"
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

/// What a CPU says of itself, and the registers that the system saves (XCR0).
struct Words {
  Leaf one{1, 0}, seven{7, 0}, seven1{7, 1};
  uint64_t state = one.c >> 27 & 1 ? enabled_state() : 0;  // without OSXSAVE the system saves no wide registers
};

/// The ATTNRT_ISA_* in those words; `call` tells of tile data.
inline uint64_t isa_of(const Words& w, amx::ArchPrctl call) {
  uint64_t isa = 0;
  const bool ymm = (w.state & 0x6) == 0x6, zmm = (w.state & 0xe6) == 0xe6, tiles = (w.state & 0x60000) == 0x60000;
  const auto add = [&isa](bool have, uint64_t bit) { isa |= have ? bit : 0; };
  add(ymm && (w.seven.b >> 5 & 1) && (w.one.c >> 12 & 1) && (w.one.c >> 29 & 1), ATTNRT_ISA_AVX2);
  constexpr uint32_t base512 = 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31;  // F, DQ, CD, BW, VL
  const bool avx512 = zmm && (isa & ATTNRT_ISA_AVX2) && (w.seven.b & base512) == base512;
  add(avx512, ATTNRT_ISA_AVX512);
  add(avx512 && (w.seven1.a >> 5 & 1), ATTNRT_ISA_AVX512_BF16);
  add(avx512 && (w.seven.c >> 11 & 1), ATTNRT_ISA_AVX512_VNNI);
  add(avx512 && (w.seven.d >> 23 & 1), ATTNRT_ISA_AVX512_FP16);
  if (tiles && (w.seven.d >> 24 & 1) && amx::system_has_tile_data(call)) {
    add(true, ATTNRT_ISA_AMX_TILE);
    add(w.seven.d >> 22 & 1, ATTNRT_ISA_AMX_BF16);
    add(w.seven.d >> 25 & 1, ATTNRT_ISA_AMX_INT8);
    add(w.seven1.a >> 21 & 1, ATTNRT_ISA_AMX_FP16);
  }
  return isa;
}

}  // namespace cpuid
#endif

/// ATTNRT_ISA_* that the CPU has and whose registers the system saves. Changes nothing in the process: for AMX an op
/// asks for permission when it is created (attnrt/amx.hpp). [thread-safe]
inline uint64_t cpu_isa() {
#if defined(__x86_64__)
  return cpuid::isa_of(cpuid::Words{}, &amx::arch_prctl);
#elif defined(__aarch64__)
  return ATTNRT_ISA_NEON;
#else
  return 0;
#endif
}

}  // namespace attnrt::sdk
#endif
