// SPDX-License-Identifier: Apache-2.0
//
// isa.hpp: one vector type and the few operations that the portable vector extension of GCC and clang lacks.
// Everything in this folder lives in a namespace named by ATTNRT_KERNEL_ISA, so that one header compiled for two
// instruction sets in one library gives two sets of symbols: a file compiled with -mavx2 defines the macro to another
// word first.
#ifndef ATTNRT_CPU_ATTN_SIMD_ISA_HPP
#define ATTNRT_CPU_ATTN_SIMD_ISA_HPP
#include <cstdint>
#include <cstring>
#include <type_traits>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#ifndef ATTNRT_KERNEL_ISA
#define ATTNRT_KERNEL_ISA portable
#endif

#define ATTNRT_KERNEL_INLINE [[gnu::always_inline]] inline
// The same for what moves many lanes; where those moves are emulated (below) it is a call, which compiles in a tenth of
// the time.
#if defined(ATTNRT_KERNEL_EMULATED_AVX512)
#define ATTNRT_KERNEL_INLINE_MOVES [[gnu::noinline]] inline
#else
#define ATTNRT_KERNEL_INLINE_MOVES ATTNRT_KERNEL_INLINE
#endif

// ATTNRT_KERNEL_AVX512: vectors of 16 lanes and the intrinsics of AVX-512 F, BW, DQ, VL and CD; ATTNRT_KERNEL_VBMI:
// those of VBMI too. Of the instruction set, or of a test that defines the intrinsics by other instructions.
#if defined(ATTNRT_KERNEL_EMULATED_AVX512)
#define ATTNRT_KERNEL_AVX512
#include ATTNRT_KERNEL_EMULATED_AVX512
#elif defined(__AVX512F__)
#define ATTNRT_KERNEL_AVX512
#if defined(__AVX512VBMI__)
#define ATTNRT_KERNEL_VBMI
#endif
#endif

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

/// fp32 lanes of one register, and the register tile that its register file holds: rows x vectors.
#if defined(ATTNRT_KERNEL_AVX512)
constexpr int kLanes = 16, kTileRows = 6, kTileVectors = 4;
#elif defined(__AVX2__)
constexpr int kLanes = 8, kTileRows = 6, kTileVectors = 2;
#else
constexpr int kLanes = 4, kTileRows = 4, kTileVectors = 2;
#endif

/// Rows that are multiplied together: of a register tile, or of two AMX tiles (amx_tile.hpp).
#if defined(ATTNRT_KERNEL_AMX)
constexpr int kStripRows = 32;
#else
constexpr int kStripRows = kTileRows;
#endif

using Vec = float __attribute__((vector_size(sizeof(float) * kLanes)));
using VecInt = int32_t __attribute__((vector_size(sizeof(int32_t) * kLanes)));

ATTNRT_KERNEL_INLINE Vec load(const float* from) {
  Vec v;
  std::memcpy(&v, from, sizeof v);
  return v;
}
ATTNRT_KERNEL_INLINE void store(float* to, Vec v) { std::memcpy(to, &v, sizeof v); }

/// As many integers (uint16_t or int8_t) as there are lanes. Not by __builtin_convertvector: for AVX-512 g++ 12 widens
/// halves of the register and puts them together, and 8 bits one by one.
template <class T>
ATTNRT_KERNEL_INLINE VecInt load_integers(const void* from) {
  static_assert(std::is_same_v<T, uint16_t> || std::is_same_v<T, int8_t>);
  VecInt to{};  // overwritten whole; g++ 12 does not see that under the thread sanitizer
#if defined(ATTNRT_KERNEL_AVX512)
  constexpr auto all = static_cast<__mmask16>(-1);
  __m512i wide;
  if constexpr (sizeof(T) == 2)
    wide = _mm512_maskz_cvtepu16_epi32(all, _mm256_loadu_si256(static_cast<const __m256i*>(from)));
  else
    wide = _mm512_maskz_cvtepi8_epi32(all, _mm_loadu_si128(static_cast<const __m128i*>(from)));
  std::memcpy(&to, &wide, sizeof to);
#elif defined(__AVX2__)
  __m256i wide;
  if constexpr (sizeof(T) == 2)
    wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(static_cast<const __m128i*>(from)));
  else
    wide = _mm256_cvtepi8_epi32(_mm_loadl_epi64(static_cast<const __m128i*>(from)));
  std::memcpy(&to, &wide, sizeof to);
#else
  T narrow[kLanes];
  std::memcpy(narrow, from, sizeof narrow);
  for (int i = 0; i < kLanes; ++i) to[i] = narrow[i];
#endif
  return to;
}

/// x in all lanes. Subtracting 0, unlike adding it, changes no value, -0 included, and costs nothing.
ATTNRT_KERNEL_INLINE Vec broadcast(float x) { return x - Vec{}; }

/// a * b + c, fused exactly where the instruction set has it: the compiler is told never to choose (-ffp-contract=off).
ATTNRT_KERNEL_INLINE Vec madd(Vec a, Vec b, Vec c) {
#if defined(ATTNRT_KERNEL_AVX512)
  return _mm512_fmadd_ps(a, b, c);
#elif defined(__AVX2__) && defined(__FMA__)
  return _mm256_fmadd_ps(a, b, c);
#else
  return a * b + c;
#endif
}

/// The larger of each lane; b where a lane of either is NaN.
ATTNRT_KERNEL_INLINE Vec larger(Vec a, Vec b) {
#if defined(ATTNRT_KERNEL_AVX512)
  return _mm512_maskz_max_ps(static_cast<__mmask16>(-1), a, b);  // g++ 12 warns of its own _mm512_max_ps
#elif defined(__AVX2__)
  return _mm256_max_ps(a, b);
#elif defined(__SSE2__)
  return _mm_max_ps(a, b);
#else
  return a > b ? a : b;
#endif
}

/// The square root of each lane.
ATTNRT_KERNEL_INLINE Vec root_of(Vec v) {
#if defined(ATTNRT_KERNEL_AVX512)
  return _mm512_maskz_sqrt_ps(static_cast<__mmask16>(-1), v);
#elif defined(__AVX2__)
  return _mm256_sqrt_ps(v);
#elif defined(__SSE2__)
  return _mm_sqrt_ps(v);
#else
  for (int i = 0; i < kLanes; ++i) v[i] = __builtin_sqrtf(v[i]);
  return v;
#endif
}

ATTNRT_KERNEL_INLINE VecInt bits_of(Vec v) {
  VecInt i;
  std::memcpy(&i, &v, sizeof i);
  return i;
}
ATTNRT_KERNEL_INLINE Vec from_bits(VecInt i) {
  Vec v;
  std::memcpy(&v, &i, sizeof v);
  return v;
}

/// 0, 1, 2, ... in the lanes.
ATTNRT_KERNEL_INLINE Vec iota() {
  Vec v{};
  for (int i = 0; i < kLanes; ++i) v[i] = static_cast<float>(i);
  return v;
}

/// Sums and maxima over the lanes, in a fixed order.
ATTNRT_KERNEL_INLINE float sum_lanes(Vec v) {
#if defined(ATTNRT_KERNEL_AVX512)
  v += __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
  v += __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
  v += __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
  v += __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
  return v[0];
#elif defined(__AVX2__)
  v += __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3);
  v += __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5);
  v += __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6);
  return v[0];
#else
  float part[kLanes];
  store(part, v);
  for (int step = kLanes / 2; step > 0; step /= 2)
    for (int i = 0; i < step; ++i) part[i] += part[i + step];
  return part[0];
#endif
}
ATTNRT_KERNEL_INLINE float max_lanes(Vec v) {
#if defined(ATTNRT_KERNEL_AVX512)
  v = larger(v, __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  v = larger(v, __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));
  v = larger(v, __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13));
  v = larger(v, __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14));
  return v[0];
#elif defined(__AVX2__)
  v = larger(v, __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3));
  v = larger(v, __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5));
  v = larger(v, __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6));
  return v[0];
#else
  float part[kLanes];
  store(part, v);
  for (int step = kLanes / 2; step > 0; step /= 2)
    for (int i = 0; i < step; ++i) part[i] = part[i] > part[i + step] ? part[i] : part[i + step];
  return part[0];
#endif
}

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
