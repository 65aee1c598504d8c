// SPDX-License-Identifier: Apache-2.0
//
// attnrt/problem.hpp: what a model needs of attention, set by name. Header-only, C++17.
#ifndef ATTNRT_PROBLEM_HPP
#define ATTNRT_PROBLEM_HPP
#include <cmath>
#include <cstdint>
#include <string>

#include "attnrt/error.hpp"

namespace attnrt {

/// The sizes of multi-head latent attention; the defaults are those of DeepSeek V2 and V3.
struct MlaSizes {
  uint32_t kv_lora = 512;  ///< of the latent that the cache holds, of v too
  uint32_t nope = 128;     ///< of a query and key head without position
  uint32_t rope = 64;      ///< of the part with position, which all heads share in the cache
  uint32_t v = 128;        ///< of an uncompressed value head
};

/// An attnrt_problem (its fields are open) with a named step for each usual property. A step returns a changed copy:
/// `rt.decoder(32, 8, 128, ATTNRT_BF16, "cpu").with_window(4096).with_sinks()`.
struct Problem : attnrt_problem {
  explicit Problem(const attnrt_problem& fields) : attnrt_problem(fields) {}

  /// A query sees its own key and the `keys - 1` before it; where the problem is not causal also as many behind it.
  /// Throws INVALID below 1: a window of nothing.
  [[nodiscard]] Problem with_window(int32_t keys) const {
    if (keys < 1) throw Error(ATTNRT_INVALID, "problem: the window is " + std::to_string(keys) + ", wanted at least 1");
    return with_window(keys - 1, causal == ATTNRT_CAUSAL_ALWAYS ? 0 : keys - 1);
  }
  /// Keys left and right of the query's position that are seen, -1 = no limit.
  [[nodiscard]] Problem with_window(int32_t left, int32_t right) const {
    Problem p(*this);
    p.window_left = left;
    p.window_right = right;
    return p;
  }
  /// Scores become cap * tanh(score / cap).
  [[nodiscard]] Problem with_softcap(float cap) const {
    Problem p(*this);
    p.softcap = cap;
    return p;
  }
  /// One more logit a head in the denominator: each run gives `sinks`.
  [[nodiscard]] Problem with_sinks() const { return with_features(ATTNRT_FEATURE_SINKS); }
  /// Linear position bias: each run gives `alibi_slopes`.
  [[nodiscard]] Problem with_alibi() const { return with_features(ATTNRT_FEATURE_ALIBI); }
  /// A mask or bias for each query and key: each run gives `dense_mask`.
  [[nodiscard]] Problem with_dense_mask() const { return with_features(ATTNRT_FEATURE_DENSE_MASK); }
  /// Runs may ask for the log-sum-exp of each row.
  [[nodiscard]] Problem with_lse() const { return with_features(ATTNRT_FEATURE_LSE); }
  /// The dtype of the cache, ATTNRT_FP8_E4M3 for example, where it is not that of q. One of 8 bits comes with a kind of
  /// scales: one a tensor or request, which writes and runs give as k_scale and v_scale (none given: 1); one a KV head,
  /// ATTNRT_FEATURE_PER_HEAD_SCALES; one behind each row that the kernel finds itself,
  /// ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES.
  [[nodiscard]] Problem with_kv_dtype(uint32_t dtype, uint64_t scales = ATTNRT_FEATURE_KV_SCALES) const {
    Problem p(*this);
    p.kv_dtype = dtype;
    if (dtype > ATTNRT_BF16) p.features |= scales;
    return p;
  }
  /// The dtype of the output where it is not that of q.
  [[nodiscard]] Problem with_out_dtype(uint32_t dtype) const {
    Problem p(*this);
    p.out_dtype = dtype;
    return p;
  }
  /// The size of v's heads where it is not that of q's and k's.
  [[nodiscard]] Problem with_head_size_v(uint32_t size) const {
    Problem p(*this);
    p.head_size_v = size;
    return p;
  }
  /// Acceptable ATTNRT_KV_* (mask), 0 = any.
  [[nodiscard]] Problem with_kv_layouts(uint32_t layouts) const {
    Problem p(*this);
    p.kv_layouts = layouts;
    return p;
  }
  /// Tokens of a block of the cache, 0 = what the kernel likes best.
  [[nodiscard]] Problem with_block_size(uint32_t size) const {
    Problem p(*this);
    p.block_size = size;
    return p;
  }
  /// ATTNRT_PHASE_PREFILL, _DECODE or _MIXED; PREFILL | DECODE for a pair of backends that share a cache.
  [[nodiscard]] Problem with_phase(uint32_t phases) const {
    Problem p(*this);
    p.phase = phases;
    return p;
  }
  /// ATTNRT_CAUSAL_ALWAYS, _NEVER or _PER_REQUEST.
  [[nodiscard]] Problem with_causal(uint32_t when) const {
    Problem p(*this);
    p.causal = when;
    return p;
  }
  /// ATTNRT_DETERMINISM_* wanted at least.
  [[nodiscard]] Problem with_determinism(uint32_t level) const {
    Problem p(*this);
    p.determinism = level;
    return p;
  }
  /// Further ATTNRT_FEATURE_* bits.
  [[nodiscard]] Problem with_features(uint64_t bits) const {
    Problem p(*this);
    p.features |= bits;
    return p;
  }
};

/// The scale that most models use: 1 / sqrt of the size of an uncompressed query head (MLA: nope + rope). 0 where an
/// MLA problem does not tell its sizes.
inline float usual_scale(const attnrt_problem& p) noexcept {
  const bool mla = p.family == ATTNRT_FAMILY_MLA;
  const uint32_t size = !mla ? p.head_size_qk : p.mla_nope ? p.mla_nope + p.mla_rope : 0;
  return size ? static_cast<float>(1 / std::sqrt(static_cast<double>(size))) : 0;
}

}  // namespace attnrt
#endif
