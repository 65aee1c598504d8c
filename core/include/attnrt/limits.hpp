// SPDX-License-Identifier: Apache-2.0
//
// attnrt/limits.hpp: the largest batch that a plan will hold. Header-only, C++17.
#ifndef ATTNRT_LIMITS_HPP
#define ATTNRT_LIMITS_HPP
#include <algorithm>
#include <cstdint>

#include "attnrt/kv_cache.hpp"

namespace attnrt {

/// An attnrt_limits (its fields are open) from what an engine's scheduler knows. A step returns a changed copy:
/// `Limits(max_seqs, max_tokens, max_seq_len).with_cache(cache).with_executor(pool)`.
struct Limits : attnrt_limits {
  /// Requests of one batch, new tokens of all of them together, and the keys of the longest one. A request's new
  /// tokens are at most max_query_len, the smaller of the last two unless it is set.
  Limits(int32_t seqs, int32_t tokens, int32_t seq_len) : attnrt_limits(sized<attnrt_limits>()) {
    num_workers = 1;
    max_seqs = seqs;
    max_tokens = tokens;
    max_query_len = std::min(tokens, seq_len);
    max_seq_len = seq_len;
  }
  /// The blocks of the cache, and a block table that is wide enough for max_seq_len keys.
  [[nodiscard]] Limits with_cache(const KvCache& cache) const {
    Limits l(*this);
    l.num_blocks = static_cast<int32_t>(cache.num_blocks());
    l.max_blocks_per_seq = cache.blocks_for(max_seq_len);
    return l;
  }
  /// The rows of k and v of a batch where there is no cache.
  [[nodiscard]] Limits with_kv_tokens(int32_t rows) const {
    Limits l(*this);
    l.max_kv_tokens = rows;
    return l;
  }
  /// The pool that updates and runs are given as stream; NULL: the calling thread.
  [[nodiscard]] Limits with_executor(const attnrt_executor* pool) const {
    Limits l(*this);
    l.num_workers = pool ? pool->num_workers : 1;
    return l;
  }
};

}  // namespace attnrt
#endif
