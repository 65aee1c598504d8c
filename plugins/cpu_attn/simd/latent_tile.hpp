// SPDX-License-Identifier: Apache-2.0
//
// latent_tile.hpp: scores of many queries that share one latent key (data sheet)
//   shapes     16 keys x up to kTileColumns queries at a time, kLatentQk dims
//   operands   keys in place, one row below the other: an element is broadcast to all queries, so nothing of the
//              cache is packed; queries packed once an item as panels (panel_pack.hpp), whole vectors of them a step
//   sums       each score has one accumulator that goes over the dims in ascending order, `sum_block` steps at a time
//   memory     each step prefetches what comes later: one line, or half of one where its elements are half as wide
// That the heads of a token fill a tile, so that a key is read once for all: as in FlashMLA and SGLang's CPU kernels.
#ifndef ATTNRT_CPU_ATTN_SIMD_LATENT_TILE_HPP
#define ATTNRT_CPU_ATTN_SIMD_LATENT_TILE_HPP
#include <cstdint>

#include "panel_pack.hpp"
#include "panel_tile.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

/// Dims of a latent key, latent and rope, and of the value that its first dims are.
constexpr int64_t kLatentQk = 576, kLatentV = 512;

template <class D>
struct LatentOperands {
  const typename D::A* keys;  ///< [kGranule][kLatentQk]
  const char* queries;        ///< [step][vectors of queries]
  int64_t steps, sum_block;       ///< sum_block: steps that are summed from zero before they are added to C
  const char* prefetch;
  int64_t prefetch_step;         ///< bytes of `prefetch` that a step stands for
  float* c;                   ///< [kGranule][kTileColumns]
};

template <class D, int Keys, int Vectors>
inline void latent_rows(const LatentOperands<D>& t, int64_t first) {
  constexpr int64_t kStepBytes = Vectors * kLanes * D::kPair * static_cast<int64_t>(sizeof(typename D::A));
  const typename D::A* a = t.keys + first * kLatentQk;
  const char* b[Vectors];
  ATTNRT_KERNEL_UNROLL
  for (int j = 0; j < Vectors; ++j) b[j] = t.queries + j * (kStepBytes / Vectors);
  const char* prefetch = t.prefetch + (first == 0 ? 0 : t.steps * t.prefetch_step);
  const int64_t prefetch_step = first == 0 ? t.prefetch_step : 0;
  for (int64_t at = 0; at < t.steps * kStepBytes;) {
    Vec acc[Keys][Vectors];
    ATTNRT_KERNEL_UNROLL
    for (int i = 0; i < Keys; ++i)
      ATTNRT_KERNEL_UNROLL
      for (int j = 0; j < Vectors; ++j) acc[i][j] = Vec{};
    const bool begins = at == 0;
    const int64_t rest = t.steps * kStepBytes - at, part = t.sum_block * kStepBytes;
    const int64_t stop = at + (rest < part ? rest : part);
    for (; at < stop; at += kStepBytes, a += D::kPair, prefetch += prefetch_step) {
      __builtin_prefetch(prefetch, 0, 2);
      D::template step<Keys, Vectors>(acc, a, kLatentQk, b, at);
    }
    float* c = t.c + first * kTileColumns;
    ATTNRT_KERNEL_UNROLL
    for (int i = 0; i < Keys; ++i, c += kTileColumns)
      ATTNRT_KERNEL_UNROLL
      for (int j = 0; j < Vectors; ++j)
        store(c + j * kLanes, begins ? acc[i][j] : load(c + j * kLanes) + acc[i][j]);
  }
}

/// Scores of kGranule keys, [key][query]. As many keys at a time as the register file holds beside the queries.
template <class D>
inline void latent_scores(const LatentOperands<D>& t, int64_t vectors) {
  static_assert(kGranule == 16);
#if defined(ATTNRT_KERNEL_AVX512)
  if (vectors == 1) return latent_rows<D, 16, 1>(t, 0);
  if (vectors == 2) {
    latent_rows<D, 8, 2>(t, 0);
    return latent_rows<D, 8, 2>(t, 8);
  }
  if (vectors == 3) {
    latent_rows<D, 8, 3>(t, 0);
    return latent_rows<D, 8, 3>(t, 8);
  }
#endif
  static_cast<void>(vectors);
  latent_rows<D, 6, kTileVectors>(t, 0);
  latent_rows<D, 5, kTileVectors>(t, 6);
  latent_rows<D, 5, kTileVectors>(t, 11);
}

/// c[key][query] of a granule into scores[query][key], for the first `queries` of them.
inline void transpose_scores(const float* c, int64_t queries, float* scores, int64_t stride) {
  for (int64_t q = 0; q < queries; q += kLanes)
    for (int64_t key = 0; key < kGranule; key += kLanes) {
      Vec block[kLanes];
      ATTNRT_KERNEL_UNROLL
      for (int i = 0; i < kLanes; ++i) block[i] = load(c + (key + i) * kTileColumns + q);
      transpose_words(block);
      float* to = scores + q * stride + key;
      if (queries - q >= kLanes) {
        ATTNRT_KERNEL_UNROLL
        for (int i = 0; i < kLanes; ++i) store(to + i * stride, block[i]);
      } else {
        for (int64_t i = 0; i < queries - q; ++i) store(to + i * stride, block[i]);
      }
    }
}

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
