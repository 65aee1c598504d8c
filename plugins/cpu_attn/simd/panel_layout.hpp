// SPDX-License-Identifier: Apache-2.0
//
// panel_layout.hpp: where the keys and values of one KV head lie in a page that register tiles read as it is.
//   keys    panels of `key_width` tokens, [dim / pair][token][pair]: a step of a tile reads whole vectors of tokens
//   values  panels of up to 64 dims, [token / pair][dim][pair]
// pair = 2 where the dot instruction takes two bf16 at a time (the VNNI order), 4 for fp8 and int8 (chunk_at), else
// 1. Values follow the keys, padded to 16 dims; scales of the keys' rows, then of the values', follow both. A cache of
// this layout serves every instruction set, so nothing here depends on one.
#ifndef ATTNRT_CPU_ATTN_SIMD_PANEL_LAYOUT_HPP
#define ATTNRT_CPU_ATTN_SIMD_PANEL_LAYOUT_HPP
#include <cstdint>

namespace attnrt::kernel {

constexpr int64_t kPanelWidth = 64;
/// Tokens and dims come in granules of this many: no vector register is wider.
constexpr int64_t kGranule = 16;

struct PanelLayout {
  int64_t tokens;  ///< of a page, a multiple of kGranule
  int64_t head_size_qk;
  int64_t head_size_v;
  int64_t element_bytes;
  int64_t pair;
  int64_t row_scale;  ///< bytes of the scale of a row, 0 = none

  [[gnu::always_inline]] constexpr int64_t key_width() const {
    return tokens % kPanelWidth == 0 ? kPanelWidth : kGranule;
  }
  [[gnu::always_inline]] constexpr int64_t padded_v() const {
    return (head_size_v + kGranule - 1) / kGranule * kGranule;
  }
  [[gnu::always_inline]] constexpr int64_t value_panels() const { return (padded_v() + kPanelWidth - 1) / kPanelWidth; }
  [[gnu::always_inline]] constexpr int64_t panel_dims(int64_t panel) const {
    const int64_t rest = padded_v() - panel * kPanelWidth;
    return rest < kPanelWidth ? rest : kPanelWidth;
  }

  [[gnu::always_inline]] constexpr int64_t key_bytes() const { return tokens * head_size_qk * element_bytes; }
  [[gnu::always_inline]] constexpr int64_t head_bytes() const { return value_scales_at() + tokens * row_scale; }
  /// Of the first token.
  [[gnu::always_inline]] constexpr int64_t key_scales_at() const {
    return key_bytes() + tokens * padded_v() * element_bytes;
  }
  [[gnu::always_inline]] constexpr int64_t value_scales_at() const { return key_scales_at() + tokens * row_scale; }
  /// Bytes between two steps of a key panel; a step is `pair` dims.
  [[gnu::always_inline]] constexpr int64_t key_step() const { return key_width() * pair * element_bytes; }
  /// Of the first step of a token.
  [[gnu::always_inline]] constexpr int64_t key_at(int64_t token) const {
    return token / key_width() * key_width() * head_size_qk * element_bytes +
           token % key_width() * pair * element_bytes;
  }
  /// Of one key element.
  [[gnu::always_inline]] constexpr int64_t key_at(int64_t token, int64_t dim) const {
    return key_at(token) + dim / pair * key_step() + dim % pair * element_bytes;
  }
  /// Bytes between two steps of a value panel; a step is `pair` tokens.
  [[gnu::always_inline]] constexpr int64_t value_step(int64_t panel) const {
    return panel_dims(panel) * pair * element_bytes;
  }
  /// Of the step that holds a token.
  [[gnu::always_inline]] constexpr int64_t value_at(int64_t token, int64_t panel) const {
    return key_bytes() + panel * kPanelWidth * tokens * element_bytes + token / pair * value_step(panel);
  }
  /// Of the element of a dim in a panel.
  [[gnu::always_inline]] constexpr int64_t value_at(int64_t token, int64_t panel, int64_t dim) const {
    return value_at(token, panel) + (dim * pair + token % pair) * element_bytes;
  }
};

/// A granule of tokens of a page, from its token `token` on.
struct PageGranule {
  const char* page;
  int64_t token;
};

/// Numbers of 8 bits stand in chunks of kGranule lanes (tokens of keys, dims of values) x 4 elements (dims, tokens). Of
/// four lanes come the elements 0 and 1 of each, then 2 and 3: widened by an interleave within quarters of a register,
/// a chunk becomes two vectors of pairs in the VNNI order.
constexpr int64_t kChunkElements = 4, kChunkBytes = kGranule * kChunkElements;
[[gnu::always_inline]] constexpr int64_t chunk_at(int64_t lane, int64_t element) {
  return lane / 4 * 16 + element / 2 * 8 + lane % 4 * 2 + element % 2;
}

}  // namespace attnrt::kernel
#endif
