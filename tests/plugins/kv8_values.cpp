// SPDX-License-Identifier: Apache-2.0
// NaN and infinity through caches of 8 bits, in every variant that this machine has: what write_kv stores, what
// gather_kv and run make of it for the queries that see them (docs/numerics.md).
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "attnrt/runtime.hpp"

namespace {

constexpr int32_t kTokens = 20, kHeads = 2, kSize = 64, kBlock = 16, kBlocks = 2;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInf = std::numeric_limits<float>::infinity();
const int32_t blocks[] = {0, 1};

std::size_t at(int32_t token, int32_t dim) { return static_cast<std::size_t>(token * kHeads * kSize + dim); }

/// The built plugins and this variant, whatever the environment says.
attnrt::Options only(const char* variant) {
  attnrt::Options options;
  options.plugin_path = ATTNRT_TEST_PLUGINS;
  options.attention_backend = std::string("CPU_ATTN/") + variant;
  options.read_environment = false;
  options.probe = ATTNRT_PROBE_NEVER;
  options.cache_folder = "";
  return options;
}

/// One layer over a cache of `dtype`, by one variant.
struct Layer {
  Layer(const char* variant, uint32_t dtype, uint32_t layout, uint64_t scales) : runtime(only(variant)) {
    attnrt::Problem p = runtime.decoder(kHeads, kHeads, kSize, ATTNRT_FP32, "cpu");
    p = p.with_kv_dtype(dtype, scales).with_kv_layouts(layout).with_block_size(kBlock);
    choice.emplace(runtime.try_select(p));
    if (!*choice || choice->variant() != variant) return;
    op.emplace(runtime.op(*choice));
    cache.emplace(op->make_cache(kBlocks));
    std::mt19937 generator(5);
    std::normal_distribution<float> normal;
    for (auto* row : {&q, &k, &v})
      for (int i = 0; i < kTokens * kHeads * kSize; ++i) row->push_back(normal(generator));
    out = gathered_k = gathered_v = q;
  }
  /// Not every variant has every layout, nor this machine every variant.
  bool there() const { return op.has_value(); }

  template <class T>
  void write(std::vector<T>& keys, std::vector<T>& values, attnrt_dtype type) {
    std::vector<int64_t> slots(kTokens);
    for (int32_t t = 0; t < kTokens; ++t) slots[static_cast<std::size_t>(t)] = t;
    op->write(attnrt::Tensor(keys.data(), type, {kTokens, kHeads, kSize}),
              attnrt::Tensor(values.data(), type, {kTokens, kHeads, kSize}), {slots, {kTokens}}, *cache);
    const int32_t lens[] = {kTokens}, starts[] = {0, kTokens};
    attnrt::GatherArgs args(*cache, {gathered_k, {kTokens, kHeads, kSize}}, {gathered_v, {kTokens, kHeads, kSize}});
    args.num_seqs = 1, args.kv_lens = lens, args.kv_start_loc = starts, args.block_table = blocks;
    args.block_table_width = kBlocks;
    op->gather(args);
    const attnrt::Limits limits = attnrt::Limits(1, kTokens, kTokens).with_cache(*cache);
    attnrt::Plan plan = op->plan(limits);
    attnrt::Batch batch = op->make_batch(limits);
    batch.add({kTokens, kTokens, blocks});
    plan.update(batch);
    plan.run({q, {kTokens, kHeads, kSize}}, *cache, {out, {kTokens, kHeads, kSize}});
  }
  void write() { write(k, v, {2, 32, 1}); }

  /// Elements of a token's first head in the output that are NaN.
  int nans(int32_t token) const {
    int count = 0;
    for (int32_t d = 0; d < kSize; ++d) count += std::isnan(out[at(token, d)]);
    return count;
  }

  attnrt::Runtime runtime;
  std::optional<attnrt::Choice> choice;
  std::optional<attnrt::Op> op;
  std::optional<attnrt::KvCache> cache;
  std::vector<float> q, k, v, out, gathered_k, gathered_v;
};

template <class Visit>
void each_layer(uint64_t scales, Visit&& visit) {
  int visited = 0;
  for (const char* variant : {"portable", "avx2", "avx512", "avx512_bf16"})
    for (const uint32_t dtype : {ATTNRT_FP8_E4M3, ATTNRT_FP8_E5M2, ATTNRT_INT8})
      for (const uint32_t layout : {ATTNRT_KV_NHD, ATTNRT_KV_HND, ATTNRT_KV_NATIVE}) {
        std::optional<Layer> layer;
        try {
          layer.emplace(variant, dtype, layout, scales);
        } catch (const attnrt::Error&) {  // not of this build
        }
        if (!layer || !layer->there()) continue;
        INFO(variant << ", dtype " << attnrt::sdk::dtype_name(dtype) << ", layout " << layout);
        visit(*layer, dtype);
        ++visited;
      }
  CHECK(visited >= 6);  // portable is everywhere
}

float largest(uint32_t dtype) {
  return dtype == ATTNRT_FP8_E4M3 ? 448.0f : dtype == ATTNRT_FP8_E5M2 ? 57344.0f : 127.0f;
}

}  // namespace

TEST_CASE("NaN stays NaN in fp8 and is 0 in int8, infinity is the largest number") {
  each_layer(0, [](Layer& layer, uint32_t dtype) {
    const bool fp8 = dtype != ATTNRT_INT8;
    layer.k[at(3, 5)] = kNan;
    layer.v[at(8, 2)] = -kNan;
    layer.v[at(9, 4)] = kInf;
    layer.v[at(9, 6)] = -kInf;
    layer.v[at(9, 8)] = 1e30f;
    layer.write();
    CHECK((fp8 ? std::isnan(layer.gathered_k[at(3, 5)]) : layer.gathered_k[at(3, 5)] == 0.0f));
    CHECK((fp8 ? std::isnan(layer.gathered_v[at(8, 2)]) : layer.gathered_v[at(8, 2)] == 0.0f));
    CHECK(layer.gathered_v[at(9, 4)] == largest(dtype));
    CHECK(layer.gathered_v[at(9, 6)] == (fp8 ? -largest(dtype) : -128.0f));
    CHECK(layer.gathered_v[at(9, 8)] == largest(dtype));
    for (int32_t t = 0; t < kTokens; ++t) CHECK(layer.nans(t) == (fp8 && t >= 3 ? kSize : 0));  // those who see the key
  });
  each_layer(0, [](Layer& layer, uint32_t dtype) {
    layer.v[at(8, 2)] = kNan;
    layer.write();
    for (int32_t t = 8; t < kTokens; ++t) CHECK(layer.nans(t) == (dtype != ATTNRT_INT8 ? 1 : 0));
  });
}

TEST_CASE("bytes of NaN and infinity that are given as they are stored are read as that") {
  each_layer(0, [](Layer& layer, uint32_t dtype) {
    if (dtype == ATTNRT_INT8) return;
    std::vector<uint8_t> keys(layer.k.size(), 0x20), values(layer.v.size(), 0x31);
    values[at(8, 1)] = 0x7f;
    values[at(8, 2)] = 0xff;
    values[at(8, 3)] = 0x7c;  // infinity in e5m2, 384 in e4m3
    layer.write(keys, values, attnrt::sdk::to_dlpack(dtype));
    CHECK(std::isnan(layer.gathered_v[at(8, 1)]));
    CHECK(std::isnan(layer.gathered_v[at(8, 2)]));
    CHECK(layer.gathered_v[at(8, 3)] == (dtype == ATTNRT_FP8_E5M2 ? kInf : 384.0f));
    for (int32_t t = 8; t < kTokens; ++t) {
      CHECK(layer.nans(t) == 2);
      CHECK(std::isinf(layer.out[at(t, 3)]) == (dtype == ATTNRT_FP8_E5M2));
    }
  });
}

TEST_CASE("a row with a scale of its own keeps NaN; one with infinity is NaN") {
  each_layer(ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES, [](Layer& layer, uint32_t dtype) {
    layer.v[at(8, 2)] = kNan;
    layer.v[at(12, 4)] = -kInf;
    layer.write();
    const bool fp8 = dtype != ATTNRT_INT8;
    int of_8 = 0, of_12 = 0;
    for (int32_t d = 0; d < kSize; ++d) {
      of_8 += std::isnan(layer.gathered_v[at(8, d)]);
      of_12 += std::isnan(layer.gathered_v[at(12, d)]);
    }
    CHECK(of_8 == (fp8 ? 1 : kSize));
    CHECK(of_12 == kSize);
    for (int32_t t = 8; t < kTokens; ++t) CHECK(layer.nans(t) >= (t < 12 && fp8 ? 1 : kSize));
  });
}
