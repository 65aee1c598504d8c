// SPDX-License-Identifier: Apache-2.0
//
// wgmma.cuh: asynchronous products of a warpgroup, 9.0 alone (data sheet)
//   product   wgmma m64nNk16, N = 64 or 128: A [64, 16] from shared memory or registers, B [16, N] from shared memory,
//             sums in fp32 (PTX ISA 9.7.15); each of the four warps holds 16 rows as mma.cuh's fragments
//   operands  in panels of 64 columns, rows of 128 bytes with the swizzle of 128 bytes, 8 rows a kilobyte: rows that
//             run along the sum (q, k) are read as they lie, rows across it (v) transposed
//   order     fence before the first product, commit behind a group, wait for all but the last groups; registers of a
//             product are not touched between
#ifndef ATTNRT_FLASH_WGMMA_CUH
#define ATTNRT_FLASH_WGMMA_CUH
#include "mma.cuh"

namespace attnrt::flash {

/// Rows of `kColumns` elements of 16 bits in panels of 64 columns, one behind the other.
template <int kColumns, int kRows>
struct PanelLayout {
  static_assert(kColumns % 64 == 0 && kRows % 8 == 0, "panels are whole");
  static constexpr int kPieces = kColumns / 8;
  static constexpr int kPanelBytes = kRows * 128;

  /// Bytes from the tile's start to a piece of a row.
  static __device__ unsigned place(int row, int piece) {
    return piece / 8 * kPanelBytes + row * 128 + ((piece % 8 ^ row % 8) << 4);
  }
};

/// A matrix in shared memory (9.7.15.5.1.2.2): swizzle of 128 bytes, groups of 8 rows a kilobyte apart, `panel` bytes
/// from one panel to the next where a transposed matrix spans several.
__device__ inline unsigned long long descriptor(unsigned address, unsigned panel) {
  return (address >> 4 & 0x3fff) | static_cast<unsigned long long>(panel >> 4 & 0x3fff) << 16 | 64ull << 32 |
         1ull << 62;
}

__device__ inline void fence_products() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ inline void commit_products() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int kPending>
__device__ void wait_products() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
}
/// Keeps the compiler from moving what it does with registers across a wait or a fence.
template <int kTiles>
__device__ void settle(float (&sums)[kTiles][4]) {
#pragma unroll
  for (int n = 0; n < kTiles; ++n)
    asm volatile("" : "+f"(sums[n][0]), "+f"(sums[n][1]), "+f"(sums[n][2]), "+f"(sums[n][3])::"memory");
}

template <int kSteps>
__device__ void settle(unsigned (&a)[kSteps][4]) {
#pragma unroll
  for (int n = 0; n < kSteps; ++n)
    asm volatile("" : "+r"(a[n][0]), "+r"(a[n][1]), "+r"(a[n][2]), "+r"(a[n][3])::"memory");
}

#define ATTNRT_C4_(n) "+f"(c[n][0]), "+f"(c[n][1]), "+f"(c[n][2]), "+f"(c[n][3])
#define ATTNRT_C32_(n)                                                                                          \
  ATTNRT_C4_(n), ATTNRT_C4_(n + 1), ATTNRT_C4_(n + 2), ATTNRT_C4_(n + 3), ATTNRT_C4_(n + 4), ATTNRT_C4_(n + 5), \
      ATTNRT_C4_(n + 6), ATTNRT_C4_(n + 7)
#define ATTNRT_D32_                                                                                                \
  "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29," \
  "%30,%31"
#define ATTNRT_D64_                                                                                       \
  ATTNRT_D32_                                                                                             \
      ",%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,%48,%49,%50,%51,%52,%53,%54,%55," \
      "%56,%57,%58,%59,%60,%61,%62,%63"
// Sums c[first ...] of 64 or 128 columns, A behind a descriptor or in registers.
#define ATTNRT_WGMMA_(name, type)                                                                            \
  template <int kFirst, bool kAdds, int kTiles>                                                              \
  __device__ void name##_64(float(&c)[kTiles][4], unsigned long long a, unsigned long long b) {              \
    asm volatile("wgmma.mma_async.sync.aligned.m64n64k16.f32." type "." type " {" ATTNRT_D32_                \
                 "}, %32, %33, %34, 1, 1, 0, 0;"                                                             \
                 : ATTNRT_C32_(kFirst)                                                                       \
                 : "l"(a), "l"(b), "n"(kAdds ? 1 : 0));                                                      \
  }                                                                                                          \
  template <int kFirst, bool kAdds, int kTiles>                                                              \
  __device__ void name##_128(float(&c)[kTiles][4], unsigned long long a, unsigned long long b) {             \
    asm volatile("wgmma.mma_async.sync.aligned.m64n128k16.f32." type "." type " {" ATTNRT_D64_               \
                 "}, %64, %65, %66, 1, 1, 0, 0;"                                                             \
                 : ATTNRT_C32_(kFirst), ATTNRT_C32_(kFirst + 8)                                              \
                 : "l"(a), "l"(b), "n"(kAdds ? 1 : 0));                                                      \
  }                                                                                                          \
  template <int kFirst, int kTiles>                                                                          \
  __device__ void name##_transposed_64(float(&c)[kTiles][4], const unsigned(&a)[4], unsigned long long b) {  \
    asm volatile("wgmma.mma_async.sync.aligned.m64n64k16.f32." type "." type " {" ATTNRT_D32_                \
                 "}, {%32,%33,%34,%35}, %36, 1, 1, 1, 1;"                                                    \
                 : ATTNRT_C32_(kFirst)                                                                       \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));                                      \
  }                                                                                                          \
  template <int kFirst, int kTiles>                                                                          \
  __device__ void name##_transposed_128(float(&c)[kTiles][4], const unsigned(&a)[4], unsigned long long b) { \
    asm volatile("wgmma.mma_async.sync.aligned.m64n128k16.f32." type "." type " {" ATTNRT_D64_               \
                 "}, {%64,%65,%66,%67}, %68, 1, 1, 1, 1;"                                                    \
                 : ATTNRT_C32_(kFirst), ATTNRT_C32_(kFirst + 8)                                              \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));                                      \
  }
ATTNRT_WGMMA_(half_product, "f16")
ATTNRT_WGMMA_(bfloat_product, "bf16")
#undef ATTNRT_WGMMA_
#undef ATTNRT_D64_
#undef ATTNRT_D32_
#undef ATTNRT_C32_
#undef ATTNRT_C4_

template <class Element>
constexpr bool kIsHalf = false;
template <>
constexpr bool kIsHalf<Half> = true;

/// One step of q k^T: 16 columns of 64 rows of q with all keys of a tile. kAdds: to the sums, else in their place.
template <class Element, bool kAdds, int kTiles>
__device__ void multiply_rows(float (&c)[kTiles][4], unsigned long long a, unsigned long long b) {
  static_assert(kTiles == 8 || kTiles == 16, "tiles of 64 or 128 keys");
  if constexpr (kTiles == 8) {
    if constexpr (kIsHalf<Element>)
      half_product_64<0, kAdds>(c, a, b);
    else
      bfloat_product_64<0, kAdds>(c, a, b);
  } else {
    if constexpr (kIsHalf<Element>)
      half_product_128<0, kAdds>(c, a, b);
    else
      bfloat_product_128<0, kAdds>(c, a, b);
  }
}

/// q k^T: 64 rows of q with all keys of a tile, in panels; the sums take the place of what was there.
template <class Element, int kHeadQk, int kQPanelBytes, int kKPanelBytes, int kTiles>
__device__ void multiply_all_rows(float (&c)[kTiles][4], unsigned q, unsigned k) {
  // Addresses count in 16 bytes there, and their sum stays below its field's end.
  unsigned long long first_a = descriptor(q, 16);
  const unsigned long long first_b = descriptor(k, 16);
  asm volatile("" : "+l"(first_a));  // the same in all tiles: sums with it are not to be kept in registers
#pragma unroll
  for (int d = 0; d < kHeadQk / 16; ++d) {
    const unsigned long long a = first_a + (d / 4 * kQPanelBytes + d % 4 * 32) / 16;
    const unsigned long long b = first_b + (d / 4 * kKPanelBytes + d % 4 * 32) / 16;
    if (d == 0)
      multiply_rows<Element, false>(c, a, b);
    else
      multiply_rows<Element, true>(c, a, b);
  }
}

/// Probabilities as fragments of A.
template <class Element, int kSteps>
__device__ void pack_weights(unsigned (&p)[kSteps][4], const float (&scores)[2 * kSteps][4]) {
#pragma unroll
  for (int n = 0; n < kSteps; ++n)
#pragma unroll
    for (int i = 0; i < 4; ++i)
      p[n][i] = Element::pack(scores[2 * n + i / 2][i % 2 * 2], scores[2 * n + i / 2][i % 2 * 2 + 1]);
}

/// One step of p v: 16 keys with all columns of v, in panels of kPanelBytes. Adds to the sums.
template <class Element, int kPanelBytes, int kFirst = 0, int kTiles>
__device__ void multiply_transposed(float (&c)[kTiles][4], const unsigned (&a)[4], unsigned long long at) {
  constexpr bool wide = kTiles - kFirst >= 16;
  if constexpr (wide && kIsHalf<Element>)
    half_product_transposed_128<kFirst>(c, a, at);
  else if constexpr (wide)
    bfloat_product_transposed_128<kFirst>(c, a, at);
  else if constexpr (kIsHalf<Element>)
    half_product_transposed_64<kFirst>(c, a, at);
  else
    bfloat_product_transposed_64<kFirst>(c, a, at);
  if constexpr (kTiles - kFirst > 16)
    multiply_transposed<Element, kPanelBytes, kFirst + 16>(c, a, at + 2 * kPanelBytes / 16);
}

/// p v: all keys of a tile, in panels; adds to the sums.
template <class Element, int kPanelBytes, int kSteps, int kTiles>
__device__ void multiply_all_keys(float (&c)[kTiles][4], const unsigned (&p)[kSteps][4], unsigned v) {
  const unsigned long long first = descriptor(v, kPanelBytes);
#pragma unroll
  for (int n = 0; n < kSteps; ++n) multiply_transposed<Element, kPanelBytes>(c, p[n], first + n * 16 * 128 / 16);
}

}  // namespace attnrt::flash
#endif
