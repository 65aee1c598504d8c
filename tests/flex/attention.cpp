// SPDX-License-Identifier: Apache-2.0
//
// FLEX_ATTENTION on the CPU beside a reference that evaluates the program for each pair in float64's attention: masks
// and scores that people write, with and without a cache, prefill and decode, in every variant that this machine runs.
#include <dlfcn.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "attnrt/cpu_isa.hpp"
#include "attnrt/flex/canonical.hpp"
#include "attnrt/plugin.hpp"
#include "documented_programs.hpp"
#include "programs.hpp"

using namespace attnrt::flex;

namespace {

constexpr int kQueryHeads = 4, kKvHeads = 2, kHead = 32;

/// A tensor of doubles that are stored as fp32.
struct Array {
  std::vector<float> data;
  std::vector<int64_t> shape, strides;
  attnrt_tensor tensor{};
  Array(std::vector<int64_t> extents, uint32_t seed) : shape(std::move(extents)), strides(shape.size(), 1) {
    for (std::size_t d = shape.size() - 1; d-- > 0;) strides[d] = strides[d + 1] * shape[d + 1];
    data.resize(static_cast<std::size_t>(shape[0] * strides[0]));
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    for (float& x : data) x = normal(random);
    tensor = {data.data(),
              {ATTNRT_DEVICE_CPU, 0},
              static_cast<int32_t>(shape.size()),
              attnrt::sdk::to_dlpack(ATTNRT_FP32),
              shape.data(),
              strides.data(),
              0};
  }
  Array(const Array&) = delete;
};

struct Sink {
  std::string text;
  attnrt_diag diag{sizeof(attnrt_diag), 0, this,
                   [](void* self, attnrt_why, const char* why) { static_cast<Sink*>(self)->text += why; }};
};

const attnrt_plugin& plugin() {
  static const attnrt_plugin* const found = [] {
    void* handle = dlopen(ATTNRT_TEST_PLUGINS "/flex.so", RTLD_NOW);
    REQUIRE(handle);
    const auto query = reinterpret_cast<attnrt_plugin_query_fn>(dlsym(handle, ATTNRT_PLUGIN_QUERY));
    return query(ATTNRT_ABI_MAJOR, ATTNRT_ABI_MINOR);
  }();
  return *found;
}

struct Length {
  int32_t query, keys;
};

/// One batch under one program.
class Batch {
 public:
  Batch(const std::string& text, std::vector<Length> lengths, bool paged, uint32_t seed = 1)
      : program_(parsed(text)), bytes_(write_canonical(program_)), lengths_(std::move(lengths)), paged_(paged) {
    start_.push_back(0), kv_start_.push_back(0);
    for (const Length& l : lengths_) {
      start_.push_back(start_.back() + l.query), kv_start_.push_back(kv_start_.back() + l.keys);
      seq_lens_.push_back(l.keys);
      most_keys_ = std::max(most_keys_, l.keys), most_queries_ = std::max(most_queries_, l.query);
    }
    q_ = std::make_unique<Array>(std::vector<int64_t>{start_.back(), kQueryHeads, kHead}, seed);
    k_ = std::make_unique<Array>(std::vector<int64_t>{kv_start_.back(), kKvHeads, kHead}, seed + 1);
    v_ = std::make_unique<Array>(std::vector<int64_t>{kv_start_.back(), kKvHeads, kHead}, seed + 2);
    out_ = std::make_unique<Array>(std::vector<int64_t>{start_.back(), kQueryHeads, kHead}, seed + 3);
    lse_ = std::make_unique<Array>(std::vector<int64_t>{start_.back(), kQueryHeads}, seed + 4);
    width_ = (most_keys_ + kBlock - 1) / kBlock;
    std::vector<int32_t> order;
    for (std::size_t i = 0; i < lengths_.size() * static_cast<std::size_t>(width_); ++i)
      order.push_back(static_cast<int32_t>(i));
    std::shuffle(order.begin(), order.end(), std::mt19937(seed));
    table_ = order;
    const auto blocks = static_cast<int64_t>(order.size());
    k_cache_ = std::make_unique<Array>(std::vector<int64_t>{blocks, kBlock, kKvHeads, kHead}, 0);
    v_cache_ = std::make_unique<Array>(std::vector<int64_t>{blocks, kBlock, kKvHeads, kHead}, 0);
    for (Array* cache : {k_cache_.get(), v_cache_.get()})
      for (float& x : cache->data) x = NAN;
    for (std::size_t r = 0; r < lengths_.size(); ++r)
      for (int32_t j = 0; j < lengths_[r].keys; ++j) {
        const int64_t row =
            int64_t{table_[r * static_cast<std::size_t>(width_) + static_cast<std::size_t>(j / kBlock)]} * kBlock +
            j % kBlock;
        for (int64_t d = 0; d < kKvHeads * kHead; ++d) {
          const auto from = static_cast<std::size_t>((kv_start_[r] + j) * kKvHeads * kHead + d),
                     to = static_cast<std::size_t>(row * kKvHeads * kHead + d);
          k_cache_->data[to] = k_->data[from], v_cache_->data[to] = v_->data[from];
        }
      }
  }

  attnrt_problem problem{};
  float softcap = 0, scale = 0.25f;
  bool causal = false;
  int32_t window_left = -1;
  std::function<void()> changes;  ///< between two updates of one plan; empty: there is one update

  /// Buffers of the program in its order.
  template <class T>
  void give(std::vector<T> data, std::vector<int64_t> shape, attnrt_dtype dtype) {
    auto held = std::make_shared<Held<T>>();
    held->data = std::move(data), held->shape = std::move(shape);
    held->strides.assign(held->shape.size(), 1);
    for (std::size_t d = held->shape.size(); d-- > 1;) held->strides[d - 1] = held->strides[d] * held->shape[d];
    held->tensor = {held->data.data(),
                    {ATTNRT_DEVICE_CPU, 0},
                    static_cast<int32_t>(held->shape.size()),
                    dtype,
                    held->shape.data(),
                    held->strides.data(),
                    0};
    BufferView view{held->data.data(), {}, {}};
    for (std::size_t d = 0; d < held->shape.size(); ++d)
      view.shape[d] = held->shape[d], view.strides[d] = held->strides[d];
    views_.push_back(view);
    tensors_.push_back(&held->tensor);
    held_.push_back(held);
  }
  void give(std::vector<int32_t> data) {
    const auto n = static_cast<int64_t>(data.size());
    give(std::move(data), {n}, attnrt_dtype{0, 32, 1});
  }

  int32_t* integers(std::size_t buffer) { return static_cast<int32_t*>(tensors_[buffer]->data); }

  /// Runs a variant; the sentence of what refused, or nothing.
  std::string run(const attnrt_variant& variant) {
    const attnrt_flex_program flex{sizeof flex, static_cast<uint32_t>(program_.buffers.size()), bytes_.size(),
                                   bytes_.data()};
    attnrt_problem p{};
    p.struct_size = sizeof p;
    p.device_type = ATTNRT_DEVICE_CPU;
    p.family = ATTNRT_FAMILY_STANDARD;
    p.isa = attnrt::sdk::cpu_isa();
    p.features = ATTNRT_FEATURE_FLEX | ATTNRT_FEATURE_LSE |
                 (causal ? ATTNRT_FEATURE_CAUSAL : ATTNRT_FEATURE_NON_CAUSAL) |
                 (softcap > 0 ? ATTNRT_FEATURE_SOFTCAP : 0);
    p.attn_type = ATTNRT_ATTN_DECODER;
    p.phase = ATTNRT_PHASE_MIXED;
    p.q_dtype = p.kv_dtype = p.out_dtype = ATTNRT_FP32;
    p.kv_layouts = paged_ ? ATTNRT_KV_NHD : ATTNRT_KV_CONTIGUOUS;
    p.block_size = paged_ ? kBlock : 0;
    p.num_heads = kQueryHeads, p.num_kv_heads = kKvHeads;
    p.head_size_qk = p.head_size_v = kHead;
    p.window_left = window_left, p.window_right = -1;
    if (window_left >= 0) p.features |= ATTNRT_FEATURE_SLIDING_WINDOW;
    p.softcap = softcap;
    p.causal = causal ? ATTNRT_CAUSAL_ALWAYS : ATTNRT_CAUSAL_NEVER;
    p.provides = ATTNRT_HOST_LENGTHS;
    p.decode_query_len = 1;
    p.determinism = ATTNRT_DETERMINISM_BATCH_INVARIANT;
    p.device_id = 0;
    p.flex = &flex;
    Sink sink;
    attnrt_host host{sizeof host, ATTNRT_ABI_MAJOR, ATTNRT_ABI_MINOR, 0, nullptr, [](void*, int32_t, const char*) {},
                     nullptr};
    attnrt_kernel_op* op = nullptr;
    if (variant.create(&variant, &host, &p, {ATTNRT_DEVICE_CPU, 0}, &op, &sink.diag)) return sink.text;
    attnrt_limits limits{};
    limits.struct_size = sizeof limits;
    limits.num_workers = 1;
    limits.max_seqs = static_cast<int32_t>(lengths_.size());
    limits.max_tokens = std::max(start_.back(), 1);
    limits.max_query_len = std::max(most_queries_, 1), limits.max_seq_len = std::max(most_keys_, 1);
    limits.max_kv_tokens = paged_ ? 0 : std::max(kv_start_.back(), 1);
    limits.num_blocks = static_cast<int32_t>(k_cache_->shape[0]), limits.max_blocks_per_seq = width_;
    attnrt_workspace sizes{};
    sizes.struct_size = sizeof sizes;
    REQUIRE(variant.workspace(op, &limits, &sizes, &sink.diag) == ATTNRT_OK);
    const auto memory = [](uint64_t bytes) { return std::make_unique<Slots>(bytes); };
    const auto plan_memory = memory(sizes.plan_bytes), scratch = memory(sizes.scratch_bytes);
    attnrt_memory given{};
    given.struct_size = sizeof given;
    given.plan = plan_memory->data(), given.plan_bytes = sizes.plan_bytes;
    given.scratch = scratch->data(), given.scratch_bytes = sizes.scratch_bytes;
    attnrt_kernel_plan* plan = nullptr;
    REQUIRE(variant.plan_create(op, &limits, &given, &plan, &sink.diag) == ATTNRT_OK);
    const attnrt_flex_buffers buffers{sizeof buffers, static_cast<uint32_t>(tensors_.size()), tensors_.data(), nullptr};
    attnrt_batch b{};
    b.struct_size = sizeof b;
    b.num_seqs = static_cast<int32_t>(lengths_.size()), b.num_tokens = start_.back();
    b.max_query_len = most_queries_, b.max_seq_len = most_keys_;
    b.query_start_loc = b.query_start_loc_host = start_.data(), b.seq_lens = b.seq_lens_host = seq_lens_.data();
    if (!paged_) b.kv_start_loc = b.kv_start_loc_host = kv_start_.data();
    if (paged_) b.block_table = table_.data(), b.block_table_stride = b.block_table_width = width_;
    b.flex = &buffers;
    attnrt_run_args a{};
    a.struct_size = sizeof a;
    a.scale = scale;
    a.q = &q_->tensor, a.out = &out_->tensor, a.lse = &lse_->tensor;
    (paged_ ? a.k_cache : a.k) = paged_ ? &k_cache_->tensor : &k_->tensor;
    (paged_ ? a.v_cache : a.v) = paged_ ? &v_cache_->tensor : &v_->tensor;
    a.flex = &buffers;
    std::string refused;
    for (int step = 0; step < (changes ? 2 : 1) && refused.empty(); ++step) {
      if (step) changes();
      if (variant.plan_update(plan, &b, nullptr, &sink.diag) || variant.run(plan, &a, nullptr, &sink.diag))
        refused = sink.text;
    }
    variant.plan_destroy(plan);
    variant.destroy(op);
    return refused;
  }

  /// Compares what run() left with the reference.
  void check() const {
    Evaluator evaluator(program_, views_.data());
    double worst = 0;
    for (std::size_t r = 0; r < lengths_.size(); ++r)
      for (int32_t i = 0; i < lengths_[r].query; ++i)
        for (int32_t h = 0; h < kQueryHeads; ++h) {
          const int32_t position = lengths_[r].keys - lengths_[r].query + i;
          std::vector<double> scores, weights;
          std::vector<int32_t> seen;
          for (int32_t j = 0; j < lengths_[r].keys; ++j) {
            double s = 0;
            for (int d = 0; d < kHead; ++d) s += double{q(r, i, h, d)} * double{k(r, j, h, d)};
            s *= double{scale};
            if (softcap > 0) s = double{softcap} * std::tanh(s / double{softcap});
            const Pair pair{static_cast<int32_t>(r), h, position, j, static_cast<float>(s)};
            if (!evaluator.visible(pair) || (causal && j > position)) continue;
            if (window_left >= 0 && position - j > window_left) continue;
            s = program_.score == Program::kNone ? s : double{evaluator.score(pair)};
            if (s == -HUGE_VAL) continue;
            scores.push_back(s), seen.push_back(j);
          }
          double top = -HUGE_VAL, sum = 0;
          for (const double s : scores) top = std::max(top, s);
          for (const double s : scores) weights.push_back(std::exp(s - top)), sum += weights.back();
          const std::size_t row = static_cast<std::size_t>((start_[r] + i) * kQueryHeads + h);
          const float lse = lse_->data[row];
          if (scores.empty()) {
            CHECK(lse == -HUGE_VALF);
            for (int d = 0; d < kHead; ++d) CHECK(out_->data[row * kHead + static_cast<std::size_t>(d)] == 0);
            continue;
          }
          worst = std::max(worst, std::fabs(double{lse} - (top + std::log(sum))));
          for (int d = 0; d < kHead; ++d) {
            double wanted = 0;
            for (std::size_t n = 0; n < seen.size(); ++n) wanted += weights[n] * double{v(r, seen[n], h, d)};
            worst = std::max(worst,
                             std::fabs(wanted / sum - double{out_->data[row * kHead + static_cast<std::size_t>(d)]}));
          }
        }
    CHECK(worst < 5e-5);
    if (!(worst < 5e-5))
      FAIL_CHECK("lengths " << lengths_[0].query << "," << lengths_[0].keys << (paged_ ? " paged" : ""));
  }

  const std::vector<float>& out() const { return out_->data; }

  /// Gives every buffer that the program declares numbers of its dtype; documents and lengths ascend.
  void give_all(uint32_t seed) {
    std::mt19937 random(seed);
    for (const Buffer& buffer : program_.buffers) {
      std::vector<int64_t> shape;
      int64_t count = 1;
      for (const Extent& extent : buffer.extents)
        count *= shape.emplace_back(extent.size ? extent.size : extent.symbol == "num_heads" ? kQueryHeads : 400);
      const auto n = static_cast<std::size_t>(count);
      if (buffer.element == Element::i32) {
        std::vector<int32_t> data(n);
        for (std::size_t i = 0; i < n; ++i) data[i] = static_cast<int32_t>(i / 31);
        give(std::move(data), shape, attnrt_dtype{0, 32, 1});
      } else if (buffer.element == Element::boolean) {
        std::vector<uint8_t> data(n);
        for (uint8_t& x : data) x = random() % 4 != 0;
        give(std::move(data), shape, attnrt_dtype{6, 8, 1});
      } else {
        REQUIRE(buffer.element == Element::f32);
        std::vector<float> data(n);
        for (float& x : data) x = static_cast<float>(random() % 1000) / 1000;
        give(std::move(data), shape, attnrt::sdk::to_dlpack(ATTNRT_FP32));
      }
    }
  }

 private:
  static constexpr int kBlock = 16;
  template <class T>
  struct Held {
    std::vector<T> data;
    std::vector<int64_t> shape, strides;
    attnrt_tensor tensor;
  };
  struct Slots {
    explicit Slots(uint64_t bytes) : lines(bytes / 64 + 1) {}
    void* data() { return lines.data(); }
    struct alignas(64) Line {
      char bytes[64];
    };
    std::vector<Line> lines;
  };
  static std::size_t at(int64_t row, int64_t heads, int64_t head, int64_t d) {
    return static_cast<std::size_t>((row * heads + head) * kHead + d);
  }
  float q(std::size_t r, int32_t i, int32_t h, int d) const { return q_->data[at(start_[r] + i, kQueryHeads, h, d)]; }
  float k(std::size_t r, int32_t j, int32_t h, int d) const {
    return k_->data[at(kv_start_[r] + j, kKvHeads, h / 2, d)];
  }
  float v(std::size_t r, int32_t j, int32_t h, int d) const {
    return v_->data[at(kv_start_[r] + j, kKvHeads, h / 2, d)];
  }

  const Program program_;
  const std::string bytes_;
  const std::vector<Length> lengths_;
  const bool paged_;
  std::vector<int32_t> start_, kv_start_, seq_lens_, table_;
  int32_t most_keys_ = 0, most_queries_ = 0, width_ = 0;
  std::unique_ptr<Array> q_, k_, v_, out_, lse_, k_cache_, v_cache_;
  std::vector<std::shared_ptr<void>> held_;
  std::vector<BufferView> views_;
  std::vector<const attnrt_tensor*> tensors_;
};

std::vector<const attnrt_variant*> variants() {
  std::vector<const attnrt_variant*> out;
  const uint64_t isa = attnrt::sdk::cpu_isa();
  const attnrt_backend& backend = *plugin().backends[0];
  for (uint32_t i = 0; i < backend.num_variants; ++i)
    if ((backend.variants[i]->caps->isa & ~isa) == 0 && (backend.variants[i]->caps->q_dtypes & 1u << ATTNRT_FP32))
      out.push_back(backend.variants[i]);
  REQUIRE(!out.empty());
  return out;
}

std::vector<int32_t> documents(int32_t tokens, int32_t length) {
  std::vector<int32_t> out;
  for (int32_t i = 0; i < tokens; ++i) out.push_back(i / length);
  return out;
}

struct Written {
  const char* name;
  const char* text;
  std::vector<int32_t> buffer = {};
};
const std::vector<Written>& programs() {
  static const std::vector<Written> table = {
      {"causal", "mask: kv_idx <= q_idx"},
      {"window", "mask: kv_idx <= q_idx && q_idx - kv_idx < 37"},
      {"symmetric window", "mask: abs(q_idx - kv_idx) < 21"},
      {"prefix", "mask: kv_idx <= q_idx || kv_idx < 50"},
      {"documents", "buffer doc: i32[n]\nmask: doc[q_idx] == doc[kv_idx]", documents(700, 93)},
      {"causal documents", "buffer doc: i32[n]\nmask: doc[q_idx] == doc[kv_idx] && kv_idx <= q_idx",
       documents(700, 93)},
      {"dilated", "mask: (q_idx - kv_idx) % 3 == 0 && kv_idx <= q_idx"},
      {"neighbourhood in two dimensions",
       "let width = 24\nmask: abs(q_idx % width - kv_idx % width) <= 3 && abs(q_idx // width - kv_idx // width) <= 3"},
      {"checkerboard", "mask: (q_idx + kv_idx) % 2 == 0"},
      {"a head sees the whole, others a window", "mask: h == 1 || (q_idx - kv_idx < 16 && kv_idx <= q_idx)"},
      {"nothing for some rows", "mask: q_idx % 5 != 2 && kv_idx <= q_idx"},
      {"softcap", "score: 2.0 * tanh(score / 2.0)"},
      {"ALiBi", "score: score + exp2(-8.0 * (h + 1) / 4.0) * (kv_idx - q_idx)"},
      {"ALiBi the other way", "score: score - 0.03 * f32(q_idx - kv_idx)\nmask: kv_idx <= q_idx"},
      {"relative bias", "buffer bias: i32[n]\nscore: score + 0.1 * f32(bias[q_idx - kv_idx + 300])", documents(700, 7)},
      {"requests differ", "mask: b == 1 || kv_idx % 4 != 1\nscore: score + 0.25 * f32(b)"},
      {"a score that hides", "score: kv_idx % 7 == 3 ? -inf : score * 1.5"},
      {"NaN on hidden keys", "score: kv_idx > q_idx ? sqrt(-1.0) : score\nmask: kv_idx <= q_idx"},
  };
  return table;
}

}  // namespace

TEST_CASE("the examples of docs/flex.md") {
  const std::vector<std::string> texts = documented_programs();
  REQUIRE(texts.size() >= 20);
  for (const attnrt_variant* variant : variants())
    for (const std::string& text : texts)
      for (const std::vector<Length>& lengths : {std::vector<Length>{{300, 300}}, {{1, 213}, {77, 177}}}) {
        INFO(variant->name << ": " << text);
        Batch batch(text, lengths, true);
        batch.give_all(3);
        REQUIRE(batch.run(*variant) == "");
        batch.check();
      }
}

TEST_CASE("programs that people write, on the CPU") {
  const std::vector<std::vector<Length>> batches = {
      {{300, 300}}, {{1, 513}, {77, 177}, {0, 5}, {130, 131}}, {{1, 1}, {3, 64}}};
  for (const attnrt_variant* variant : variants())
    for (const Written& written : programs())
      for (const std::vector<Length>& lengths : batches)
        for (const bool paged : {false, true}) {
          INFO(variant->name << ": " << written.name << (paged ? ", paged" : ""));
          Batch batch(written.text, lengths, paged);
          if (!written.buffer.empty()) batch.give(written.buffer);
          REQUIRE(batch.run(*variant) == "");
          batch.check();
        }
}

TEST_CASE("what a problem asks for holds beside its program") {
  for (const attnrt_variant* variant : variants()) {
    Batch both("score: score + 0.01 * f32(kv_idx)\nmask: kv_idx % 3 != 0", {{120, 200}, {1, 90}}, true);
    both.softcap = 1.5f, both.causal = true;
    REQUIRE(both.run(*variant) == "");
    both.check();
    Batch bent("score: 2.0 * tanh(score / 2.0)", {{120, 200}}, false);
    bent.softcap = 1.0f;
    REQUIRE(bent.run(*variant) == "");
    bent.check();
  }
}

TEST_CASE("a program that equals a built-in has its bits") {
  for (const attnrt_variant* variant : variants()) {
    Batch written("mask: q_idx >= kv_idx", {{200, 200}}, true), built_in("score: score * 1.0", {{200, 200}}, true);
    built_in.causal = true;
    REQUIRE(written.run(*variant) == "");
    REQUIRE(built_in.run(*variant) == "");
    CHECK(written.out() == built_in.out());
  }
}

TEST_CASE("what only looks like a built-in stays a program") {
  for (const attnrt_variant* variant : variants())
    for (const char* text : {"score: 2.0 * tanh(score / 3.0)", "score: 2.0 * tanh(3.0 / score)",
                             "score: score + 0.05 * f32(q_idx - kv_idx)", "score: score - 0.05 * f32(kv_idx - q_idx)",
                             "score: score + 0.05 * f32(kv_idx - q_idx + 7)", "mask: q_idx - kv_idx < -3",
                             "mask: q_idx + kv_idx < 90", "mask: q_idx - kv_idx < 20 || kv_idx < 3"}) {
      INFO(variant->name << ": " << text);
      Batch batch(text, {{100, 100}}, false);
      REQUIRE(batch.run(*variant) == "");
      batch.check();
    }
}

TEST_CASE("of the problem's window and the program's the narrower holds") {
  for (const attnrt_variant* variant : variants())
    for (const int32_t window : {5, 60}) {
      Batch batch("mask: q_idx - kv_idx <= 20 && kv_idx <= q_idx", {{100, 100}, {1, 90}}, true);
      batch.causal = true;
      batch.window_left = window;
      REQUIRE(batch.run(*variant) == "");
      batch.check();
    }
}

TEST_CASE("random programs, on the CPU") {
  RandomPrograms random(77);
  for (const attnrt_variant* variant : variants())
    for (int i = 0; i < 25; ++i) {
      Program program = random.next();
      program.score = Program::kNone;  // random scores are infinite now and then
      const std::string text = write_canonical(simplify(program));
      if (simplify(program).mask == Program::kNone) continue;
      RandomBuffers buffers(static_cast<uint32_t>(i));
      INFO(variant->name << ": " << text);
      Batch batch(text, {{40, 140}, {1, 70}}, true);
      batch.give(buffers.rows);
      batch.give(buffers.table, {5, 41}, attnrt::sdk::to_dlpack(ATTNRT_FP32));
      batch.give(buffers.seen, {64}, attnrt_dtype{6, 8, 1});
      batch.give(std::vector<int32_t>{buffers.shift}, {}, attnrt_dtype{0, 32, 1});
      REQUIRE(batch.run(*variant) == "");
      batch.check();
    }
}

TEST_CASE("an update reads what its buffers hold then") {
  for (const attnrt_variant* variant : variants())
    for (const bool paged : {false, true}) {
      INFO(variant->name);
      Batch batch("buffer doc: i32[n]\nmask: doc[q_idx] == doc[kv_idx]", {{300, 300}, {1, 280}}, paged);
      std::vector<int32_t> documents(300);
      for (std::size_t i = 0; i < documents.size(); ++i) documents[i] = static_cast<int32_t>(i / 64);
      batch.give(documents);
      batch.changes = [&] {
        for (int32_t i = 0; i < 300; ++i) batch.integers(0)[i] = (i + 90) / 128;
      };
      REQUIRE(batch.run(*variant) == "");
      batch.check();
    }
}

TEST_CASE("buffers that do not fit are refused by name") {
  const attnrt_variant& variant = *variants()[0];
  const char* text = "buffer doc: i32[n]\nbuffer bias: f32[n]\nmask: doc[kv_idx] == 0\nscore: score + bias[kv_idx]";
  Batch none(text, {{3, 3}}, false);
  CHECK(none.run(variant) == "plan_update: flex has 0 buffers, wanted the program's 2");
  Batch other(text, {{3, 3}}, false);
  other.give({1, 2, 3});
  other.give({1, 2, 3});
  CHECK(other.run(variant) == "plan_update: flex buffer bias has another dtype, wanted f32");
  Batch longer(text, {{3, 3}}, false);
  longer.give({1, 2, 3});
  longer.give(std::vector<float>{1, 2}, {2}, attnrt::sdk::to_dlpack(ATTNRT_FP32));
  CHECK(longer.run(variant) == "plan_update: flex buffer bias has 2 elements for n, wanted the 3 of buffer doc");
}
