// SPDX-License-Identifier: Apache-2.0
#include "partition.hpp"

#include <algorithm>

#include "../../kernel/mask.hpp"

namespace attnrt::cpu {

uint64_t max_items(const AttentionShape& shape, const attnrt_limits& limits) noexcept {
  const auto rows = static_cast<uint64_t>(limits.max_tokens) * static_cast<uint64_t>(shape.group);
  return rows / kItemRows + static_cast<uint64_t>(limits.max_seqs);
}

int64_t partition(const AttentionShape& shape, const attnrt_batch& b, AttentionItem* items) noexcept {
  int64_t count = 0;
  for (int32_t r = 0; r < b.num_seqs; ++r) {
    const int64_t queries = int64_t{b.query_start_loc[r + 1]} - b.query_start_loc[r];
    const bool paged = shape.block_size > 0;
    const kernel::portable::Mask mask{
        b.kv_lens ? b.kv_lens[r] : paged ? b.seq_lens[r] : b.kv_start_loc[r + 1] - b.kv_start_loc[r],
        b.seq_lens[r] - queries, shape.window_left, shape.window_right,
        shape.causal == ATTNRT_CAUSAL_PER_REQUEST ? b.causal[r] != 0 : shape.causal == ATTNRT_CAUSAL_ALWAYS};
    const int64_t rows = queries * shape.group;
    for (int64_t at = 0; at < rows; at += kItemRows) {
      const int64_t n = std::min<int64_t>(kItemRows, rows - at);
      const int64_t keys = mask.span((at + n - 1) / shape.group).end - mask.span(at / shape.group).begin;
      // Packing a tile of keys costs about as much as 16 rows against it; an item without keys still writes its rows.
      items[count++] = {r, static_cast<int32_t>(n), at, std::max<int64_t>(keys, 1) * (n + 16)};
    }
  }
  std::sort(items, items + count, [](const AttentionItem& a, const AttentionItem& c) {
    if (a.cost != c.cost) return a.cost > c.cost;
    return a.request != c.request ? a.request < c.request : a.first_row < c.first_row;
  });
  return count;
}

}  // namespace attnrt::cpu
