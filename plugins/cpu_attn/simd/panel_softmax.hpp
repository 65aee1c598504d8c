// SPDX-License-Identifier: Apache-2.0
//
// panel_softmax.hpp: one row of scores of a tile becomes probabilities, not yet divided by their sum, in
// base 2. The running maximum and the lanes of the
// running sum are kept; partial rows fold in ascending order (Milakov and Gimelshein, arXiv:1805.02867;
// FlashAttention-2, arXiv:2307.08691). The maximum is subtracted before the softmax scale times log2(e) is multiplied,
// as softmax defines it: the other way round, in one fused step, the maximum would be rounded and the score's product
// would not, and what they differ by overflows 2^x where scores are large. 2^x: x splits into integer and fraction, a
// polynomial with p(0) = 1 fitted to the relative error on [-1/2, 1/2]: degree 5 to 9e-8, degree 4 to 3e-6.
#ifndef ATTNRT_CPU_ATTN_SIMD_PANEL_SOFTMAX_HPP
#define ATTNRT_CPU_ATTN_SIMD_PANEL_SOFTMAX_HPP
#include <cstdint>
#include <cstring>
#include <limits>

#include "dot.hpp"
#include "exp.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

/// The score of a hidden key, and the maximum of a row that has seen none. Every finite score is one of a seen key.
constexpr float kHidden = -std::numeric_limits<float>::infinity();
constexpr float kLog2e = 1.44269504f, kLn2 = 0.693147181f;

/// Where exponents end: 2^x of what is below is 0, by an exponent field of 0 or by underflow.
#if defined(ATTNRT_KERNEL_AVX512)
constexpr float kLeastExponent = -200.0f;
#else
constexpr float kLeastExponent = -127.0f;
#endif

/// 2^(x * scale) for x <= 0; 0 where x is -infinity, NaN stays NaN. `least`: kLeastExponent / scale. x is scaled on its
/// way into the integer part, and again in one fused step into the fraction. No result is subnormal where the processor
/// flushes those to 0 (float_mode.hpp).
template <int Degree>
ATTNRT_KERNEL_INLINE Vec exp2_of(Vec x, Vec scale, Vec least) {
  const Vec magic = broadcast(12582912.0f);  // 1.5 * 2^23: the sum's low bits are the rounded integer
  x = larger(least, x);
  const Vec shifted = madd(x, scale, magic);
  const Vec f = madd(x, scale, magic - shifted);
  Vec p;
  if constexpr (Degree == 5) {
    p = madd(broadcast(1.32647273e-3f), f, broadcast(9.67151299e-3f));
    p = madd(p, f, broadcast(5.55073358e-2f));
    p = madd(p, f, broadcast(0.240222424f));
    p = madd(p, f, broadcast(0.693147004f));
  } else {
    p = madd(broadcast(9.58285294e-3f), f, broadcast(5.59064262e-2f));
    p = madd(p, f, broadcast(0.240240991f));
    p = madd(p, f, broadcast(0.693124175f));
  }
  p = madd(p, f, broadcast(1.0f));
#if defined(ATTNRT_KERNEL_AVX512)
  return _mm512_maskz_scalef_ps(static_cast<__mmask16>(-1), p, shifted - magic);
#else
  return p * from_bits((bits_of(shifted) << 23) + bits_of(broadcast(1.0f)));
#endif
}
template <int Degree>
ATTNRT_KERNEL_INLINE Vec exp2_of(Vec x) {
  return exp2_of<Degree>(x, broadcast(1.0f), broadcast(kLeastExponent));
}
ATTNRT_KERNEL_INLINE float exp2_one(float x) { return exp2_of<5>(broadcast(x))[0]; }

/// log2 of a positive number of ordinary size, by the exponent and atanh of the rest: s = (m - 1) / (m + 1), |s| <
/// 0.172.
ATTNRT_KERNEL_INLINE float log2_of(float x) {
  const uint32_t u = word_of(x), shifted = u - 0x3f3504f3u;  // m in [sqrt(1/2), sqrt(2))
  const int32_t exponent = static_cast<int32_t>(shifted) >> 23;
  const float m = float_of((shifted & 0x7fffffu) + 0x3f3504f3u);
  const float s = (m - 1.0f) / (m + 1.0f), z = s * s;
  const float tail = z * (0.333333333f + z * (0.2f + z * (0.142857143f + z * 0.111111111f)));
  return static_cast<float>(exponent) + 2.0f * kLog2e * (s + s * tail);
}

/// The softmax state of up to some rows, in a worker's scratch or in a partial result.
struct PanelRows {
  float* max;    ///< [rows], of the scores before `scale`; kHidden = no score but of hidden keys
  float* scale;  ///< [rows], what makes scores of base e of them
  float* sum;  ///< [rows][kStateLanes], of the probabilities as they are used, less what their columns multiply them by
  float* exact;  ///< [rows][kStateLanes], of the probabilities before rounding; equal to sum where none is rounded
  float* acc;    ///< [rows][padded head_size_v]
};

/// Scores that need more than a scale: s = scale * qk, softcap, ALiBi by the position of each key. Base e: only the
/// difference to the maximum is turned into base 2, which keeps the digits of large scores.
struct PanelScoreMap {
  float scale;  ///< softmax scale
  float softcap;
  const float* positions;  ///< of the tile's keys; NULL = no ALiBi
  bool root;               ///< -slope * sqrt(distance) to the left, nothing to the right
};
ATTNRT_KERNEL_INLINE void map_scores(float* s, int64_t from, int64_t to, const PanelScoreMap& map, float slope,
                                     float position) {
  for (int64_t c = from; c < to; c += kLanes) {
    Vec x = load(s + c) * broadcast(map.scale);
    if (map.softcap > 0.0f) {
      const Vec cap = broadcast(map.softcap);
      x = cap * tanh_of(x / cap);
    }
    if (map.positions) {
      const Vec distance = load(map.positions + c) - broadcast(position);
      x = madd(broadcast(slope), map.root ? -root_of(larger(-distance, Vec{})) : distance, x);
    }
    store(s + c, x);
  }
}

/// Multiplies each column by a scale of its own.
ATTNRT_KERNEL_INLINE void scale_columns(float* s, const float* scales, int64_t from, int64_t to) {
  for (int64_t c = from; c < to; c += kLanes) store(s + c, load(s + c) * load(scales + c));
}

/// Adds a bias to each column; -infinity hides it, whatever its score. A finite score stays finite below.
ATTNRT_KERNEL_INLINE void add_bias(float* s, const float* bias, int64_t from, int64_t to) {
  const Vec least = broadcast(std::numeric_limits<float>::lowest());
  for (int64_t c = from; c < to; c += kLanes) {
    const Vec b = load(bias + c), score = load(s + c);
    const VecInt hidden = (b == broadcast(kHidden)) | (score == broadcast(kHidden));
    const Vec x = larger(least, score + b);  // NaN stays NaN
    store(s + c, from_bits((bits_of(x) & ~hidden) | (bits_of(broadcast(kHidden)) & hidden)));
  }
}

/// Hides the columns outside of [begin, end) in the vectors that hold them.
ATTNRT_KERNEL_INLINE void hide_edges(float* s, int64_t begin, int64_t end) {
  const int64_t first = begin / kLanes * kLanes, last = end / kLanes * kLanes;
  if (first < begin) {
    const VecInt seen = iota() >= broadcast(static_cast<float>(begin - first));
    store(s + first, from_bits((bits_of(load(s + first)) & seen) | (bits_of(broadcast(kHidden)) & ~seen)));
  }
  if (last < end) {
    const VecInt seen = iota() < broadcast(static_cast<float>(end - last));
    store(s + last, from_bits((bits_of(load(s + last)) & seen) | (bits_of(broadcast(kHidden)) & ~seen)));
  }
}

/// The largest of the scores [begin, end), begin < end; the vectors that hold them lose what lies outside. NaN among
/// them may be left out: it comes back in the sum of the probabilities.
ATTNRT_KERNEL_INLINE float max_of(float* s, int64_t begin, int64_t end) {
  hide_edges(s, begin, end);
  const int64_t first = begin / kLanes * kLanes, last = (end + kLanes - 1) / kLanes * kLanes;
  Vec high = broadcast(kHidden), high2 = high;
  int64_t c = first;
  for (; c + 2 * kLanes <= last; c += 2 * kLanes) {
    high = larger(high, load(s + c));
    high2 = larger(high2, load(s + c + kLanes));
  }
  if (c < last) high = larger(high, load(s + c));
  return max_lanes(larger(high, high2));
}

/// Takes the maxima of a tile into the running ones of up to kLanes rows; factors: for what was accumulated before.
/// `units` and `tile_max` have kLanes elements; units: what turns scores into exponents of 2. All rows at once, and
/// without a branch: whether a maximum grows is a toss-up.
ATTNRT_KERNEL_INLINE void raise_maxima(float* max, const float* tile_max, const float* units, float* factors,
                                       int rows) {
  float lanes[kLanes] = {};
  const auto bytes = static_cast<std::size_t>(rows) * sizeof(float);
  std::memcpy(lanes, max, bytes);
  const Vec old = load(lanes);
  const Vec now = larger(old, load(tile_max));
  const VecInt same = old == now;
  const Vec shrink = exp2_of<5>((old - now) * load(units));
  store(lanes, now);
  std::memcpy(max, lanes, bytes);
  store(lanes, from_bits((bits_of(shrink) & ~same) | (bits_of(broadcast(1.0f)) & same)));
  std::memcpy(factors, lanes, bytes);
}

/// Probabilities of the columns [begin, end) out of their scores, in place: 2^((score - max) * unit), of type D::A,
/// packed to the row's start; columns of [from, to) outside of them become 0. `factor`: of the sums before. `from` is a
/// multiple of kGranule. `columns`: what each probability is multiplied by after it was summed, NULL = 1; of hidden
/// columns it may be anything.
template <class D, int Degree, bool Exact>
inline void softmax_row(float* s, int64_t begin, int64_t end, int64_t from, int64_t to, float unit, float max,
                        float factor, float* sum, [[maybe_unused]] float* exact, const float* columns = nullptr) {
  auto* probabilities = reinterpret_cast<typename D::A*>(s);
  const int64_t first = begin / kLanes * kLanes, last = (end + kLanes - 1) / kLanes * kLanes;
  const auto clear = [&](int64_t a, int64_t b) {
    if (a < b)
      std::memset(static_cast<void*>(probabilities + a), 0, static_cast<std::size_t>(b - a) * sizeof(typename D::A));
  };
  if (begin >= end) return clear(from, to);
  // Where no score is finite, none is 0 above the maximum: -infinity less itself would be NaN.
  const Vec units = broadcast(unit), level = broadcast(max == kHidden ? 0.0f : max);
  const Vec least = broadcast(kLeastExponent / unit);
  const auto probability = [&](int64_t at) __attribute__((always_inline)) {
    return exp2_of<Degree>(load(s + at) - level, units, least);
  };
  const auto scaled = [&](Vec w, Vec score, int64_t at) __attribute__((always_inline)) {
    return from_bits(bits_of(w * load(columns + at)) & ~(score == broadcast(kHidden)));
  };
  Vec total{}, total2{};
  clear(from, first);
  int64_t c = first;
  if constexpr (D::kRoundsProbabilities) {
#if defined(ATTNRT_KERNEL_PAIRS)
    const Vec ones = from_bits(VecInt{} + 0x3f803f80);
    const auto add = [&](Vec low, Vec top, std::size_t bytes) {
      if constexpr (Exact) total2 += low + top;
      if (columns) {
        total += low + top;
        low = scaled(low, load(s + c), c);
        if (bytes == sizeof(Vec)) top = scaled(top, load(s + c + kLanes), c + kLanes);
      }
      const Vec both = round_pairs(low, top);
      std::memcpy(static_cast<void*>(probabilities + c), &both, bytes);
      if (!columns) total = dot_pairs(total, both, ones);
    };
    for (; c + 2 * kLanes <= last; c += 2 * kLanes) {
      const Vec low = probability(c);
      const Vec top = probability(c + kLanes);
      add(low, top, sizeof(Vec));
    }
    if (c < last) add(probability(c), Vec{}, sizeof(Vec) / 2);
    if constexpr (Exact) store(exact, madd(load(exact), broadcast(factor), total2));
#endif
  } else {
    for (; c + 2 * kLanes <= last; c += 2 * kLanes) {
      const Vec low = probability(c);
      const Vec top = probability(c + kLanes);
      store(s + c, columns ? scaled(low, load(s + c), c) : low);
      store(s + c + kLanes, columns ? scaled(top, load(s + c + kLanes), c + kLanes) : top);
      total += low;
      total2 += top;
    }
    if (c < last) {
      const Vec low = probability(c);
      store(s + c, columns ? scaled(low, load(s + c), c) : low);
      total += low;
    }
    total += total2;
  }
  clear(last, to);
  store(sum, madd(load(sum), broadcast(factor), total));
}

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
