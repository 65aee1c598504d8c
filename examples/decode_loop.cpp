// SPDX-License-Identifier: Apache-2.0
//
// decode_loop.cpp: the attention of an engine that serves three requests of different lengths at once. Every step is
// one batch; each request prefills its prompt in its first step, then decodes a token a step until it is done and its
// blocks go back. What a model would compute (q, k, v of each layer) is noise here. At the end the last output row of
// each request is computed once more, by one prefill of the whole sequence, and must agree.
#include <attnrt/runtime.hpp>

#include <array>
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

using Rows = std::vector<attnrt::bfloat16>;
constexpr int kHeads = 8, kKvHeads = 2, kHeadSize = 64, kLayers = 2, kMaxSeqLen = 128;
using PerLayer = std::array<Rows, kLayers>;

struct Sequence {
  int prompt, total, length = 0;
  std::vector<int32_t> blocks{};  // of the cache, in order
  PerLayer q{}, k{}, v{};         // of all tokens, kept for the comparison alone
  PerLayer last{};                // the output of the newest token
};

void append(Rows& to, const Rows& from, int row, int rows, int width) {
  to.insert(to.end(), from.begin() + row * width, from.begin() + (row + rows) * width);
}

int main() {
  attnrt::Runtime rt;
  const attnrt_executor* pool = rt.executor();
  const attnrt::Op op =
      rt.op(rt.select(rt.decoder(kHeads, kKvHeads, kHeadSize, ATTNRT_BF16, "cpu").with_block_size(16)));
  std::vector<attnrt::KvCache> caches;  // a cache a layer; one block table serves them all
  for (int layer = 0; layer < kLayers; ++layer) caches.push_back(op.make_cache(24));
  std::vector<int32_t> free_blocks;
  for (int32_t block = 0; block < 24; ++block) free_blocks.push_back(block);
  const auto limits = attnrt::Limits(4, 256, kMaxSeqLen).with_cache(caches[0]).with_executor(pool);
  attnrt::Plan plan = op.plan(limits);
  attnrt::Batch batch = op.make_batch(limits);

  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  const auto noise = [&](int rows, int width) {
    Rows data(static_cast<std::size_t>(rows * width));
    for (auto& x : data) x = normal(random);
    return data;
  };

  std::vector<Sequence> sequences{{5, 40}, {33, 60}, {70, 90}};  // prompt tokens, tokens at the end
  for (;;) {
    // A step: the scheduler decides who computes how many new tokens, and gives them blocks.
    batch.clear();
    std::vector<Sequence*> running;
    for (Sequence& s : sequences) {
      if (s.length == s.total) continue;
      const int tokens = s.length == 0 ? s.prompt : 1;
      s.length += tokens;
      while (static_cast<int>(s.blocks.size()) < caches[0].blocks_for(s.length)) {
        s.blocks.push_back(free_blocks.back());
        free_blocks.pop_back();
      }
      batch.add({tokens, s.length, s.blocks});
      running.push_back(&s);
    }
    if (running.empty()) break;
    plan.update(batch, pool);
    const int tokens = batch.num_tokens();
    Rows out(static_cast<std::size_t>(tokens * kHeads * kHeadSize));
    for (int layer = 0; layer < kLayers; ++layer) {
      const Rows q = noise(tokens, kHeads * kHeadSize), k = noise(tokens, kKvHeads * kHeadSize),
                 v = noise(tokens, kKvHeads * kHeadSize);
      op.write({k, {tokens, kKvHeads, kHeadSize}}, {v, {tokens, kKvHeads, kHeadSize}}, batch.slots(), caches[layer],
               pool);
      plan.run({q, {tokens, kHeads, kHeadSize}}, caches[layer], {out, {tokens, kHeads, kHeadSize}}, pool);
      for (std::size_t r = 0; r < running.size(); ++r) {
        Sequence& s = *running[r];
        const int first = batch.query_start_loc()[r], end = batch.query_start_loc()[r + 1];
        append(s.q[layer], q, first, end - first, kHeads * kHeadSize);
        append(s.k[layer], k, first, end - first, kKvHeads * kHeadSize);
        append(s.v[layer], v, first, end - first, kKvHeads * kHeadSize);
        s.last[layer].clear();
        append(s.last[layer], out, end - 1, 1, kHeads * kHeadSize);
      }
    }
    for (Sequence* s : running)
      if (s->length == s->total) {  // done: its blocks serve the others
        free_blocks.insert(free_blocks.end(), s->blocks.begin(), s->blocks.end());
        s->blocks.clear();
      }
  }

  // The same sequences, each in one prefill over blocks 0, 1, 2, ...
  std::vector<int32_t> first_blocks;
  for (int32_t block = 0; block < limits.max_blocks_per_seq; ++block) first_blocks.push_back(block);
  float worst = 0;
  for (const Sequence& s : sequences) {
    batch.clear();
    batch.add({s.total, s.total, first_blocks});
    plan.update(batch, pool);
    for (int layer = 0; layer < kLayers; ++layer) {
      Rows out(s.q[layer].size());
      op.write({s.k[layer], {s.total, kKvHeads, kHeadSize}}, {s.v[layer], {s.total, kKvHeads, kHeadSize}},
               batch.slots(), caches[layer], pool);
      plan.run({s.q[layer], {s.total, kHeads, kHeadSize}}, caches[layer], {out, {s.total, kHeads, kHeadSize}}, pool);
      for (int i = 0; i < kHeads * kHeadSize; ++i)
        worst = std::fmax(worst, std::fabs(out[out.size() - kHeads * kHeadSize + i] - s.last[layer][i]));
    }
  }
  std::printf("3 requests, decoded and at once: the outputs differ by at most %g\n", static_cast<double>(worst));
  return worst < 0.02f ? 0 : 1;
}
