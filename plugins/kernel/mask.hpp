// SPDX-License-Identifier: Apache-2.0
//
// mask.hpp: which keys a query sees. Causality and a sliding window leave one interval of keys for each query, and the
// intervals of a request's queries move to the right with them.
#ifndef ATTNRT_KERNEL_MASK_HPP
#define ATTNRT_KERNEL_MASK_HPP
#include <cstdint>

#include "isa.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

/// Keys [begin, end); empty where end <= begin.
struct KeySpan {
  int64_t begin, end;
};

/// The mask of one request.
struct Mask {
  int64_t num_keys;
  int64_t first_position;  ///< of query 0
  int64_t window_left;     ///< -1 = no limit
  int64_t window_right;    ///< -1 = no limit
  bool causal;

  ATTNRT_KERNEL_INLINE KeySpan span(int64_t query) const {
    const int64_t position = first_position + query;
    KeySpan s{0, num_keys};
    if (causal && s.end > position + 1) s.end = position + 1;
    if (window_right >= 0 && s.end > position + window_right + 1) s.end = position + window_right + 1;
    if (window_left >= 0 && s.begin < position - window_left) s.begin = position - window_left;
    if (s.end < 0) s.end = 0;
    return s;
  }
};

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
