// SPDX-License-Identifier: Apache-2.0
#include "partition.hpp"

#include <algorithm>

#include "common_prefix.hpp"
#include "row_mask.hpp"

namespace attnrt::cpu {
namespace {

/// The keys that the rows of an item may see together, whatever the operands of a call say.
kernel::portable::KeySpan seen_by(const AttentionShape& shape, const attnrt_batch& b, const AttentionItem& item) {
  if (item.is_prefix()) return {0, item.prefix_keys};
  const kernel::portable::Mask mask = kernel::portable::request_mask(shape, b, item.request);
  return {std::max<int64_t>(mask.reach(item.first_row / shape.group).begin, item.prefix_keys),
          mask.reach((item.first_row + item.rows - 1) / shape.group).end};
}

/// KV heads of a request's `rows` rows that one worker attends together: all of them, where the items that are left
/// are enough for the workers. `num_items`: of the batch, for one KV head.
int32_t heads_together(const AttentionShape& shape, uint32_t num_workers, int64_t num_items, int32_t rows) {
  if (rows > shape.in_place_rows) return 1;
  const auto fits = [&](int32_t heads) {
    return shape.num_kv_heads % heads == 0 && heads <= kMaxItemHeads && int64_t{heads} * rows <= shape.item_rows &&
           (num_workers < 2 ||
            num_items * (shape.num_kv_heads / heads) >= int64_t{num_workers} * shape.tuning.items_per_worker);
  };
  int32_t heads = shape.num_kv_heads;
  while (heads > 1 && !fits(heads)) --heads;
  return heads;
}

/// Of one KV head. An item without keys still writes its rows.
int64_t cost_of(const AttentionShape& shape, const attnrt_batch& b, const AttentionItem& item) {
  const kernel::portable::KeySpan keys = seen_by(shape, b, item);
  return std::max<int64_t>(keys.end - keys.begin, 1) * (item.rows + shape.tuning.key_rows);
}

/// All rows of the members in prefix items of about equal size; returns how many. Two members fit any item.
int64_t make_prefix_items(const AttentionShape& shape, const attnrt_batch& b, const CommonPrefix& prefix,
                          const PrefixMember* members, AttentionItem* items) {
  int32_t rows = 0;
  for (int32_t s = 0; s < prefix.num_members; ++s) rows += members[s].rows;
  const int32_t parts = std::max(1, (rows + shape.item_rows - 1) / shape.item_rows);
  const int32_t enough = (rows + parts - 1) / parts;
  int64_t count = 0;
  for (int32_t s = 0; s < prefix.num_members;) {
    AttentionItem item{};
    item.request = members[s].request;
    item.heads = 1;
    item.slot = -1;
    item.prefix_keys = prefix.keys;
    item.first_member = s;
    while (s < prefix.num_members && item.rows < enough && item.rows + members[s].rows <= shape.item_rows) {
      item.rows += members[s++].rows;
      ++item.num_members;
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
/// the same keys, those of one request or of a common prefix, make clusters of less than a twofold range of cost.
template <class Last>
void order_items(const AttentionShape& shape, const attnrt_batch& b, AttentionItem* items, int64_t count, Last&& last) {
  const auto has_company = [&](const AttentionItem& item) {
    const int64_t queries = int64_t{b.query_start_loc[item.request + 1]} - b.query_start_loc[item.request];
    return item.slot < 0 && (item.is_prefix() || queries * shape.group > shape.item_rows);
  };
  const auto rank = [&](const AttentionItem& item) {
    return has_company(item) ? int64_t{1} << (63 - __builtin_clzll(static_cast<uint64_t>(item.cost))) : item.cost;
  };
  const auto keys = [](const AttentionItem& item) { return item.is_prefix() ? -1 : item.request; };
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
      items[i].cluster_begin = begin;
      items[i].cluster_items = end - begin;
    }
  }
}

/// Divides items above a worker's quota into subitems. Returns how many there are then, at most `most`.
int64_t split_items(const AttentionShape& shape, const AttentionKernels& kernels, const PartitionSizes& sizes,
                    uint32_t num_workers, const attnrt_batch& b, AttentionItem* items, int64_t count, uint64_t most) {
  std::sort(items, items + count, earlier);
  if (sizes.counters == 0) return count;

  int64_t total = 0;
  for (int64_t i = 0; i < count; ++i) total += items[i].cost / items[i].heads;
  const int64_t quota =
      std::max<int64_t>(1, total * shape.num_kv_heads / (int64_t{num_workers} * shape.tuning.items_per_worker));
  const int64_t whole = count;
  int64_t used = 0;
  int32_t groups = 0;
  for (int64_t i = 0; i < whole && items[i].cost > quota; ++i) {
    AttentionItem& item = items[i];
    const kernel::portable::KeySpan keys = seen_by(shape, b, item);
    const int64_t first = keys.begin / kSplitKeys, last = (keys.end + kSplitKeys - 1) / kSplitKeys;
    const int64_t num_subitems = std::min((item.cost + quota - 1) / quota, last - first);
    const int64_t floats = kernels.split_floats(shape, int64_t{item.rows} * item.heads) * (last - first) *
                           (shape.num_kv_heads / item.heads);
    if (num_subitems < 2 || used + floats > static_cast<int64_t>(sizes.partial_floats)) continue;
    if ((int64_t{groups} + 1) * shape.num_kv_heads > static_cast<int64_t>(sizes.counters)) break;
    if (count + num_subitems - 1 > static_cast<int64_t>(most)) break;
    const AttentionItem all = item;
    for (int64_t p = 0; p < num_subitems; ++p) {
      AttentionItem& subitem = p == 0 ? item : items[count++];
      subitem = all;
      subitem.slot = used;
      subitem.first_split = static_cast<int32_t>(first + (last - first) * p / num_subitems);
      subitem.last_split = static_cast<int32_t>(first + (last - first) * (p + 1) / num_subitems);
      subitem.cost = all.cost * (subitem.last_split - subitem.first_split) / (last - first);
      subitem.split_group = groups;
      subitem.num_subitems = static_cast<int32_t>(num_subitems);
    }
    used += floats;
    ++groups;
  }
  return count;
}

bool is_decode(const AttentionShape& shape, const AttentionItem& item) { return item.rows < shape.tuning.decode_rows; }

/// Counts the decode items, where there are items that can prefetch for them.
void count_overlap(const AttentionShape& shape, const attnrt_batch& b, const AttentionItem* items, Partition& parts) {
  int64_t count = 0;
  for (const AttentionItem* item = items; item < items + parts.items; ++item) {
    const kernel::portable::KeySpan span = seen_by(shape, b, *item);
    int64_t keys = std::max<int64_t>(span.end - span.begin, 0);
    if (item->slot >= 0) keys = std::min<int64_t>(keys, int64_t{item->last_split - item->first_split} * kSplitKeys);
    if (item->rows >= shape.tuning.overlap_rows) parts.overlap_pairs += keys * item->rows;
    if (!is_decode(shape, *item)) continue;
    parts.decode_keys += keys;
    ++count;
  }
  if (parts.overlap_pairs > 0 && parts.decode_keys > 0) parts.num_decode_items = count;
}

}  // namespace

PartitionSizes partition_sizes(const AttentionShape& shape, const AttentionKernels& kernels,
                               const attnrt_limits& limits) noexcept {
  const auto rows = static_cast<uint64_t>(limits.max_tokens) * static_cast<uint64_t>(shape.group);
  const auto seqs = static_cast<uint64_t>(limits.max_seqs);
  PartitionSizes sizes{};
  sizes.items = rows / static_cast<uint64_t>(shape.item_rows) + seqs;
  sizes.state_floats = prefix_state_floats(shape, kernels, limits.max_seqs);
  if (sizes.state_floats > 0) {
    sizes.members = seqs;
    sizes.prefix_items = seqs / 2 + 1;
  }
  if (!kernels.split_floats || limits.num_workers < 2 || limits.max_seq_len <= kSplitKeys) return sizes;
  // Items above a quota are fewer than the quotas, and each is divided into one subitem more than its quotas.
  const uint64_t quotas = uint64_t{limits.num_workers} * static_cast<uint64_t>(shape.tuning.items_per_worker);
  const auto heads = static_cast<uint64_t>(shape.num_kv_heads);
  sizes.items += 2 * quotas;
  if (sizes.members > 0) sizes.prefix_items += 2 * quotas;
  sizes.counters = quotas * heads;
  const uint64_t splits = static_cast<uint64_t>(limits.max_seq_len) / kSplitKeys + 1;
  const int64_t decode = kernels.split_floats(shape, std::min(shape.group, shape.item_rows));
  sizes.partial_floats =
      std::max<uint64_t>(uint64_t{limits.num_workers} << 19, heads * splits * static_cast<uint64_t>(decode));
  return sizes;
}

Partition partition(const AttentionShape& shape, const AttentionKernels& kernels, const PartitionSizes& sizes,
                    uint32_t num_workers, const attnrt_batch& b, PrefixMember* members, AttentionItem* items) noexcept {
  Partition parts{};
  CommonPrefix prefix{};
  if (sizes.members > 0 && b.common_prefix_len > 0) {
    prefix = find_common_prefix(shape, kernels, b, sizes.state_floats, members);
    parts.prefix_items = split_items(shape, kernels, sizes, num_workers, b, items,
                                     make_prefix_items(shape, b, prefix, members, items), sizes.prefix_items);
    order_items(shape, b, items, parts.prefix_items, [](const AttentionItem&) { return false; });
    items += parts.prefix_items;
  }
  int64_t num_items = 0;
  for (int32_t r = 0; r < b.num_seqs; ++r) num_items += num_workers < 2 ? 1 : b.seq_lens[r] / kSplitKeys + 1;
  int32_t member = 0;
  for (int32_t r = 0; r < b.num_seqs; ++r) {
    const int64_t rows = (int64_t{b.query_start_loc[r + 1]} - b.query_start_loc[r]) * shape.group;
    const bool is_member = member < prefix.num_members && members[member].request == r;
    for (int64_t at = 0; at < rows; at += shape.item_rows) {
      AttentionItem item{};
      item.request = r;
      item.rows = static_cast<int32_t>(std::min<int64_t>(shape.item_rows, rows - at));
      item.heads = heads_together(shape, num_workers, num_items, item.rows);
      item.first_row = at;
      item.slot = -1;
      item.prefix_keys = is_member ? prefix.keys : 0;
      item.first_member = member;
      item.cost = cost_of(shape, b, item) * item.heads;
      items[parts.items++] = item;
    }
    member += is_member;
  }
  parts.items = split_items(shape, kernels, sizes, num_workers, b, items, parts.items, sizes.items);
  if (mixes(shape) && kernels.split_floats) count_overlap(shape, b, items, parts);
  order_items(shape, b, items, parts.items,
              [&](const AttentionItem& item) { return parts.num_decode_items > 0 && is_decode(shape, item); });
  return parts;
}

}  // namespace attnrt::cpu
