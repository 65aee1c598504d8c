// SPDX-License-Identifier: Apache-2.0
//
// online_softmax.hpp: the running maximum and sum of a row of scores that arrives in tiles (Milakov and Gimelshein,
// arXiv:1805.02867; FlashAttention-2, arXiv:2307.08691). A tile's columns stand at fixed places, columns outside the
// row's span count as -infinity, so what a row computes depends on its own span alone.
#ifndef ATTNRT_CPU_ATTN_SIMD_ONLINE_SOFTMAX_HPP
#define ATTNRT_CPU_ATTN_SIMD_ONLINE_SOFTMAX_HPP
#include <cmath>
#include <cstdint>
#include <limits>

#include "exp.hpp"
#include "isa.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

/// Maximum and sum of exp(score - maximum) of the columns seen so far.
struct RowState {
  float max = kMinusInfinity;
  float sum = 0.0f;
};

/// From dot products to scores: s = scale * qk; s = softcap * tanh(s / softcap); then ALiBi by the distance from the
/// query to the key: s += slope * distance, or s -= slope * sqrt(-distance) to the left.
struct ScoreMap {
  float scale;
  float softcap;  ///< 0 = off
  bool alibi;
  bool root;
};

/// Turns the dot products in columns [begin, end) of a tile into scores; reads and writes whole vectors around them.
/// `key_position(c)`: where the key of column c stands.
template <class KeyPosition>
ATTNRT_KERNEL_INLINE void map_tile(float* s, int begin, int end, const ScoreMap& map, float slope, int64_t position,
                                   KeyPosition&& key_position) {
  const int from = begin / kLanes * kLanes, to = (end + kLanes - 1) / kLanes * kLanes;
  for (int c = from; c < begin; ++c) s[c] = 0.0f;
  for (int c = end; c < to; ++c) s[c] = 0.0f;
  const Vec scale = broadcast(map.scale);
  for (int c = from; c < to; c += kLanes) store(s + c, load(s + c) * scale);
  if (map.softcap > 0.0f) {
    const Vec cap = broadcast(map.softcap);
    for (int c = from; c < to; c += kLanes) store(s + c, cap * tanh_of(load(s + c) / cap));
  }
  if (!map.alibi) return;
  for (int c = begin; c < end; ++c) {
    const auto distance = static_cast<float>(key_position(c) - position);
    s[c] += map.root ? (distance < 0.0f ? -slope * std::sqrt(-distance) : 0.0f) : slope * distance;
  }
}

/// Turns the scores in columns [begin, end) of a tile into exp(score - new maximum) and updates the row; writes whole
/// vectors around the span. Returns the factor for what was accumulated before, exp(old maximum - new maximum), or a
/// negative number where the span holds no score above -infinity: the tile then is no part of the row. NaN among the
/// scores is in the sum.
ATTNRT_KERNEL_INLINE float softmax_tile(float* s, int begin, int end, RowState& row) {
  const int from = begin / kLanes * kLanes, to = (end + kLanes - 1) / kLanes * kLanes;
  for (int c = from; c < begin; ++c) s[c] = kMinusInfinity;
  for (int c = end; c < to; ++c) s[c] = kMinusInfinity;
  Vec highest = broadcast(kMinusInfinity);
  for (int c = from; c < to; c += kLanes) highest = larger(highest, load(s + c));
  const float tile_max = max_lanes(highest);
  const float new_max = row.max > tile_max ? row.max : tile_max;
  const Vec max = broadcast(new_max == kMinusInfinity ? 0.0f : new_max);
  Vec total{};
  for (int c = from; c < to; c += kLanes) {
    const Vec p = exp_nonpositive(load(s + c) - max);
    store(s + c, p);
    total += p;
  }
  const float sum = sum_lanes(total);
  if (new_max == kMinusInfinity && sum == 0.0f) return -1.0f;
  const float factor = row.max == new_max ? 1.0f : exp_nonpositive(row.max - new_max);
  row.sum = row.sum * factor + sum;
  row.max = new_max;
  return factor;
}

/// What remains when the last tile is in: out = accumulated * factor / sum, and the log-sum-exp (natural log). The
/// sink is one more score without a value; -infinity = none. Nothing seen: factor 0, and the sink itself as the
/// log-sum-exp. Where a score is NaN or infinite, sum and log-sum-exp are NaN.
struct RowEnd {
  float factor, sum, lse;
};
inline RowEnd finish_row(const RowState& row, float sink) {
  const float max = row.max > sink ? row.max : sink;
  if (row.max == kMinusInfinity && row.sum == 0.0f) return {0.0f, 1.0f, sink};
  const float shrink = exp_nonpositive(row.max - max);
  const float sum = row.sum * shrink + exp_nonpositive(sink - max);
  return {shrink, sum, max + std::log(sum)};
}

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
