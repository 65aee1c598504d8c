// SPDX-License-Identifier: Apache-2.0
//
// The reference on cases small enough to work out by hand.
#include "conformance/reference.hpp"

#include <catch2/catch.hpp>
#include <cmath>

#include "conformance/case.hpp"

using namespace attnrt::conformance;

namespace {

// One head of size 1, scale 1: the score of a key is q * k.
attnrt_problem tiny(uint32_t causal) {
  attnrt_problem p = empty_problem(0);
  p.family = ATTNRT_FAMILY_STANDARD;
  p.attn_type = ATTNRT_ATTN_DECODER;
  p.causal = causal;
  p.num_heads = p.num_kv_heads = p.head_size_qk = p.head_size_v = 1;
  return p;
}

RequestData request(int32_t query_len, std::vector<float> k, std::vector<float> v) {
  RequestData r;
  r.query_len = query_len;
  r.seq_len = r.num_keys = static_cast<int32_t>(k.size());
  r.q.assign(static_cast<std::size_t>(query_len), 1.0f);
  r.k = std::move(k);
  r.v = std::move(v);
  return r;
}

Row row_of(const attnrt_problem& p, const Operands& o, const RequestData& r, int32_t i, int32_t h = 0) {
  Row row;
  reference_row(p, o, r, i, h, row);
  return row;
}

const float ln2 = std::log(2.0f), ln3 = std::log(3.0f);

}  // namespace

TEST_CASE("two keys of weights 1 and 3") {
  const RequestData r = request(1, {0.0f, ln3}, {4.0f, -8.0f});
  const Row row = row_of(tiny(ATTNRT_CAUSAL_ALWAYS), {}, r, 0);
  CHECK(row.out[0] == Approx(-5.0));  // (4 - 24) / 4
  CHECK(row.bound[0] == Approx(7.0));
  CHECK(row.lse == Approx(std::log(4.0)));
}

TEST_CASE("causality is bottom-right") {
  const RequestData r = request(2, {0, 0, 0}, {1, 3, 8});  // queries stand at 1 and 2
  CHECK(row_of(tiny(ATTNRT_CAUSAL_ALWAYS), {}, r, 0).out[0] == Approx(2.0));
  CHECK(row_of(tiny(ATTNRT_CAUSAL_ALWAYS), {}, r, 1).out[0] == Approx(4.0));
  CHECK(row_of(tiny(ATTNRT_CAUSAL_NEVER), {}, r, 0).out[0] == Approx(4.0));
  RequestData own = r;
  own.causal = false;
  CHECK(row_of(tiny(ATTNRT_CAUSAL_PER_REQUEST), {}, own, 0).out[0] == Approx(4.0));
}

TEST_CASE("windows count keys on each side, and may leave none") {
  attnrt_problem p = tiny(ATTNRT_CAUSAL_NEVER);
  p.window_left = 1;
  p.window_right = 0;
  const RequestData r = request(4, {0, 0, 0, 0}, {1, 3, 5, 7});
  CHECK(row_of(p, {}, r, 0).out[0] == Approx(1.0));
  CHECK(row_of(p, {}, r, 2).out[0] == Approx(4.0));
  p.window_right = 1;
  CHECK(row_of(p, {}, r, 2).out[0] == Approx(5.0));
  RequestData far = request(1, {0, 0}, {1, 3});
  far.seq_len = 10;
  const Row none = row_of(p, {}, far, 0);
  CHECK(none.out[0] == 0.0);
  CHECK(none.lse == -HUGE_VAL);
  Operands sink;
  sink.sinks = {2.5f};
  CHECK(row_of(p, sink, far, 0).lse == Approx(2.5));
  CHECK(row_of(p, sink, far, 0).out[0] == 0.0);
}

TEST_CASE("softcap comes before ALiBi, a sink is a logit without a value") {
  attnrt_problem p = tiny(ATTNRT_CAUSAL_ALWAYS);
  p.softcap = 2.0f;
  RequestData r = request(1, {6.0f}, {5.0f});
  CHECK(row_of(p, {}, r, 0).lse == Approx(2 * std::tanh(3.0)));
  p.softcap = 0;
  r = request(1, {0, 0, 0}, {8, 8, 1});
  Operands o;
  o.alibi_slopes = {ln2};  // weights 1/4, 1/2, 1
  CHECK(row_of(p, o, r, 0).out[0] == Approx((2.0 + 4.0 + 1.0) / 1.75));
  o.sinks = {std::log(0.25f)};
  CHECK(row_of(p, o, r, 0).out[0] == Approx(3.5));
  CHECK(row_of(p, o, r, 0).lse == Approx(ln2));
}

TEST_CASE("groups of query heads share a KV head, scales apply, a latent is its own V") {
  attnrt_problem p = tiny(ATTNRT_CAUSAL_ALWAYS);
  p.num_heads = 4;
  p.num_kv_heads = 2;
  RequestData r;
  r.query_len = r.seq_len = r.num_keys = 1;
  r.q = {1, 1, 1, 1};
  r.k = {1, 2};
  r.v = {10, 20};
  Operands o;
  o.k_scale = {1.0f, 0.5f};
  o.v_scale = {2.0f};
  CHECK(row_of(p, o, r, 0, 1).out[0] == Approx(20));
  CHECK(row_of(p, o, r, 0, 2).out[0] == Approx(40));
  CHECK(row_of(p, o, r, 0, 2).lse == Approx(1.0));
  attnrt_problem one = tiny(ATTNRT_CAUSAL_ALWAYS);
  RequestData rows = request(1, {0.0f, 2.0f}, {4.0f, -8.0f});
  rows.k_row_scale = {1.0f, ln3 / 2};  // weights 1 and 3
  rows.v_row_scale = {0.5f, 2.0f};
  CHECK(row_of(one, {}, rows, 0).out[0] == Approx((2.0 - 48.0) / 4));
  CHECK(row_of(one, {}, rows, 0).bound[0] == Approx(12.5));
  attnrt_problem mla = tiny(ATTNRT_CAUSAL_ALWAYS);
  mla.family = ATTNRT_FAMILY_MLA;
  mla.head_size_qk = 2;
  RequestData latent;
  latent.query_len = 1;
  latent.seq_len = latent.num_keys = 2;
  latent.q = {0, 1};
  latent.k = {4, 0, -8, ln3};
  CHECK(row_of(mla, {}, latent, 0).out[0] == Approx(-5.0));
}

TEST_CASE("masks of every other kind") {
  attnrt_problem p = tiny(ATTNRT_CAUSAL_ALWAYS);
  RequestData r = request(2, {0, 0, 0, 0}, {1, 2, 4, 8});  // queries at 2 and 3
  r.prefix_ranges = {2, 3, -1, -1};
  CHECK(row_of(p, {}, r, 0).out[0] == Approx(15.0 / 4));
  r.prefix_ranges.clear();
  r.tree_mask = {0, -INFINITY, -INFINITY, 0};  // the second does not see the first
  CHECK(row_of(p, {}, r, 1).out[0] == Approx(11.0 / 3));
  CHECK(row_of(p, {}, r, 0).out[0] == Approx(7.0 / 3));
  r.tree_mask.clear();
  r.dense_mask = {0, -INFINITY, -INFINITY, 0, -INFINITY, 0, 0, ln2};
  CHECK(row_of(p, {}, r, 0).out[0] == Approx(1.0));
  CHECK(row_of(p, {}, r, 1).out[0] == Approx((2 + 4 + 16) / 4.0));
  r.dense_mask.clear();
  p.sparse_topk = 2;
  r.sparse_indices = {0, -1, 1, 3};
  CHECK(row_of(p, {}, r, 0).out[0] == Approx(1.0));
  CHECK(row_of(p, {}, r, 1).out[0] == Approx(5.0));
  p.sparse_topk = 0;
  Operands sparse;
  sparse.block_sparse = {sizeof(attnrt_block_sparse), 1, 1, 2, 0, 0};  // itself, and keys 1, 3, 5 ...
  CHECK(row_of(p, sparse, r, 0).out[0] == Approx(3.0));
  p.window_left = 0;
  r.window_prefix = 1;
  CHECK(row_of(p, {}, r, 1).out[0] == Approx(4.5));
}

TEST_CASE("a context-parallel rank sees where its keys stand") {
  attnrt_problem p = tiny(ATTNRT_CAUSAL_ALWAYS);
  p.cp_size = 2;
  p.cp_rank = 1;
  p.cp_interleave = 2;  // local keys stand at 2, 3, 6, 7
  CHECK(key_position(p, 0) == 2);
  CHECK(key_position(p, 3) == 7);
  RequestData r = request(1, {0, 0, 0}, {1, 3, 5});
  r.seq_len = 4;
  CHECK(row_of(p, {}, r, 0).out[0] == Approx(2.0));
}

TEST_CASE("plain fp32 attention agrees, over parts of the keys too") {
  const RequestData r = request(1, {0.0f, ln3, 1.0f}, {4.0f, -8.0f, 2.0f});
  std::vector<float> out;
  float lse = 0;
  plain_row(tiny(ATTNRT_CAUSAL_ALWAYS), {}, r, 0, 0, 0, 2, out, lse);
  CHECK(out[0] == Approx(-5.0));
  CHECK(lse == Approx(std::log(4.0)));
}

TEST_CASE("what may be flushed to zero grows with the keys that a row sees") {
  const auto flushed = [](const Operands& o, int32_t keys, float key, float value) {
    const auto n = static_cast<std::size_t>(keys);
    const RequestData r = request(1, std::vector<float>(n, key), std::vector<float>(n, value));
    return row_of(tiny(ATTNRT_CAUSAL_ALWAYS), o, r, 0).flushed / kLeastNormal;
  };
  // Of each key a product and a sum, by the sum of the weights, and the result.
  CHECK(flushed({}, 1, 0, 1) == Approx(3));
  CHECK(flushed({}, 50, 0, 1) == Approx(3));
  Operands sink;  // of weight 1 beside keys of weight 1/e^2
  sink.sinks = {0};
  CHECK(flushed(sink, 50, -2, 1) == Approx(100 / (1 + 50 * std::exp(-2.0)) + 1));
  CHECK(flushed(sink, 50, -200, 1) == Approx(101));  // the weights are far below the least normal number: all of them
  sink.v_scale = {8};
  CHECK(flushed(sink, 50, -200, 1) == Approx(801));
  // A weight that is flushed takes its whole value with it.
  sink.v_scale = {};
  const double weight = std::exp(-87.5);
  REQUIRE(weight < kLeastNormal);
  CHECK(flushed(sink, 1, -87.5f, 1000) == Approx(3 + 1000 * weight / kLeastNormal));
}
