// SPDX-License-Identifier: Apache-2.0
//
// fp8_int8.hpp: rows of e4m3, e5m2 and int8 (dtype.hpp) as fp32, a vector at a time.
#ifndef ATTNRT_CPU_ATTN_SIMD_FP8_INT8_HPP
#define ATTNRT_CPU_ATTN_SIMD_FP8_INT8_HPP
#include <cstdint>
#include <type_traits>

#include "dot.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

/// Bytes with their signs extended, as fp32: what widen (dtype.hpp) makes of each.
template <class Kv8>
ATTNRT_KERNEL_INLINE Vec numbers_of(VecInt bytes) {
  if constexpr (std::is_same_v<Kv8, Int8>) {
    return __builtin_convertvector(bytes, Vec);
  } else {
    constexpr bool kE4m3 = std::is_same_v<Kv8, E4m3>;
    constexpr int kDigits = kE4m3 ? 3 : 2;
    const VecInt magnitude = bytes & 0x7f;
    const VecInt tiny = bits_of(__builtin_convertvector(magnitude, Vec) * broadcast(kE4m3 ? 0x1p-9f : 0x1p-16f));
    const VecInt normal = (magnitude << (23 - kDigits)) + ((kE4m3 ? 120 : 112) << 23);
    const VecInt is_tiny = magnitude < (1 << kDigits);
    const VecInt beyond = magnitude > static_cast<int32_t>(kLastNumber<kDigits>);
    const VecInt special = beyond & static_cast<int32_t>(kSpecial<kDigits>);
    return from_bits((tiny & is_tiny) | (normal & ~is_tiny) | special | (bytes & static_cast<int32_t>(0x80000000u)));
  }
}

/// n numbers of a row times `factor`.
template <class Kv8>
inline void widen_kv8(const Kv8* from, float* to, int64_t n, float factor) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    store(to + i, numbers_of<Kv8>(load_integers<int8_t>(from + i)) * broadcast(factor));
  for (; i < n; ++i) to[i] = widen(from[i]) * factor;
}

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
