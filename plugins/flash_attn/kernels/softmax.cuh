// SPDX-License-Identifier: Apache-2.0
//
// softmax.cuh: online softmax (Milakov and Gimelshein, arXiv:1805.02867) over fragments (data sheet)
//   state     of two rows a lane: the level that exponents count from, and this lane's part of the denominator
//   rescale   only where a maximum of the warp's rows rises: its key has the probability 1, which 16 bits hold exactly.
//             A level that lags behind (FlashAttention-4) saves products and rounds the key that decides a row
//   bits      of a row depend on its own scores alone: where a neighbour rescales, its factor is 1
//   empty     rows that have seen nothing have the level -inf and the sum 0; a tile that is masked changes nothing
#ifndef ATTNRT_FLASH_SOFTMAX_CUH
#define ATTNRT_FLASH_SOFTMAX_CUH
#include "mask.cuh"

namespace attnrt::flash {

/// The largest of a row's values over the four lanes that share it.
__device__ inline float row_max(float x) {
  x = fmaxf(x, __shfl_xor_sync(~0u, x, 1));
  return fmaxf(x, __shfl_xor_sync(~0u, x, 2));
}
__device__ inline float row_sum(float x) {
  x += __shfl_xor_sync(~0u, x, 1);
  return x + __shfl_xor_sync(~0u, x, 2);
}

struct Softmax {
  float level[2] = {-kInfinity, -kInfinity};
  float total[2] = {0, 0};

  /// Lets the level follow a tile's scores, which count in powers of two. True where a row of the warp rose: what was
  /// summed so far is then to be multiplied by `fade`.
  template <int kTiles>
  __device__ bool rise(const float (&scores)[kTiles][4], float (&fade)[2]) {
    float next[2];
    bool rises = false;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float top = scores[0][2 * half];
#pragma unroll
      for (int n = 0; n < kTiles; ++n) top = fmaxf(top, fmaxf(scores[n][2 * half], scores[n][2 * half + 1]));
      top = row_max(top);
      next[half] = fmaxf(top, level[half]);
      rises |= next[half] != level[half];
    }
    if (!__any_sync(~0u, rises)) return false;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      fade[half] = next[half] == level[half] ? 1.f : exp2_approx(level[half] - next[half]);
      total[half] *= fade[half];
      level[half] = next[half];
    }
    return true;
  }

  template <int kSums>
  static __device__ void scale(float (&sums)[kSums][4], const float (&fade)[2]) {
#pragma unroll
    for (int n = 0; n < kSums; ++n)
#pragma unroll
      for (int e = 0; e < 4; ++e) sums[n][e] *= fade[e / 2];
  }

  /// Scores become probabilities above the level.
  template <int kTiles>
  __device__ void exponentiate(float (&scores)[kTiles][4]) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const float from = level[half] == -kInfinity ? 0 : level[half];
#pragma unroll
      for (int n = 0; n < kTiles; ++n)
#pragma unroll
        for (int e = 2 * half; e < 2 * half + 2; ++e) {
          scores[n][e] = exp2_approx(scores[n][e] - from);
          total[half] += scores[n][e];
        }
    }
  }

  /// Ends the sum over a row's lanes.
  __device__ void gather() {
#pragma unroll
    for (int half = 0; half < 2; ++half) total[half] = row_sum(total[half]);
  }

  /// One more score without a value, in powers of two; answers what the sums are multiplied by. It comes last: under a
  /// sink far above all scores probabilities would be subnormal numbers of 16 bits.
  __device__ float add_sink(int half, float sink) {
    const float top = fmaxf(level[half], sink), from = top == -kInfinity ? 0 : top;
    const float fade = exp2_approx(level[half] - from);
    total[half] = total[half] * fade + exp2_approx(sink - from);
    level[half] = top;
    return fade;
  }

  /// The natural logarithm of the denominator; -inf where nothing was seen.
  __device__ float lse(int half) const {
    return total[half] > 0 ? (level[half] + log2f(total[half])) * kLn2 : -kInfinity;
  }
};

}  // namespace attnrt::flash
#endif
