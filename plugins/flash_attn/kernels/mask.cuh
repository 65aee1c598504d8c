// SPDX-License-Identifier: Apache-2.0
//
// mask.cuh: which keys a row sees and what bends its scores (data sheet)
//   masks     causality, sliding window, context parallelism: each leaves a row one interval of keys [low, high)
//   scores    softcap, then ALiBi, in fp32; s = cap * tanh(s / cap) by one exponential, good to a few ulp
//   own       a kernel with masks or scores of its own (flex) brings a class in the place of StandardRules, which may
//   also
//             leave tiles of keys out
#ifndef ATTNRT_FLASH_MASK_CUH
#define ATTNRT_FLASH_MASK_CUH
#include "request.cuh"

namespace attnrt::flash {

__device__ inline float exp2_approx(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

constexpr float kLog2e = 1.4426950408889634f, kLn2 = 0.6931471805599453f,
                kInfinity = __builtin_bit_cast(float, 0x7f800000);

/// The intervals of keys that tokens of one tile see.
class Spans {
 public:
  __device__ Spans(const AttentionArguments& g, const RowTile& tile, const Keys& keys) : g_(g), keys_(keys) {
    constexpr int far = 0x3fffffff;
    left_ = g.window_left >= 0 ? min(g.window_left, far) : far;
    ahead_ = g.window_right >= 0 ? min(g.window_right, far) : far;
    bool causal = g.flags & kCausal;
    if (g.flags & kPerRequest) causal = g.causal_ptr[tile.request] != 0;
    if (causal) ahead_ = 0;
  }
  __device__ int low(int token) const { return own_keys(keys_.first_position + token - left_); }
  __device__ int high(int token) const { return min(own_keys(keys_.first_position + token + ahead_ + 1), keys_.count); }

 private:
  // How many of this rank's keys stand before a position.
  __device__ int own_keys(int position) const {
    position = max(position, 0);
    if (g_.cp_size <= 1) return position;
    const int turn = g_.cp_interleave * g_.cp_size, turns = position / turn;
    const int rest = position - turns * turn - g_.cp_rank * g_.cp_interleave;
    return turns * g_.cp_interleave + min(max(rest, 0), g_.cp_interleave);
  }
  const AttentionArguments& g_;
  const Keys& keys_;
  int left_, ahead_;
};

/// Changes each of a lane's scores: s = f(s, which of its two rows, column beyond the lane's first).
template <int kTiles, class F>
__device__ void each(float (&scores)[kTiles][4], F f) {
#pragma unroll
  for (int n = 0; n < kTiles; ++n)
#pragma unroll
    for (int e = 0; e < 4; ++e) scores[n][e] = f(scores[n][e], e / 2, n * 8 + e % 2);
}

/// The rules of a problem without a program of its own; `kBent`: softcap or ALiBi may be asked for.
template <bool kBent>
struct StandardRules {
  struct Row {
    int low, high;  ///< keys seen
    int position;
    float slope;  ///< of ALiBi
  };

  __device__ StandardRules(const AttentionArguments& g, const Spans& spans, const RowTile&) : g_(g), spans_(spans) {}

  /// May tiles be left out, or hide keys beyond the rows' intervals? Then there are also `next(tile, end)`, the first
  /// tile from `tile` on that a row sees, `partial(tile)`, and `hide`, which takes the keys of such a tile away.
  static constexpr bool kSparse = false;

  __device__ Row row(const Keys& keys, int token, int head, bool live) const {
    Row row{spans_.low(token), spans_.high(token), keys.first_position + token, 0.f};
    if (kBent && live && (g_.flags & kAlibi)) row.slope = reinterpret_cast<const float*>(g_.alibi_slopes_ptr)[head];
    return row;
  }
  __device__ bool seen(const Row& row, int key) const { return key >= row.low && key < row.high; }

  /// Products of q and k become scores in powers of two; `scale`: of the products, times unit(). `key`: of the lane's
  /// first column; a fragment's columns lie 8 keys further each.
  template <int kTiles>
  __device__ void bend(const Row (&rows)[2], float (&scores)[kTiles][4], float scale, int key) const {
    soften(rows, scores, scale, key);
    if (kBent) each(scores, [&](float s, int, int) { return s * kLog2e; });
  }
  /// The same but for the last step: what softcap and ALiBi leave of them.
  template <int kTiles>
  __device__ void soften(const Row (&rows)[2], float (&scores)[kTiles][4], float scale, int key) const {
    each(scores, [&](float s, int, int) { return s * scale; });
    if (!kBent) return;
    if (g_.softcap > 0)
      each(scores, [&](float s, int, int) {
        const float x = s / g_.softcap, e = exp2_approx(fabsf(x) * (-2 * kLog2e));
        return g_.softcap * copysignf((1 - e) / (1 + e), x);
      });
    if (g_.flags & kAlibi)
      each(scores, [&](float s, int half, int column) {
        return s + rows[half].slope * static_cast<float>(key + column - rows[half].position);
      });
  }
  __device__ static constexpr float unit() { return kBent ? 1.f : kLog2e; }

 private:
  const AttentionArguments& g_;
  const Spans& spans_;
};

/// A tile's products become scores in powers of two, -inf where a row does not see a key.
template <class Rules, int kTiles>
__device__ void judge(const Rules& rules, const typename Rules::Row (&rows)[2], float (&scores)[kTiles][4], float scale,
                      int key, bool masked) {
  rules.bend(rows, scores, scale, key);
  if (masked)
    each(scores, [&](float s, int half, int column) { return rules.seen(rows[half], key + column) ? s : -kInfinity; });
}

/// What a tile hides beyond the rows' intervals: -inf too.
template <class Rules, int kTiles>
__device__ void hide(const Rules& rules, const typename Rules::Row (&rows)[2], float (&scores)[kTiles][4], int key,
                     int tile) {
  if constexpr (Rules::kSparse) {
    if (rules.partial(tile)) rules.hide(rows, scores, key);
  }
}

/// The first tile from `tile` on that is visited; `end` or more where none is left before it.
template <class Rules>
__device__ int next_tile(const Rules& rules, int tile, int end) {
  if constexpr (Rules::kSparse) return rules.next(tile, end);
  return tile;
}

}  // namespace attnrt::flash
#endif
