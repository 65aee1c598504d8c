// SPDX-License-Identifier: Apache-2.0
//
// The order in which cpu_attn attends a batch: every row, key and head once, long items first, and the items that read
// the same keys one after the other for each head.
#include <algorithm>
#include <catch2/catch.hpp>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "../../plugins/cpu_attn/kernels/partition.hpp"

using namespace attnrt::cpu;

namespace {

constexpr int32_t kHeads = 8, kGroup = 4, kWorkers = 4;

AttentionShape shape_of(bool native) {
  AttentionShape shape{};
  shape.num_heads = kHeads * kGroup;
  shape.num_kv_heads = kHeads;
  shape.group = kGroup;
  shape.head_size_qk = shape.head_size_v = 128;
  shape.block_size = 64;
  shape.item_rows = 144;
  shape.tile_keys = 256;
  shape.native = native;
  shape.in_place_rows = native ? 0 : 6;
  shape.features = ATTNRT_FEATURE_COMMON_PREFIX;
  shape.causal = ATTNRT_CAUSAL_ALWAYS;
  shape.window_left = shape.window_right = -1;
  shape.cp_size = shape.cp_interleave = 1;
  return shape;
}

AttentionKernels panel_kernels() {
  AttentionKernels kernels{};
  kernels.split_floats = [](const AttentionShape&, int64_t rows) -> int64_t { return rows * 256; };
  return kernels;
}

struct Ordered {
  std::vector<AttentionItem> items;
  std::vector<PrefixMember> members;
  Partition parts;
};

/// A batch of (new tokens, all tokens).
Ordered order(const AttentionShape& shape, const std::vector<std::pair<int32_t, int32_t>>& seqs, int32_t prefix = 0) {
  const AttentionKernels kernels = panel_kernels();
  std::vector<int32_t> starts{0}, lens;
  attnrt_limits limits{};
  for (const auto& [tokens, all] : seqs) {
    starts.push_back(starts.back() + tokens);
    lens.push_back(all);
    limits.max_query_len = std::max(limits.max_query_len, tokens);
    limits.max_seq_len = std::max(limits.max_seq_len, all);
  }
  attnrt_batch batch{};
  batch.num_seqs = limits.max_seqs = static_cast<int32_t>(seqs.size());
  batch.num_tokens = limits.max_tokens = starts.back();
  batch.max_query_len = limits.max_query_len;
  batch.max_seq_len = limits.max_seq_len;
  batch.query_start_loc = starts.data();
  batch.seq_lens = lens.data();
  batch.common_prefix_len = prefix;
  limits.num_workers = kWorkers;
  const PartitionSizes sizes = partition_sizes(shape, kernels, limits);
  Ordered ordered{
      std::vector<AttentionItem>(sizes.prefix_items + sizes.items), std::vector<PrefixMember>(sizes.members), {}};
  ordered.parts = partition(shape, kernels, sizes, kWorkers, batch, ordered.members.data(), ordered.items.data());
  return ordered;
}

/// Each item and head once; a run's heads one after the other, its items of one request or of members; costs fall, but
/// for less than twofold in a run. Returns the length of the longest run.
int64_t check_tasks(const AttentionItem* items, int64_t count) {
  std::set<std::pair<const AttentionItem*, int32_t>> seen;
  int64_t longest = 0;
  for (int64_t i = 0; i < count * kHeads; ++i) {
    const AttentionTask task = task_at(items, kHeads, i);
    REQUIRE((task.item >= items && task.item < items + count && task.kv_head >= 0 && task.kv_head < kHeads));
    REQUIRE(seen.insert({task.item, task.kv_head}).second);
    const AttentionItem& item = *task.item;
    longest = std::max(longest, item.cluster_items);
    if (i == 0) continue;
    const AttentionTask before = task_at(items, kHeads, i - 1);
    if (before.item->cluster_begin != item.cluster_begin) {
      CHECK(before.kv_head == kHeads - 1);
      continue;
    }
    CHECK((task.kv_head == before.kv_head ||
           (task.kv_head == before.kv_head + 1 && item.cluster_begin == &item - items)));
    CHECK(item.is_prefix() == before.item->is_prefix());
    if (!item.is_prefix()) CHECK(item.request == before.item->request);
  }
  for (int64_t i = 0; i < count; ++i)
    for (int64_t j = i + 1; j < count; ++j) CHECK(items[j].cost < 2 * items[i].cost);
  return longest;
}

/// Every row of every request once, with all splits of its keys.
void check_rows(const AttentionItem* items, int64_t count, const std::vector<std::pair<int32_t, int32_t>>& seqs) {
  std::set<std::tuple<int32_t, int64_t, int32_t>> seen;  // request, row, split or -1
  std::vector<int64_t> rows(seqs.size());
  for (const AttentionItem* item = items; item < items + count; ++item)
    for (int64_t row = item->first_row; row < item->first_row + item->rows; ++row) {
      if (item->slot < 0 || item->first_split == 0) ++rows[static_cast<std::size_t>(item->request)];
      if (item->slot < 0) CHECK(seen.insert({item->request, row, -1}).second);
      for (int32_t split = item->first_split; item->slot >= 0 && split < item->last_split; ++split)
        CHECK(seen.insert({item->request, row, split}).second);
    }
  for (std::size_t r = 0; r < seqs.size(); ++r) CHECK(rows[r] == seqs[r].first * kGroup);
}

}  // namespace

TEST_CASE("each task of a batch is attended once, runs head by head, long ones first") {
  const std::vector<std::vector<std::pair<int32_t, int32_t>>> batches = {
      {{2048, 2048}},
      {{1024, 1024}, {1024, 1024}, {700, 700}, {36, 36}},
      {{1, 4096}, {1, 17}, {1, 9000}},
      {{4, 40000}},
      {{72, 2048}},
      {{1, 30000}, {5, 20000}, {300, 8192}},
      {{0, 5}, {1, 1}},
  };
  for (const bool native : {false, true})
    for (const auto& seqs : batches) {
      const Ordered ordered = order(shape_of(native), seqs);
      const int64_t first = ordered.parts.items - ordered.parts.num_decode_items;
      check_tasks(ordered.items.data(), first);
      check_rows(ordered.items.data(), ordered.parts.items, seqs);
      for (int64_t i = first; i < ordered.parts.items; ++i) {
        CHECK(ordered.items[static_cast<std::size_t>(i)].cluster_begin == i);
        CHECK(ordered.items[static_cast<std::size_t>(i)].cluster_items == 1);
      }
    }
}

TEST_CASE("tiles of one request make runs, pieces and requests with one item do not") {
  const AttentionShape shape = shape_of(true);
  const Ordered prefill = order(shape, {{2048, 2048}});
  CHECK(check_tasks(prefill.items.data(), prefill.parts.items) > prefill.parts.items / 4);
  const Ordered decode = order(shape, {{1, 4096}, {1, 4096}, {1, 4096}});
  CHECK(check_tasks(decode.items.data(), decode.parts.items) == 1);
  const Ordered chunk = order(shape, {{2, 40000}});
  REQUIRE(chunk.parts.items > 1);
  CHECK(check_tasks(chunk.items.data(), chunk.parts.items) == 1);
  const Ordered cut = order(shape, {{72, 2048}});  // two items, of which the longer one is cut
  REQUIRE(cut.parts.items == 3);
  CHECK(check_tasks(cut.items.data(), cut.parts.items) == 1);
}

TEST_CASE("members of a prefix make a run") {
  const std::vector<std::pair<int32_t, int32_t>> seqs(64, {4, 1100});
  const Ordered ordered = order(shape_of(true), seqs, 1024);
  REQUIRE(ordered.parts.prefix_items > 1);
  CHECK(check_tasks(ordered.items.data(), ordered.parts.prefix_items) == ordered.parts.prefix_items);
}
