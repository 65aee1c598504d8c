// SPDX-License-Identifier: Apache-2.0
//
// float_mode.hpp: the one floating-point mode that kernels compute in, whatever the thread that calls them has set: a
// library built with -ffast-math sets flush-to-zero in the thread that loads it, and the threads of a pool keep what
// they began with, so that bits would depend on who computes what.
#ifndef ATTNRT_CPU_ATTN_SIMD_FLOAT_MODE_HPP
#define ATTNRT_CPU_ATTN_SIMD_FLOAT_MODE_HPP
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace attnrt::kernel {

/// While one lives, its thread rounds to nearest even, counts subnormal operands as zeros and flushes subnormal results
/// to them (the bf16 instructions do so in any mode, and products with subnormals take many times as long as others on
/// processors of Intel), and traps nothing. Then the thread's own mode is back, its exception flags too. Other
/// processors than x86-64 keep the thread's mode. Arithmetic must stand in a function that is called meanwhile and not
/// inlined: a compiler may move it across.
class FloatMode {
 public:
#if defined(__x86_64__)
  FloatMode() noexcept : own_(_mm_getcsr()) { _mm_setcsr(kMasksExceptions | kFlushesResults | kDropsOperands); }
  ~FloatMode() { _mm_setcsr(own_); }
#else
  FloatMode() noexcept {}
  ~FloatMode() {}
#endif
  FloatMode(const FloatMode&) = delete;
  FloatMode& operator=(const FloatMode&) = delete;

#if defined(__x86_64__)
 private:
  static constexpr unsigned kMasksExceptions = 0x1f80, kFlushesResults = 0x8000, kDropsOperands = 0x0040;
  const unsigned own_;
#endif
};

}  // namespace attnrt::kernel
#endif
