// SPDX-License-Identifier: Apache-2.0
// A layer through the C++ face alone: presets, owning cache, batch and tensors, in every layout and dtype, against
// plain attention in double.
#include "engine.hpp"

using Catch::Matchers::Contains;

namespace {

constexpr int64_t kHeads = 4, kKvHeads = 2, kSize = 32;

/// Rows of noise as an element type holds them; the reference reads the same rounded values.
template <class T>
std::vector<T> noise(int64_t count, float seed) {
  std::vector<T> data(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = T(std::sin(seed + 0.37f * static_cast<float>(i)));
  return data;
}

/// One request: all its tokens so far, and how many of them are new in the step at hand.
template <class T>
struct Sequence {
  std::vector<T> q, k, v;  // [tokens, heads, kSize]
  std::vector<int32_t> blocks;
  int32_t tokens = 0;
  void grow(int32_t by, float seed) {
    const auto append = [](std::vector<T>& to, const std::vector<T>& more) {
      to.insert(to.end(), more.begin(), more.end());
    };
    append(q, noise<T>(by * kHeads * kSize, seed + static_cast<float>(tokens)));
    append(k, noise<T>(by * kKvHeads * kSize, seed + 1 + static_cast<float>(tokens)));
    append(v, noise<T>(by * kKvHeads * kSize, seed + 2 + static_cast<float>(tokens)));
    tokens += by;
  }
  /// The largest distance of the output of token t from attention over keys [0, seen) in double.
  double error(const T* out, int64_t t, int64_t seen, double scale) const {
    double worst = 0;
    for (int64_t h = 0; h < kHeads; ++h) {
      const int64_t kv = h / (kHeads / kKvHeads);
      const auto at = [](const std::vector<T>& from, int64_t row, int64_t heads, int64_t head, int64_t d) {
        return double{static_cast<float>(from[static_cast<std::size_t>((row * heads + head) * kSize + d)])};
      };
      double sum = 0, acc[kSize] = {};
      for (int64_t j = 0; j < seen; ++j) {
        double s = 0;
        for (int64_t d = 0; d < kSize; ++d) s += at(q, t, kHeads, h, d) * at(k, j, kKvHeads, kv, d);
        const double w = std::exp(s * scale);
        sum += w;
        for (int64_t d = 0; d < kSize; ++d) acc[d] += w * at(v, j, kKvHeads, kv, d);
      }
      for (int64_t d = 0; d < kSize; ++d) {
        const double by = std::abs(double{static_cast<float>(out[h * kSize + d])} - acc[d] / sum);
        if (!(by <= worst)) worst = std::isnan(by) ? std::numeric_limits<double>::infinity() : by;
      }
    }
    return worst;
  }
};

/// May a plan be updated with this kind of batch?
template <class P, class B, class = void>
struct updates : std::false_type {};
template <class P, class B>
struct updates<P, B, std::void_t<decltype(std::declval<P&>().update(std::declval<B>()))>> : std::true_type {};

/// A few steps of three requests that grow by prefill, chunk and decode. The largest error of all outputs.
template <class T>
double decode_loop(const attnrt::Runtime& rt, uint32_t dtype, uint32_t layout) {
  const attnrt_executor* pool = rt.executor(2);
  const attnrt::Op op =
      rt.op(rt.select(rt.decoder(kHeads, kKvHeads, kSize, dtype, "cpu").with_kv_layouts(layout).with_block_size(16)));
  CHECK(op.kv_layout().kind == layout);
  attnrt::KvCache cache = op.make_cache(16);
  std::fill(cache.data(), cache.data() + cache.bytes(), std::byte{0xff});  // NaN in every dtype: unwritten slots show
  const auto limits = attnrt::Limits(4, 64, 80).with_cache(cache).with_executor(pool);
  attnrt::Plan plan = op.plan(limits);
  attnrt::Batch batch = op.make_batch(limits);
  std::vector<Sequence<T>> sequences(3);
  int32_t next_block = 15;  // handed out backwards, as a free list would
  const int32_t steps[][3] = {{20, 0, 5}, {1, 33, 1}, {1, 1, 1}, {2, 1, 12}, {1, 1, 1}};
  double worst = 0;
  for (const auto& news : steps) {
    std::vector<T> q, k, v;
    batch.clear();
    for (std::size_t r = 0; r < 3; ++r) {
      Sequence<T>& s = sequences[r];
      s.grow(news[r], static_cast<float>(r));
      while (static_cast<int32_t>(s.blocks.size()) < cache.blocks_for(s.tokens)) s.blocks.push_back(next_block--);
      batch.add({news[r], s.tokens, s.blocks});
      q.insert(q.end(), s.q.end() - news[r] * kHeads * kSize, s.q.end());
      k.insert(k.end(), s.k.end() - news[r] * kKvHeads * kSize, s.k.end());
      v.insert(v.end(), s.v.end() - news[r] * kKvHeads * kSize, s.v.end());
    }
    const int64_t tokens = batch.num_tokens();
    std::vector<T> out(q.size());
    plan.update(batch, pool);
    op.write({k, {tokens, kKvHeads, kSize}}, {v, {tokens, kKvHeads, kSize}}, batch.slots(), cache, pool);
    const attnrt::Plan& constant = plan;
    constant.run({q, {tokens, kHeads, kSize}}, cache, {out, {tokens, kHeads, kSize}}, pool);
    int64_t row = 0;
    for (std::size_t r = 0; r < 3; ++r)
      for (int32_t i = 0; i < news[r]; ++i, ++row) {
        const int64_t t = sequences[r].tokens - news[r] + i;
        worst = std::max(worst, sequences[r].error(out.data() + row * kHeads * kSize, t, t + 1, 1 / std::sqrt(32.0)));
      }
  }
  return worst;
}

}  // namespace

TEST_CASE("requests grow in an owned cache of every layout and dtype") {
  const attnrt::Runtime rt(only_plugins());
  for (const uint32_t layout : {ATTNRT_KV_NHD, ATTNRT_KV_HND, ATTNRT_KV_NATIVE}) {
    if (layout == ATTNRT_KV_NATIVE &&
        !rt.try_select(rt.decoder(kHeads, kKvHeads, kSize, ATTNRT_FP32, "cpu").with_kv_layouts(layout)))
      continue;  // a CPU without vectors
    CAPTURE(layout);
    CHECK(decode_loop<float>(rt, ATTNRT_FP32, layout) < 1e-5);
    CHECK(decode_loop<attnrt::half>(rt, ATTNRT_FP16, layout) < 2e-3);
    CHECK(decode_loop<attnrt::bfloat16>(rt, ATTNRT_BF16, layout) < 1e-2);
  }
}

TEST_CASE("an encoder through the face: keys and values without a cache, and no mask") {
  const attnrt::Runtime rt(only_plugins());
  const attnrt::Op op = rt.op(rt.select(rt.encoder(kHeads, kKvHeads, kSize, ATTNRT_FP16, "cpu").with_lse()));
  const auto limits = attnrt::Limits(2, 32, 32).with_kv_tokens(32);
  attnrt::Plan plan = op.plan(limits);
  attnrt::Batch batch = op.make_batch(limits);
  Sequence<attnrt::half> s;
  s.grow(13, 3);
  batch.add({13, 13});
  plan.update(batch);
  std::vector<attnrt::half> out(s.q.size());
  const attnrt::Tensor q(s.q, {13, kHeads, kSize}), k(s.k, {13, kKvHeads, kSize}), v(s.v, {13, kKvHeads, kSize}),
      o(out, {13, kHeads, kSize});
  const auto worst = [&](double scale) {
    double by = 0;
    for (int64_t t = 0; t < 13; ++t) by = std::max(by, s.error(out.data() + t * kHeads * kSize, t, 13, scale));
    return by;
  };
  plan.run(q, k, v, o);
  CHECK(worst(1 / std::sqrt(32.0)) < 2e-3);

  attnrt::RunArgs args(q, k, v, o);
  std::vector<float> lse(13 * kHeads, -77.0f);
  args.scale = 0.25f;
  args.lse = attnrt::Tensor(lse, {13, kHeads});
  plan.run(args);
  CHECK(worst(0.25) < 2e-3);
  for (const float x : lse) CHECK((std::isfinite(x) && x != -77.0f));
}

TEST_CASE("MLA through the face: latent rows in an owned cache") {
  const attnrt::Runtime rt(only_plugins());
  const attnrt::Op op = rt.op(rt.select(rt.mla(2, ATTNRT_FP32, "cpu").with_block_size(16)));
  attnrt::KvCache cache = op.make_cache(4);
  CHECK(cache.layout().kind == ATTNRT_KV_MLA_LATENT);
  CHECK_FALSE(cache.v());
  CHECK(cache.k().size(3) == 576);
  const auto limits = attnrt::Limits(1, 1, 20).with_cache(cache);
  attnrt::Plan plan = op.plan(limits);
  attnrt::Batch batch = op.make_batch(limits);
  const auto latent = noise<float>(20 * 512, 1), rope = noise<float>(20 * 64, 2), q = noise<float>(2 * 576, 3);
  std::vector<int64_t> slots(20);
  for (std::size_t i = 0; i < 20; ++i) slots[i] = static_cast<int64_t>(i < 16 ? 32 + i : i);  // blocks 2 and 1
  op.write({latent, {20, 1, 512}}, {rope, {20, 1, 64}}, {slots, {20}}, cache);
  batch.add({1, 20, {2, 1}});
  plan.update(batch);
  std::vector<float> out(2 * 512);
  plan.run({q, {1, 2, 576}}, cache, {out, {1, 2, 512}});
  for (std::size_t h = 0; h < 2; ++h) {
    double sum = 0;
    std::vector<double> acc(512);
    for (std::size_t j = 0; j < 20; ++j) {
      double s = 0;
      for (std::size_t d = 0; d < 512; ++d) s += double{q[h * 576 + d]} * double{latent[j * 512 + d]};
      for (std::size_t d = 0; d < 64; ++d) s += double{q[h * 576 + 512 + d]} * double{rope[j * 64 + d]};
      const double w = std::exp(s / std::sqrt(192.0));
      sum += w;
      for (std::size_t d = 0; d < 512; ++d) acc[d] += w * double{latent[j * 512 + d]};
    }
    for (std::size_t d = 0; d < 512; ++d) REQUIRE(std::abs(double{out[h * 512 + d]} - acc[d] / sum) < 1e-5);
  }
}

TEST_CASE("a cache of 8 bits with scales through the face") {
  const attnrt::Runtime rt(only_plugins());
  const attnrt::Op op = rt.op(rt.select(
      rt.decoder(kHeads, kKvHeads, kSize, ATTNRT_FP32, "cpu").with_kv_dtype(ATTNRT_INT8).with_block_size(16)));
  attnrt::KvCache cache = op.make_cache(2);
  const auto limits = attnrt::Limits(1, 20, 20).with_cache(cache);
  attnrt::Plan plan = op.plan(limits);
  attnrt::Batch batch = op.make_batch(limits);
  Sequence<float> s;
  s.grow(20, 1);
  batch.add({20, 20, {1, 0}});
  plan.update(batch);
  const std::vector<float> scale{1 / 127.0f};
  std::vector<float> out(s.q.size());
  attnrt::WriteArgs write({s.k, {20, kKvHeads, kSize}}, {s.v, {20, kKvHeads, kSize}}, batch.slots(), cache);
  write.k_scale = write.v_scale = {scale, {1}};
  op.write(write);
  attnrt::RunArgs args({s.q, {20, kHeads, kSize}}, cache, {out, {20, kHeads, kSize}});
  args.k_scale = args.v_scale = {scale, {1, 1}};
  plan.run(args);
  for (auto* data : {&s.k, &s.v})
    for (float& x : *data) x = std::nearbyint(x * 127.0f) / 127.0f;
  for (int64_t t = 0; t < 20; ++t)
    CHECK(s.error(out.data() + t * kHeads * kSize, t, t + 1, 1 / std::sqrt(32.0)) < 1e-4);
}

TEST_CASE("a cache of 8 bits that finds its scales itself") {
  const attnrt::Runtime rt(only_plugins());
  const attnrt::Op op = rt.op(rt.select(rt.decoder(kHeads, kKvHeads, kSize, ATTNRT_FP32, "cpu")
                                            .with_kv_dtype(ATTNRT_INT8, ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES)
                                            .with_kv_layouts(ATTNRT_KV_HND)
                                            .with_block_size(16)));
  attnrt::KvCache cache = op.make_cache(2);
  CHECK(cache.k().get()->strides[1] == kSize + 4);  // a scale lies behind each row
  const auto limits = attnrt::Limits(1, 20, 20).with_cache(cache);
  attnrt::Plan plan = op.plan(limits);
  attnrt::Batch batch = op.make_batch(limits);
  Sequence<float> s;
  s.grow(20, 1);
  batch.add({20, 20, {1, 0}});
  plan.update(batch);
  std::vector<float> out(s.q.size());
  op.write({s.k, {20, kKvHeads, kSize}}, {s.v, {20, kKvHeads, kSize}}, batch.slots(), cache);
  plan.run({s.q, {20, kHeads, kSize}}, cache, {out, {20, kHeads, kSize}});
  for (auto* data : {&s.k, &s.v})  // as the cache holds it
    for (std::size_t row = 0; row < data->size(); row += kSize) {
      float most = 0;
      for (std::size_t d = 0; d < kSize; ++d) most = std::max(most, std::abs((*data)[row + d]));
      for (std::size_t d = 0; d < kSize; ++d)
        (*data)[row + d] = std::nearbyint((*data)[row + d] / (most / 127)) * (most / 127);
    }
  for (int64_t t = 0; t < 20; ++t)
    CHECK(s.error(out.data() + t * kHeads * kSize, t, t + 1, 1 / std::sqrt(32.0)) < 1e-4);
}

TEST_CASE("misuse of a layer is a sentence") {
  const attnrt::Runtime rt(only_plugins());
  const attnrt::Op op = rt.op(rt.select(rt.decoder(kHeads, kKvHeads, kSize, ATTNRT_FP32, "cpu").with_block_size(16)));
  attnrt::KvCache cache = op.make_cache(2);
  const auto limits = attnrt::Limits(1, 20, 20).with_cache(cache);
  attnrt::Plan plan = op.plan(limits);
  attnrt::Batch batch = op.make_batch(limits);
  std::vector<float> rows(20 * kHeads * kSize), out_rows(rows.size());
  const attnrt::Tensor q(rows, {20, kHeads, kSize}), kv(rows, {20, kKvHeads, kSize}),
      out(out_rows, {20, kHeads, kSize});
  CHECK_THAT(refused([&] { plan.run(q, cache, out); }), Contains("the plan holds no batch"));
  const attnrt::Op wider =
      rt.op(rt.select(rt.decoder(kHeads, kKvHeads, kSize, ATTNRT_FP32, "cpu").with_block_size(32)));
  const attnrt::Batch foreign = wider.make_batch(limits);
  CHECK_THAT(refused([&] { plan.update(foreign); }),
             Contains("made for blocks of 32 tokens, wanted the 16 of the plan"));
  batch.add({20, 20, {0, 2}});
  CHECK_THAT(refused([&] { plan.update(batch); }), Contains("block_table[0][1] is 2, wanted 0 to 1"));
  CHECK_THAT(refused([&] { op.write(kv, kv, batch.slots(), cache); }), Contains("slot_mapping[16] is 32, wanted -1"));
  batch.clear();
  batch.add({20, 20, {0, 1}});
  plan.update(batch);
  CHECK_THAT(refused([&] { plan.run(attnrt::Tensor(), cache, out); }), Contains("q is NULL, wanted a tensor"));
  CHECK_THAT(refused([&] {
               plan.run(q.on({ATTNRT_DEVICE_CUDA, 0}), cache, out);
             }),
             Contains("q lies on device type 2, wanted 1"));
  CHECK_THAT(refused([&] { plan.run(q, kv, kv, out); }), Contains("k_cache is NULL"));
  static_assert(!updates<attnrt::Plan, attnrt::Batch>::value);
  static_assert(updates<attnrt::Plan, attnrt::Batch&>::value);
}

TEST_CASE("a cache is read out, and halves of a request's keys are merged") {
  const attnrt::Runtime rt(only_plugins());
  const attnrt::Op op = rt.op(rt.select(rt.decoder(kHeads, kKvHeads, kSize, ATTNRT_FP16, "cpu")
                                            .with_block_size(16)
                                            .with_causal(ATTNRT_CAUSAL_NEVER)
                                            .with_lse()));
  attnrt::KvCache cache = op.make_cache(4);
  const auto limits = attnrt::Limits(1, 32, 32).with_cache(cache);
  attnrt::Plan plan = op.plan(limits);
  attnrt::Batch batch = op.make_batch(limits);
  Sequence<attnrt::half> s;
  s.grow(32, 2);
  batch.add({32, 32, {3, 1}});
  op.write({s.k, {32, kKvHeads, kSize}}, {s.v, {32, kKvHeads, kSize}}, batch.slots(), cache);

  std::vector<attnrt::half> k(10 * kKvHeads * kSize), v(k.size());
  attnrt::GatherArgs gather(cache, {k, {10, kKvHeads, kSize}}, {v, {10, kKvHeads, kSize}});
  const int32_t start = 12, length = 10, rows[] = {0, 10}, table[] = {3, 1};  // keys 12 to 21 lie in both blocks
  gather.num_seqs = 1, gather.block_table_width = 2;
  gather.kv_starts = &start, gather.kv_lens = &length, gather.kv_start_loc = rows, gather.block_table = table;
  op.gather(gather);
  for (std::size_t i = 0; i < k.size(); ++i) {
    REQUIRE(k[i].bits == s.k[12 * kKvHeads * kSize + i].bits);
    REQUIRE(v[i].bits == s.v[12 * kKvHeads * kSize + i].bits);
  }

  // The last query alone, over each block, then over both.
  std::vector<attnrt::half> q(s.q.end() - kHeads * kSize, s.q.end()), out(q.size());
  std::vector<attnrt::half> halves[2]{out, out};
  std::vector<float> lses[2]{std::vector<float>(kHeads), std::vector<float>(kHeads)}, lse(kHeads);
  std::vector<attnrt::Partial> partials;
  for (int32_t half = 0; half < 2; ++half) {
    batch.clear();
    batch.add({1, 16, {table[half]}});
    plan.update(batch);
    attnrt::RunArgs args({q, {1, kHeads, kSize}}, cache, {halves[half], {1, kHeads, kSize}});
    args.lse = attnrt::Tensor(lses[half], {1, kHeads});
    plan.run(args);
    partials.push_back({args.out, args.lse});
  }
  op.merge(partials, {out, {1, kHeads, kSize}}, {lse, {1, kHeads}});
  CHECK(s.error(out.data(), 31, 32, 1 / std::sqrt(32.0)) < 2e-3);
  for (std::size_t h = 0; h < kHeads; ++h)
    CHECK(lse[h] == Approx(std::log(std::exp(double{lses[0][h]}) + std::exp(double{lses[1][h]}))));
  const std::vector<attnrt::half>& constant = out;
  CHECK_THAT(refused([&] { op.merge(partials, {constant, {1, kHeads, kSize}}); }), Contains("out is made of const"));
  CHECK_THAT(refused([&] { op.merge({}, {out, {1, kHeads, kSize}}); }), Contains("merge.num_partials is 0"));
}

TEST_CASE("a native cache of another op is refused: its blocks are of another size") {
  const attnrt::Runtime rt(only_plugins());
  const auto native = [&rt](uint32_t head_size) {
    return rt.try_select(rt.decoder(4, 2, head_size, ATTNRT_FP32, "cpu").with_kv_layouts(ATTNRT_KV_NATIVE));
  };
  const attnrt::Choice choice = native(64);
  if (!choice) return;  // a CPU without vectors
  const attnrt::Op op = rt.op(choice), smaller = rt.op(native(32));
  attnrt::KvCache cache = op.make_cache(2), other = smaller.make_cache(2);
  const auto limits = attnrt::Limits(1, 4, 4).with_cache(cache);
  attnrt::Plan plan = op.plan(limits);
  attnrt::Batch batch = op.make_batch(limits);
  batch.add({4, 4, {1}});
  plan.update(batch);
  std::vector<float> rows(4 * 4 * 64), out(rows.size());
  const attnrt::Tensor q(rows, {4, 4, 64}), kv(rows, {4, 2, 64}), o(out, {4, 4, 64});
  const std::string sentence = "k_cache has blocks of " + std::to_string(other.layout().block_bytes) +
                               " bytes, wanted the " + std::to_string(cache.layout().block_bytes) + " of kv_layout";
  CHECK_THAT(refused([&] { op.write(kv, kv, batch.slots(), other); }), Contains(sentence));
  CHECK_THAT(refused([&] { plan.run(q, other, o); }), Contains(sentence));
  const int32_t length = 4, starts[] = {0, 4}, block = 1;
  std::vector<float> k_rows(4 * 2 * 64), v_rows(k_rows.size());
  attnrt::GatherArgs gather(other, {k_rows, {4, 2, 64}}, {v_rows, {4, 2, 64}});
  gather.num_seqs = gather.block_table_width = 1;
  gather.kv_lens = &length, gather.kv_start_loc = starts, gather.block_table = &block;
  CHECK_THAT(refused([&] { op.gather(gather); }), Contains(sentence));
  op.write(kv, kv, batch.slots(), cache);
  plan.run(q, cache, o);
}

TEST_CASE("a plan keeps its op, a copied choice its text") {
  const attnrt::Runtime rt(only_plugins());
  std::optional<attnrt::Choice> choice = rt.select(rt.decoder(kHeads, kKvHeads, kSize, ATTNRT_FP32, "cpu"));
  const attnrt::Choice copy = *choice;
  std::optional<attnrt::Op> op = rt.op(*choice);
  choice.reset();
  CHECK(copy.backend() == "CPU_ATTN");
  CHECK_THAT(copy.explain(), Contains("CPU_ATTN"));
  attnrt::KvCache cache = op->make_cache(2);
  const auto limits = attnrt::Limits(1, 4, 4).with_cache(cache);
  attnrt::Plan plan = op->plan(limits);
  attnrt::Batch batch = op->make_batch(limits);
  Sequence<float> s;
  s.grow(4, 1);
  batch.add({4, 4, {1}});
  op->write({s.k, {4, kKvHeads, kSize}}, {s.v, {4, kKvHeads, kSize}}, batch.slots(), cache);
  { const attnrt::Op moved = std::move(*op); }
  CHECK_THAT(refused([&] { (void)op->problem(); }), Contains("op: it was moved away"));
  CHECK_THAT(refused([&] { (void)op->kv_layout(); }), Contains("kv_layout: op is NULL"));
  op.reset();
  plan.update(batch);
  std::vector<float> out(s.q.size());
  plan.run({s.q, {4, kHeads, kSize}}, cache, {out, {4, kHeads, kSize}});
  CHECK(s.error(out.data() + 3 * kHeads * kSize, 3, 4, 1 / std::sqrt(32.0)) < 1e-5);
}

TEST_CASE("causal queries before the first key give rows of 0, the others attend") {
  const attnrt::Runtime rt(only_plugins());
  const attnrt::Op op =
      rt.op(rt.select(rt.decoder(kHeads, kKvHeads, kSize, ATTNRT_FP32, "cpu").with_kv_layouts(ATTNRT_KV_CONTIGUOUS)));
  const auto limits = attnrt::Limits(1, 8, 8).with_kv_tokens(8);
  attnrt::Plan plan = op.plan(limits);
  attnrt::Batch batch = op.make_batch(limits);
  batch.add({5, 2});
  Sequence<float> s;
  s.grow(5, 1);
  std::vector<float> out(s.q.size(), -77);
  plan.update(batch);
  plan.run({s.q, {5, kHeads, kSize}}, {s.k, {2, kKvHeads, kSize}}, {s.v, {2, kKvHeads, kSize}},
           {out, {5, kHeads, kSize}});
  const int64_t row = kHeads * kSize;
  CHECK(std::all_of(out.begin(), out.begin() + 3 * row, [](float x) { return x == 0; }));
  for (const int64_t t : {3, 4}) CHECK(s.error(out.data() + t * row, t, t - 2, 1 / std::sqrt(32.0)) < 1e-5);
}
