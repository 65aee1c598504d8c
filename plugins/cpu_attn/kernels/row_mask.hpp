// SPDX-License-Identifier: Apache-2.0
//
// row_mask.hpp: which keys a row of one request sees, and what is added to its scores: causality and window (mask.hpp)
// with the prefix that no window hides, multimodal ranges, tree mask, block-sparse pattern and dense mask on top. A
// tile asks twice: which columns a row may see at all, which costs next to nothing, and only where those have
// holes or numbers for the bias of each column.
#ifndef ATTNRT_CPU_ATTN_ROW_MASK_HPP
#define ATTNRT_CPU_ATTN_ROW_MASK_HPP
#include <cstdint>
#include <limits>

#include "../simd/dtype.hpp"
#include "../simd/mask.hpp"
#include "attention.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

/// Causality and window of a request, in its lengths.
inline Mask request_mask(const cpu::AttentionShape& shape, const attnrt_batch& b, int32_t r) {
  const int64_t queries = int64_t{b.query_start_loc[r + 1]} - b.query_start_loc[r];
  Mask m{};
  m.num_keys = b.kv_lens              ? b.kv_lens[r]
               : shape.block_size > 0 ? b.seq_lens[r]
                                      : int64_t{b.kv_start_loc[r + 1]} - b.kv_start_loc[r];
  m.num_queries = queries;
  m.first_position = b.seq_lens[r] - queries;
  m.window_left = shape.window_left;
  m.window_right = shape.window_right;
  m.window_prefix = b.window_prefix_lens ? b.window_prefix_lens[r] : 0;
  m.causal = shape.causal == ATTNRT_CAUSAL_PER_REQUEST ? b.causal[r] != 0 : shape.causal == ATTNRT_CAUSAL_ALWAYS;
  m.tree = shape.features & ATTNRT_FEATURE_TREE_MASK;
  m.ranges = shape.features & ATTNRT_FEATURE_MM_PREFIX;
  m.positions = {shape.cp_size, shape.cp_rank, shape.cp_interleave};
  return m;
}

/// Columns [begin, end) of a tile; with holes where some are hidden or numbers are added.
struct MaskedColumns {
  int32_t begin, end;
  bool holes;
};

class RowMask {
 public:
  /// The bias of a hidden column: every finite number is one of a seen key.
  static constexpr float kHides = -std::numeric_limits<float>::infinity();

  RowMask(const cpu::AttentionCall& call, int32_t request)
      : mask_(request_mask(call.shape, *call.batch, request)),
        masks_(call.masks),
        request_(request),
        first_token_(call.batch->query_start_loc[request]),
        first_leaf_(masks_.tree.data ? mask_.num_keys - mask_.num_queries : mask_.num_keys),
        plain_(masks_.dense.kind == cpu::DenseMask::Kind::kNone && !masks_.tree.data && !masks_.ranges.data &&
               masks_.pattern.block == 0 && mask_.window_prefix == 0) {
    if (masks_.program && masks_.program->hides) program_ = masks_.program;
  }

  const Mask& mask() const { return mask_; }
  /// Do the heads of a query see different columns?
  bool by_head() const {
    return (masks_.pattern.block != 0 && masks_.pattern.head_step != 0) || (program_ && program_->by_head);
  }
  /// Is the span of a query all that it sees, for every head?
  bool plain() const { return plain_; }
  /// Are all biases of a query the same for each head?
  bool has_one_bias() const { return masks_.dense.stride[1] == 0 && !by_head(); }

  /// What a program lets these queries and heads see of keys [begin, end): whether all of them, or some.
  cpu::PairProgram::Seen look(int64_t first_query, int64_t last_query, int64_t first_head, int64_t last_head,
                              int64_t begin, int64_t end, const void* worker) const {
    if (!program_) return cpu::PairProgram::Seen::kAll;
    return program_->look(
        program_->self, worker,
        {static_cast<int32_t>(request_), static_cast<int32_t>(first_head), static_cast<int32_t>(last_head),
         mask_.position(first_query), mask_.position(last_query), begin, end - 1});
  }

  /// All that a query's rows see lies in it.
  KeySpan hull(int64_t query) const {
    KeySpan s = mask_.span(query);
    if (plain_) return s;
    if (masks_.tree.data) s.end = mask_.window_end(query);
    const int64_t prefix = mask_.window_prefix < s.end ? mask_.window_prefix : s.end;
    if (prefix > 0) s.begin = 0;
    if (const KeySpan more = range(query); more.begin < more.end) {
      s.begin = s.begin >= s.end || more.begin < s.begin ? more.begin : s.begin;
      s.end = more.end > s.end ? more.end : s.end;
    }
    return s;
  }

  /// What a row may see of the `width` columns of a tile.
  MaskedColumns columns(int64_t query, int64_t head, int64_t tile, int64_t width) const {
    const auto clamp = [=](int64_t key) {
      return static_cast<int32_t>(key < tile ? 0 : key - tile < width ? key - tile : width);
    };
    const KeySpan span = mask_.span(query);
    MaskedColumns seen{clamp(span.begin), clamp(span.end), false};
    if (plain_) return seen;
    const auto add = [&](int64_t from, int64_t to) {
      const int32_t b = clamp(from), e = clamp(to);
      if (b >= e) return false;
      if (seen.begin >= seen.end) {
        seen.begin = b;
        seen.end = e;
      } else {
        seen.holes = seen.holes || b > seen.end || e < seen.begin;
        seen.begin = b < seen.begin ? b : seen.begin;
        seen.end = e > seen.end ? e : seen.end;
      }
      return true;
    };
    add(0, mask_.window_prefix < span.end ? mask_.window_prefix : span.end);
    const KeySpan more = range(query);
    add(more.begin, more.end);
    if (masks_.tree.data) {
      const int64_t from = first_leaf_ > span.begin ? first_leaf_ : span.begin;
      if (add(from, mask_.window_end(query))) seen.holes = true;
    }
    if (masks_.pattern.block != 0) cut_blocks(query, head, tile, seen);
    if (masks_.dense.kind != cpu::DenseMask::Kind::kNone) seen.holes = true;
    return seen;
  }

  /// Biases of the columns [begin, end) of a tile; false where all of them are hidden.
  bool fill(int64_t query, int64_t head, int64_t tile, int64_t begin, int64_t end, float* bias) const {
    for (int64_t c = begin; c < end; ++c) bias[c] = kHides;
    const auto show = [&](int64_t from, int64_t to) {
      const int64_t b = from - tile > begin ? from - tile : begin, e = to - tile < end ? to - tile : end;
      for (int64_t c = b; c < e; ++c) bias[c] = 0.0f;
    };
    const KeySpan span = mask_.span(query), more = range(query);
    show(span.begin, span.end);
    show(0, mask_.window_prefix < span.end ? mask_.window_prefix : span.end);
    if (masks_.tree.data) show(first_leaf_ > span.begin ? first_leaf_ : span.begin, mask_.window_end(query));
    show(more.begin, more.end);
    if (masks_.pattern.block != 0)
      for (int64_t c = begin; c < end; ++c)
        if (!block_seen(query, head, mask_.positions.of(tile + c))) bias[c] = kHides;
    add_dense(query, head, tile, begin, end, bias);
    add_tree(query, tile, begin, end, bias);
    if (program_) program_->hide(program_->self, program_row(query, head, tile + begin, end - begin), bias + begin);
    bool any = false;
    for (int64_t c = begin; c < end; ++c) any = any || bias[c] != kHides;
    return any;
  }

  cpu::PairProgram::Row program_row(int64_t query, int64_t head, int64_t first_key, int64_t count) const {
    return {static_cast<int32_t>(request_), static_cast<int32_t>(head), mask_.position(query), first_key, count};
  }

 private:
  /// The keys of a query's own range of positions.
  KeySpan range(int64_t query) const {
    if (!masks_.ranges.data) return {0, 0};
    const int64_t* stride = masks_.ranges.stride;
    const auto* at = static_cast<const int32_t*>(masks_.ranges.data) + (first_token_ + query) * stride[0];
    const int64_t low = at[0], high = at[stride[1]];
    if (low < 0 || high < low) return {0, 0};
    const int64_t end = mask_.positions.before(high + 1);
    return {mask_.positions.before(low), end < mask_.num_keys ? end : mask_.num_keys};
  }

  bool block_seen(int64_t query, int64_t head, int64_t position) const {
    const attnrt_block_sparse& p = masks_.pattern;
    const int64_t key = position / p.block;
    if (mask_.position(query) / p.block - key < p.local_blocks) return true;
    return p.vertical_stride != 0 && (key + head * p.head_step + 1) % p.vertical_stride == 0;
  }

  /// Leaves out hidden blocks at both ends, and tells of those in between.
  void cut_blocks(int64_t query, int64_t head, int64_t tile, MaskedColumns& seen) const {
    const int64_t block = masks_.pattern.block;
    int32_t begin = seen.end, end = seen.begin;
    bool holes = false;
    for (int32_t c = seen.begin; c < seen.end;) {
      const int64_t position = mask_.positions.of(tile + c);
      const int64_t step = mask_.positions.size > 1 ? 1 : block - position % block;
      const int32_t next = step < seen.end - c ? static_cast<int32_t>(c + step) : seen.end;
      if (block_seen(query, head, position)) {
        holes = holes || (end > begin && c > end);
        begin = c < begin ? c : begin;
        end = next;
      }
      c = next;
    }
    seen.begin = begin;
    seen.end = end;
    seen.holes = seen.holes || holes;
  }

  void add_tree(int64_t query, int64_t tile, int64_t begin, int64_t end, float* bias) const {
    if (!masks_.tree.data) return;
    const int64_t* stride = masks_.tree.stride;
    const auto* row = static_cast<const float*>(masks_.tree.data) + request_ * stride[0] + query * stride[1];
    for (int64_t c = first_leaf_ - tile > begin ? first_leaf_ - tile : begin; c < end; ++c) {
      const float more = row[(tile + c - first_leaf_) * stride[2]], sum = bias[c] + more;
      const bool hides = bias[c] == kHides || more == kHides;  // a sum that overflows does not
      bias[c] = hides ? kHides : sum == kHides ? std::numeric_limits<float>::lowest() : sum;
    }
  }

  void add_dense(int64_t query, int64_t head, int64_t tile, int64_t begin, int64_t end, float* bias) const {
    const cpu::DenseMask& dense = masks_.dense;
    const int64_t key = dense.stride[3];
    const int64_t at = request_ * dense.stride[0] + head * dense.stride[1] + query * dense.stride[2] + tile * key;
    const auto sum = [](float hidden, float x) { return hidden == kHides ? kHides : hidden + x; };
    const auto add = [&](const auto* row, auto&& value) {
      row += at;
      if (key == 1)
        for (int64_t c = begin; c < end; ++c) bias[c] = sum(bias[c], value(row[c]));
      else
        for (int64_t c = begin; c < end; ++c) bias[c] = sum(bias[c], value(row[c * key]));
    };
    switch (dense.kind) {
      case cpu::DenseMask::Kind::kBool:
        return add(static_cast<const uint8_t*>(dense.data), [](uint8_t seen) { return seen ? 0.0f : kHides; });
      case cpu::DenseMask::Kind::kFp16:
        return add(static_cast<const Fp16*>(dense.data), [](Fp16 x) { return widen(x); });
      case cpu::DenseMask::Kind::kBf16:
        return add(static_cast<const Bf16*>(dense.data), [](Bf16 x) { return widen(x); });
      case cpu::DenseMask::Kind::kFp32:
        return add(static_cast<const float*>(dense.data), [](float x) { return x; });
      default:
        return;
    }
  }

  const Mask mask_;
  const cpu::MaskOperands& masks_;
  const int64_t request_, first_token_;
  const int64_t first_leaf_;                   ///< key that the tree mask begins with
  const bool plain_;                           ///< spans tell all that a program does not
  const cpu::PairProgram* program_ = nullptr;  ///< one with a mask
};

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
