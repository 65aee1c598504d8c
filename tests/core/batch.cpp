// SPDX-License-Identifier: Apache-2.0
// The batch that fills itself: what follows from its requests, what it refuses, that it allocates nothing.
#include "engine.hpp"

using Catch::Matchers::Contains;

namespace {

template <class T>
std::vector<T> all(const T* data, std::size_t size) {
  return {data, data + size};
}
std::vector<int32_t> all(attnrt::Span<int32_t> span) { return {span.begin(), span.end()}; }
std::vector<int64_t> slots_of(const attnrt::Batch& batch) {
  const attnrt::Tensor slots = batch.slots();
  return all(static_cast<const int64_t*>(slots.get()->data), static_cast<std::size_t>(slots.size(0)));
}

/// A causal decoder in blocks of 16 with room for 3 requests, 40 tokens, 64 keys each.
attnrt_problem paged() {
  auto p = attnrt::sized<attnrt_problem>();
  p.device_type = ATTNRT_DEVICE_CPU;
  p.kv_layouts = ATTNRT_KV_NHD;
  p.block_size = 16;
  p.causal = ATTNRT_CAUSAL_ALWAYS;
  p.decode_query_len = 1;
  return p;
}
attnrt_limits room() {
  attnrt::Limits limits(3, 40, 64);
  limits.num_blocks = 12, limits.max_blocks_per_seq = 4;
  return limits;
}

}  // namespace

TEST_CASE("offsets, maxima, tables and slots follow from the requests") {
  attnrt::Batch batch(paged(), room());
  CHECK(batch.view().num_seqs == 0);
  CHECK(batch.view().query_start_loc[0] == 0);
  for (int step = 0; step < 2; ++step) {
    batch.clear();
    const std::vector<int32_t> blocks{7, 3, 11, 4, 9};  // longer than the keys need
    batch.add({3, 34, blocks});
    batch.add({18, 18, {1, 5}});
    batch.add({1, 17, {2, 8}});
    const attnrt_batch b = batch.view();
    CHECK(b.num_seqs == 3);
    CHECK(b.num_tokens == 22);
    CHECK(b.max_query_len == 18);
    CHECK(b.max_seq_len == 34);
    CHECK(b.num_decodes == 0);
    CHECK(all(b.query_start_loc, 4) == std::vector<int32_t>{0, 3, 21, 22});
    CHECK(all(b.seq_lens, 3) == std::vector<int32_t>{34, 18, 17});
    CHECK(b.query_start_loc_host == b.query_start_loc);
    CHECK(b.seq_lens_host == b.seq_lens);
    CHECK(b.kv_start_loc == nullptr);
    CHECK(b.kv_lens == nullptr);
    CHECK(b.causal == nullptr);
    CHECK(b.block_table_width == 4);
    CHECK(b.block_table_stride == 4);
    CHECK(all(b.block_table, 3) == std::vector<int32_t>{7, 3, 11});
    CHECK(all(b.block_table + 4, 2) == std::vector<int32_t>{1, 5});
    CHECK(all(b.block_table + 8, 2) == std::vector<int32_t>{2, 8});
    std::vector<int64_t> slots{3 * 16 + 15, 11 * 16, 11 * 16 + 1};
    for (int i = 0; i < 18; ++i) slots.push_back(i < 16 ? 16 + i : 5 * 16 + i - 16);
    slots.push_back(8 * 16);
    CHECK(slots_of(batch) == slots);
  }
}

TEST_CASE("a whole batch from spans, with the table of an engine") {
  attnrt::Batch one(paged(), room()), other(paged(), room());
  const std::vector<int32_t> queries{3, 1}, lens{34, 17}, table{7, 3, 11, -1, -1, 2, 8, -1, -1, -1};
  one.add({1, 1, {6}});  // gone after assign
  one.assign(queries, lens, table, 5);
  other.add({3, 34, {7, 3, 11}});
  other.add({1, 17, {2, 8}});
  CHECK(slots_of(one) == slots_of(other));
  CHECK(all(one.query_start_loc()) == all(other.query_start_loc()));
  CHECK(all(one.seq_lens()) == all(other.seq_lens()));
  CHECK(one.block_table().size() == 8);
  CHECK(one.block_table()[5] == 8);

  const auto before = slots_of(one);
  CHECK_THAT(refused([&] { one.assign(queries, lens, table, 4); }),
             Contains("2 query lengths, 2 sequence lengths and 10 block ids in rows of 4, wanted a length and a row"));
  CHECK_THAT(refused([&] { one.assign(queries, {34}, table, 5); }), Contains("1 sequence lengths"));
  CHECK_THAT(refused([&] {
               one.assign(queries, {34, 90}, table, 5);
             }),
             Contains("request 1 has seq_len 90, wanted 1 (its query) to max_seq_len 64"));
  CHECK_THAT(refused([&] { one.assign(queries, lens); }), Contains("request 0 has 0 blocks, wanted 3"));
  CHECK(slots_of(one) == before);
  CHECK(one.num_seqs() == 2);
}

TEST_CASE("what has no room is refused, and nothing is lost") {
  attnrt::Batch batch(paged(), room());
  batch.add({1, 17, {2, 8}});
  const auto says = [&](const attnrt::Request& request, const char* fragment) {
    const auto slots = slots_of(batch);
    const int32_t seqs = batch.num_seqs();
    CHECK_THAT(refused([&] { batch.add(request); }), Contains(fragment));
    CHECK(slots_of(batch) == slots);
    CHECK(batch.num_seqs() == seqs);
    CHECK(batch.view().max_seq_len == 17);
  };
  says({-1, 17, {2, 8}}, "batch: request 1 has query_len -1, wanted 0 to max_query_len 40");
  says({41, 64, {1, 2, 3, 4}}, "request 1 has query_len 41, wanted 0 to max_query_len 40");
  says({40, 40, {1, 2, 3}}, "request 1 has query_len 40, wanted at most 39 of max_tokens 40");
  says({2, 1, {2}}, "request 1 has seq_len 1, wanted 2 (its query) to max_seq_len 64");
  says({1, 65, {1, 2, 3, 4, 5}}, "request 1 has seq_len 65, wanted 1 (its query) to max_seq_len 64");
  says({1, 33, {1, 2}}, "request 1 has 2 blocks, wanted 3 for 33 keys in blocks of 16");
  says({1, 17, {1, 2}, 99}, "request 1 has kv_len 99, wanted 0 to max_seq_len 64 or -1 (seq_len)");
  says({1, 17, {1, 2}, -1, false}, "request 1 has causal set, wanted a problem with CAUSAL_PER_REQUEST");
  says({1, 17, {1, 2}, -1, {}, 3},
       "request 1 has window_prefix_len 3, wanted a problem with the feature WINDOW_PREFIX");
  batch.add({1, 1, {3}});
  batch.add({1, 1, {4}});
  says({1, 1, {5}}, "request 3 is one too many, wanted at most max_seqs 3");

  attnrt_limits narrow = room();
  narrow.max_blocks_per_seq = 2;
  attnrt::Batch small(paged(), narrow);
  CHECK_THAT(refused([&] {
               small.add({1, 40, {1, 2, 3}});
             }),
             Contains("request 0 needs 3 blocks for 40 keys, wanted at most max_blocks_per_seq 2"));
}

TEST_CASE("batches without a cache, of cross attention, with flags of each request") {
  attnrt_problem p = paged();
  p.kv_layouts = ATTNRT_KV_CONTIGUOUS;
  p.block_size = 0;
  attnrt::Batch dense(p, attnrt::Limits(3, 40, 64).with_kv_tokens(50));
  dense.add({5, 5});
  dense.add({7, 20});
  CHECK(all(dense.view().kv_start_loc, 3) == std::vector<int32_t>{0, 5, 25});
  CHECK(dense.view().block_table == nullptr);
  CHECK(dense.slots().size(0) == 0);
  CHECK_THAT(refused([&] {
               dense.add({1, 26});
             }),
             Contains("request 2 has 26 keys, wanted at most 25 of max_kv_tokens 50"));
  CHECK_THAT(refused([&] { dense.add({1, 1, {0}}); }), Contains("request 2 has 1 blocks, wanted none: the op has no"));

  // More queries than keys: the first ones see none. Where a cache holds the query's own keys that is a mistake.
  dense.clear();
  dense.add({5, 2});
  dense.add({3, 0});
  CHECK(all(dense.view().seq_lens, 2) == std::vector<int32_t>{2, 0});
  CHECK(all(dense.view().kv_start_loc, 3) == std::vector<int32_t>{0, 2, 2});
  CHECK(dense.view().max_seq_len == 2);
  CHECK_THAT(refused([&] { dense.add({5, -1}); }), Contains("request 2 has seq_len -1, wanted 0 to max_seq_len 64"));

  // Rows that lie unused before and between requests: a padded batch, a cache with room for more keys.
  dense.clear();
  attnrt::Request request{1, 5};
  request.kv_start = 3;
  dense.add(request);
  dense.add({2, 4});
  request.kv_start = 40;
  dense.add(request);
  CHECK(all(dense.view().kv_start_loc, 4) == std::vector<int32_t>{3, 8, 40, 45});
  CHECK(all(dense.view().kv_lens, 3) == std::vector<int32_t>{5, 4, 5});
  dense.clear();
  CHECK(dense.view().kv_lens == nullptr);
  dense.add({5, 5});
  CHECK_THAT(refused([&] {
               dense.add(request = {1, 5, {}, -1, {}, 0, 4});
             }),
             Contains("request 1 has kv_start 4, wanted at least 5, where the one before ends"));
  CHECK_THAT(refused([&] {
               dense.add(request = {1, 5, {}, -1, {}, 0, 46});
             }),
             Contains("request 1 has 5 keys, wanted at most 4 of max_kv_tokens 50"));
  CHECK_THAT(refused([&] { dense.add(request = {1, 5, {}, -1, {}, 0, -2}); }), Contains("request 1 has kv_start -2"));

  attnrt::Batch cross(paged(), room());
  CHECK_THAT(refused([&] { cross.add({1, 4, {4}, -1, {}, 0, 0}); }), Contains("request 0 has kv_start 0, wanted -1"));
  cross.add({2, 9, {1, 2, 3}, 33});
  cross.add({1, 4, {4}});
  CHECK(all(cross.view().kv_lens, 2) == std::vector<int32_t>{33, 4});
  CHECK(all(cross.view().block_table, 3) == std::vector<int32_t>{1, 2, 3});
  CHECK(slots_of(cross) == std::vector<int64_t>{-1, -1, 4 * 16 + 3});

  p = paged();
  p.causal = ATTNRT_CAUSAL_PER_REQUEST;
  p.features = ATTNRT_FEATURE_WINDOW_PREFIX;
  p.provides = ATTNRT_DECODES_FIRST;
  attnrt::Batch flags(p, room());
  flags.add({1, 4, {4}, -1, {}, 2});
  flags.add({1, 4, {5}, -1, false});
  flags.add({6, 6, {6}});
  CHECK(all(flags.view().causal, 3) == std::vector<uint8_t>{1, 0, 1});
  CHECK(all(flags.view().window_prefix_lens, 3) == std::vector<int32_t>{2, 0, 0});
  CHECK(flags.view().num_decodes == 2);

  p = paged();
  p.device_type = ATTNRT_DEVICE_CUDA;
  attnrt::Batch device(p, room());
  device.add({1, 4, {4}});
  device.set_common_prefix_len(3);
  const attnrt_batch b = device.view();
  CHECK(b.query_start_loc == nullptr);  // device memory is the engine's
  CHECK(b.block_table == nullptr);
  CHECK(b.query_start_loc_host[1] == 1);
  CHECK(b.seq_lens_host[0] == 4);
  CHECK(b.common_prefix_len == 3);
  device.clear();
  CHECK(device.view().common_prefix_len == 0);
}

TEST_CASE("requests of a cache may have more keys together than 32 bits count") {
  attnrt_problem p = paged();
  p.block_size = 1 << 20;
  attnrt_limits limits = attnrt::Limits(3, 3, 1'500'000'000);
  limits.max_blocks_per_seq = 1431;
  attnrt::Batch batch(p, limits);
  const std::vector<int32_t> blocks(1431, 2047);
  for (int r = 0; r < 3; ++r) batch.add({1, 1'500'000'000, blocks});
  CHECK(batch.view().max_seq_len == 1'500'000'000);
  CHECK(slots_of(batch)[2] == int64_t{2047} * (1 << 20) + 1'499'999'999 % (1 << 20));
}

TEST_CASE("a step reuses the arrays of the one before") {
  attnrt::Batch batch(paged(), room());
  const auto fill = [&](int32_t seed) {
    batch.clear();
    for (int32_t r = 0; r < 3; ++r) batch.add({12, 40 + seed + r, {3, 2, 1}});
  };
  fill(0);
  const attnrt_batch first = batch.view();
  const void* slots = batch.slots().get()->data;
  for (int32_t step = 1; step < 6; ++step) {
    fill(step);
    const attnrt_batch b = batch.view();
    CHECK(b.query_start_loc == first.query_start_loc);
    CHECK(b.seq_lens == first.seq_lens);
    CHECK(b.block_table == first.block_table);
    CHECK(batch.slots().get()->data == slots);
  }
}
