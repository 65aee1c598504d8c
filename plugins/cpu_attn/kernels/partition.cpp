// SPDX-License-Identifier: Apache-2.0
#include "partition.hpp"

#include <algorithm>

#include "common_prefix.hpp"
#include "row_mask.hpp"

namespace attnrt::cpu {
namespace {

/// Pieces of work a worker should find, so that none waits long for another at the end.
constexpr int64_t kPiecesPerWorker = 4;
/// Reading or packing keys costs about as much as this many rows against them.
constexpr int64_t kKeyRows = 12;

/// The keys that the rows of an item may see together, whatever the operands of a run say.
kernel::portable::KeySpan seen_by(const AttentionShape& shape, const attnrt_batch& b, const AttentionItem& item) {
  if (item.gathers()) return {0, item.shared_keys};
  const kernel::portable::Mask mask = kernel::portable::request_mask(shape, b, item.request);
  return {std::max<int64_t>(mask.reach(item.first_row / shape.group).begin, item.shared_keys),
          mask.reach((item.first_row + item.rows - 1) / shape.group).end};
}

/// KV heads of a request's `rows` rows that one worker attends together: all of them, where the pieces that are left
/// are enough for the workers. `pieces`: of the batch, for one KV head.
int32_t heads_together(const AttentionShape& shape, uint32_t num_workers, int64_t pieces, int32_t rows) {
  if (rows > shape.row_walk_rows) return 1;
  const auto fits = [&](int32_t heads) {
    return shape.num_kv_heads % heads == 0 && heads <= kMaxItemHeads &&
           int64_t{heads} * rows <= shape.item_rows &&
           (num_workers < 2 || pieces * (shape.num_kv_heads / heads) >= int64_t{num_workers} * kPiecesPerWorker);
  };
  int32_t heads = shape.num_kv_heads;
  while (heads > 1 && !fits(heads)) --heads;
  return heads;
}

/// Of one KV head. An item without keys still writes its rows.
int64_t cost_of(const AttentionShape& shape, const attnrt_batch& b, const AttentionItem& item) {
  const kernel::portable::KeySpan keys = seen_by(shape, b, item);
  return std::max<int64_t>(keys.end - keys.begin, 1) * (item.rows + kKeyRows);
}

/// All rows of the sharers, in items of about equal size; returns how many. Two sharers fit any item.
int64_t gather_items(const AttentionShape& shape, const attnrt_batch& b, const CommonPrefix& prefix,
                     const Sharer* sharers, AttentionItem* items) {
  int32_t rows = 0;
  for (int32_t s = 0; s < prefix.num_sharers; ++s) rows += sharers[s].rows;
  const int32_t parts = std::max(1, (rows + shape.item_rows - 1) / shape.item_rows);
  const int32_t enough = (rows + parts - 1) / parts;
  int64_t count = 0;
  for (int32_t s = 0; s < prefix.num_sharers;) {
    AttentionItem item{};
    item.request = sharers[s].request;
    item.heads = 1;
    item.slot = -1;
    item.shared_keys = prefix.keys;
    item.first_sharer = s;
    while (s < prefix.num_sharers && item.rows < enough && item.rows + sharers[s].rows <= shape.item_rows) {
      item.rows += sharers[s++].rows;
      ++item.num_sharers;
    }
    item.cost = cost_of(shape, b, item);
    items[count++] = item;
  }
  return count;
}

bool earlier(const AttentionItem& a, const AttentionItem& c) {
  if (a.cost != c.cost) return a.cost > c.cost;
  if (a.request != c.request) return a.request < c.request;
  return a.first_row != c.first_row ? a.first_row < c.first_row : a.first_split < c.first_split;
}

/// The order in which items are attended: long ones before short ones, `last` behind the others. Whole items that read
/// the same keys, those of one request or of sharers, make runs of less than a twofold range of cost.
template <class Last>
void order_items(const AttentionShape& shape, const attnrt_batch& b, AttentionItem* items, int64_t count, Last&& last) {
  const auto has_company = [&](const AttentionItem& item) {
    const int64_t queries = int64_t{b.query_start_loc[item.request + 1]} - b.query_start_loc[item.request];
    return item.slot < 0 && (item.gathers() || queries * shape.group > shape.item_rows);
  };
  const auto rank = [&](const AttentionItem& item) {
    return has_company(item) ? int64_t{1} << (63 - __builtin_clzll(static_cast<uint64_t>(item.cost))) : item.cost;
  };
  const auto keys = [](const AttentionItem& item) { return item.gathers() ? -1 : item.request; };
  std::sort(items, items + count, [&](const AttentionItem& a, const AttentionItem& c) {
    if (last(a) != last(c)) return last(c);
    if (rank(a) != rank(c)) return rank(a) > rank(c);
    return keys(a) != keys(c) ? keys(a) < keys(c) : earlier(a, c);
  });
  for (int64_t begin = 0, end = 0; begin < count; begin = end) {
    const AttentionItem& first = items[begin];
    const auto joins = [&](const AttentionItem& item) {
      return has_company(first) && has_company(item) && rank(item) == rank(first) && keys(item) == keys(first) &&
             last(item) == last(first);
    };
    for (end = begin + 1; end < count && joins(items[end]);) ++end;
    for (int64_t i = begin; i < end; ++i) {
      items[i].run_begin = begin;
      items[i].run_items = end - begin;
    }
  }
}

/// Cuts items above a worker's fair share into pieces. Returns how many there are then, at most `most`.
int64_t cut_items(const AttentionShape& shape, const AttentionKernels& kernels, const PartitionSizes& sizes,
                  uint32_t num_workers, const attnrt_batch& b, AttentionItem* items, int64_t count, uint64_t most) {
  std::sort(items, items + count, earlier);
  if (sizes.counters == 0) return count;

  int64_t total = 0;
  for (int64_t i = 0; i < count; ++i) total += items[i].cost / items[i].heads;
  const int64_t share = std::max<int64_t>(1, total * shape.num_kv_heads / (int64_t{num_workers} * kPiecesPerWorker));
  const int64_t whole = count;
  int64_t used = 0;
  int32_t groups = 0;
  for (int64_t i = 0; i < whole && items[i].cost > share; ++i) {
    AttentionItem& item = items[i];
    const kernel::portable::KeySpan keys = seen_by(shape, b, item);
    const int64_t first = keys.begin / kSplitKeys, last = (keys.end + kSplitKeys - 1) / kSplitKeys;
    const int64_t pieces = std::min((item.cost + share - 1) / share, last - first);
    const int64_t floats = kernels.split_floats(shape, int64_t{item.rows} * item.heads) * (last - first) *
                           (shape.num_kv_heads / item.heads);
    if (pieces < 2 || used + floats > static_cast<int64_t>(sizes.partial_floats)) continue;
    if ((int64_t{groups} + 1) * shape.num_kv_heads > static_cast<int64_t>(sizes.counters)) break;
    if (count + pieces - 1 > static_cast<int64_t>(most)) break;
    const AttentionItem all = item;
    for (int64_t p = 0; p < pieces; ++p) {
      AttentionItem& piece = p == 0 ? item : items[count++];
      piece = all;
      piece.slot = used;
      piece.first_split = static_cast<int32_t>(first + (last - first) * p / pieces);
      piece.last_split = static_cast<int32_t>(first + (last - first) * (p + 1) / pieces);
      piece.cost = all.cost * (piece.last_split - piece.first_split) / (last - first);
      piece.group = groups;
      piece.pieces = static_cast<int32_t>(pieces);
    }
    used += floats;
    ++groups;
  }
  return count;
}

bool streams(const AttentionItem& item) { return item.rows < kStreamRows; }

/// Counts those that stream, where there are items that can host them.
void count_streams(const AttentionShape& shape, const attnrt_batch& b, const AttentionItem* items, Partition& parts) {
  int64_t count = 0;
  for (const AttentionItem* item = items; item < items + parts.items; ++item) {
    const kernel::portable::KeySpan span = seen_by(shape, b, *item);
    int64_t keys = std::max<int64_t>(span.end - span.begin, 0);
    if (item->slot >= 0) keys = std::min<int64_t>(keys, int64_t{item->last_split - item->first_split} * kSplitKeys);
    if (item->rows >= kHostRows) parts.host_pairs += keys * item->rows;
    if (!streams(*item)) continue;
    parts.stream_keys += keys;
    ++count;
  }
  if (parts.host_pairs > 0 && parts.stream_keys > 0) parts.num_streams = count;
}

}  // namespace

PartitionSizes partition_sizes(const AttentionShape& shape, const AttentionKernels& kernels,
                               const attnrt_limits& limits) noexcept {
  const auto rows = static_cast<uint64_t>(limits.max_tokens) * static_cast<uint64_t>(shape.group);
  const auto seqs = static_cast<uint64_t>(limits.max_seqs);
  PartitionSizes sizes{};
  sizes.items = rows / static_cast<uint64_t>(shape.item_rows) + seqs;
  sizes.state_floats = shared_state_floats(shape, kernels, limits.max_seqs);
  if (sizes.state_floats > 0) {
    sizes.sharers = seqs;
    sizes.shared_items = seqs / 2 + 1;
  }
  if (!kernels.split_floats || limits.num_workers < 2 || limits.max_seq_len <= kSplitKeys) return sizes;
  // Items above a share of the whole are fewer than the shares, and each is cut into one piece more than its shares.
  const uint64_t shares = uint64_t{limits.num_workers} * kPiecesPerWorker;
  const auto heads = static_cast<uint64_t>(shape.num_kv_heads);
  sizes.items += 2 * shares;
  if (sizes.sharers > 0) sizes.shared_items += 2 * shares;
  sizes.counters = shares * heads;
  const uint64_t splits = static_cast<uint64_t>(limits.max_seq_len) / kSplitKeys + 1;
  const int64_t decode = kernels.split_floats(shape, std::min(shape.group, shape.item_rows));
  sizes.partial_floats =
      std::max<uint64_t>(uint64_t{limits.num_workers} << 19, heads * splits * static_cast<uint64_t>(decode));
  return sizes;
}

Partition partition(const AttentionShape& shape, const AttentionKernels& kernels, const PartitionSizes& sizes,
                    uint32_t num_workers, const attnrt_batch& b, Sharer* sharers, AttentionItem* items) noexcept {
  Partition parts{};
  CommonPrefix prefix{};
  if (sizes.sharers > 0 && b.common_prefix_len > 0) {
    prefix = find_common_prefix(shape, kernels, b, sizes.state_floats, sharers);
    parts.shared_items = cut_items(shape, kernels, sizes, num_workers, b, items,
                                   gather_items(shape, b, prefix, sharers, items), sizes.shared_items);
    order_items(shape, b, items, parts.shared_items, [](const AttentionItem&) { return false; });
    items += parts.shared_items;
  }
  int64_t pieces = 0;
  for (int32_t r = 0; r < b.num_seqs; ++r) pieces += num_workers < 2 ? 1 : b.seq_lens[r] / kSplitKeys + 1;
  int32_t sharer = 0;
  for (int32_t r = 0; r < b.num_seqs; ++r) {
    const int64_t rows = (int64_t{b.query_start_loc[r + 1]} - b.query_start_loc[r]) * shape.group;
    const bool shares = sharer < prefix.num_sharers && sharers[sharer].request == r;
    for (int64_t at = 0; at < rows; at += shape.item_rows) {
      AttentionItem item{};
      item.request = r;
      item.rows = static_cast<int32_t>(std::min<int64_t>(shape.item_rows, rows - at));
      item.heads = heads_together(shape, num_workers, pieces, item.rows);
      item.first_row = at;
      item.slot = -1;
      item.shared_keys = shares ? prefix.keys : 0;
      item.first_sharer = sharer;
      item.cost = cost_of(shape, b, item) * item.heads;
      items[parts.items++] = item;
    }
    sharer += shares;
  }
  parts.items = cut_items(shape, kernels, sizes, num_workers, b, items, parts.items, sizes.items);
  if (mixes(shape) && kernels.split_floats) count_streams(shape, b, items, parts);
  order_items(shape, b, items, parts.items,
              [&](const AttentionItem& item) { return parts.num_streams > 0 && streams(item); });
  return parts;
}

}  // namespace attnrt::cpu
