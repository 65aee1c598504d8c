// SPDX-License-Identifier: Apache-2.0
//
// mask.hpp: which keys a query sees by causality and a sliding window: one interval for each query, and the intervals
// of a request's queries move to the right with them. Masks given as operands show and hide more (row_mask.hpp).
#ifndef ATTNRT_CPU_ATTN_SIMD_MASK_HPP
#define ATTNRT_CPU_ATTN_SIMD_MASK_HPP
#include <cstdint>

#include "isa.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

/// Keys [begin, end); empty where end <= begin.
struct KeySpan {
  int64_t begin, end;
};

/// Where a request's keys stand. Context parallelism: rank r of `size` with interleave I holds local key j at
/// ((j / I) * size + r) * I + j % I; size 1: key j stands at j.
struct KeyPositions {
  int64_t size, rank, interleave;

  ATTNRT_KERNEL_INLINE int64_t of(int64_t key) const {
    return size <= 1 ? key : (key / interleave * size + rank) * interleave + key % interleave;
  }
  /// How many keys stand before a position.
  ATTNRT_KERNEL_INLINE int64_t before(int64_t position) const {
    if (position <= 0) return 0;
    if (size <= 1) return position;
    const int64_t rest = position % (size * interleave) - rank * interleave;
    return position / (size * interleave) * interleave + (rest < 0 ? 0 : rest < interleave ? rest : interleave);
  }
};

/// The mask of one request. Keys are counted as they are stored, positions as they stand in the sequence.
struct Mask {
  int64_t num_keys;
  int64_t num_queries;
  int64_t first_position;  ///< of query 0
  int64_t window_left;     ///< -1 = no limit
  int64_t window_right;    ///< -1 = no limit
  int64_t window_prefix;   ///< keys that no window hides
  bool causal;
  bool tree;    ///< a tree mask takes the place of causality among the last num_queries keys
  bool ranges;  ///< each query may see a range of positions besides
  KeyPositions positions;

  ATTNRT_KERNEL_INLINE int64_t position(int64_t query) const { return first_position + query; }
  /// Where the window ends, causality aside.
  ATTNRT_KERNEL_INLINE int64_t window_end(int64_t query) const {
    if (window_right < 0) return num_keys;
    const int64_t end = positions.before(position(query) + window_right + 1);
    return end < num_keys ? end : num_keys;
  }
  ATTNRT_KERNEL_INLINE KeySpan span(int64_t query) const {
    KeySpan s{0, window_end(query)};
    if (causal) {
      const int64_t end = positions.before(position(query) + 1);
      s.end = end < s.end ? end : s.end;
    }
    if (window_left >= 0) s.begin = positions.before(position(query) - window_left);
    return s;
  }
  /// Every key that an operand could show to a query. Moves to the right with the queries.
  ATTNRT_KERNEL_INLINE KeySpan reach(int64_t query) const {
    KeySpan s = span(query);
    if (window_prefix > 0 || ranges) s.begin = 0;
    if (ranges)
      s.end = num_keys;
    else if (tree)
      s.end = window_end(query);
    return s;
  }
};

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
