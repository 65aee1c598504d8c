// SPDX-License-Identifier: Apache-2.0
//
// split_context.cpp: one context over the memory of several machines (decode context parallelism). The tokens of each
// sequence are dealt to the MPI ranks in chunks, in turn; a rank keeps the keys and values of its own chunks in a cache
// of its own. Each step every rank attends with all queries to the keys that it has, and the partial results are merged
// by their log-sum-exp, which is exact: softmax over disjoint sets of keys (FlashAttention's and ring attention's
// rule). A rank may have no key of a sequence yet; its part weighs nothing. What a model would compute (q, k, v) is
// noise here, the same on every rank. Each rank also computes every step unsplit, and the outputs must agree.
//
//   mpirun -n 4 ./split_context
#include <mpi.h>
#include <attnrt/runtime.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <random>
#include <utility>
#include <vector>

using Rows = std::vector<float>;
constexpr int kHeads = 8, kKvHeads = 2, kHeadSize = 64, kBlockSize = 16, kMaxSeqLen = 256, kBlocks = 32;
constexpr int kChunk = 32;  // tokens that one rank keeps together; a step's tokens of a sequence lie in one chunk

struct Sequence {
  int prompt, total;
  std::vector<int32_t> blocks;     // of this rank's cache, and of the unsplit one
  int length = 0, own_length = 0;  // tokens so far, on all ranks and on this one
};

/// A batch's caches, plan and arrays: one for the split context, one for the whole.
struct Attention {
  attnrt::Op op;
  attnrt::KvCache cache;
  attnrt::Plan plan;
  attnrt::Batch batch;

  Attention(const attnrt::Runtime& rt, attnrt::Op made)
      : op(std::move(made)),
        cache(op.make_cache(kBlocks)),
        plan(op.plan(limits(rt))),
        batch(op.make_batch(limits(rt))) {}
  attnrt::Limits limits(const attnrt::Runtime& rt) const {
    return attnrt::Limits(4, 128, kMaxSeqLen).with_cache(cache).with_executor(rt.executor());
  }
  /// Keys and values of the batch's new tokens go to the cache, and its queries attend to it.
  void step(const Rows& q, const Rows& k, const Rows& v, Rows& out, Rows& lse, const attnrt_executor* pool) {
    const int tokens = batch.num_tokens();
    plan.update(batch, pool);
    op.write({k, {tokens, kKvHeads, kHeadSize}}, {v, {tokens, kKvHeads, kHeadSize}}, batch.slots(), cache, pool);
    attnrt::RunArgs args({q, {tokens, kHeads, kHeadSize}}, cache, {out, {tokens, kHeads, kHeadSize}});
    args.lse = {lse, {tokens, kHeads}};
    plan.run(args, pool);
  }
};

/// The largest difference of any step between the split and the unsplit output.
float serve(int rank, int ranks) {
  attnrt::Runtime rt;
  const attnrt_executor* pool = rt.executor();
  const attnrt::Problem whole_problem =
      rt.decoder(kHeads, kKvHeads, kHeadSize, ATTNRT_FP32, "cpu").with_block_size(kBlockSize).with_lse();
  // A rank that keeps a chunk masks causally; one that does not sees all its keys, which lie before the queries.
  const attnrt::Problem split_problem = whole_problem.with_causal(ATTNRT_CAUSAL_PER_REQUEST);
  Attention whole(rt, rt.op(rt.select(whole_problem))), split(rt, rt.op(rt.select(split_problem)));

  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  const auto noise = [&](int rows, int heads) {
    Rows data(static_cast<std::size_t>(rows * heads * kHeadSize));
    for (float& x : data) x = normal(random);
    return data;
  };

  std::vector<Sequence> sequences{
      {3, 20, {0, 1}}, {130, 180, {2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}}, {70, 75, {14, 15, 16, 17, 18}}};
  float worst = 0;
  for (;;) {
    whole.batch.clear();
    split.batch.clear();
    for (Sequence& s : sequences) {
      if (s.length == s.total) continue;
      // The prompt chunk by chunk, then a token a step.
      const int tokens = s.length < s.prompt ? std::min(s.prompt - s.length, kChunk - s.length % kChunk) : 1;
      const bool mine = s.length / kChunk % ranks == rank;
      s.length += tokens;
      s.own_length += mine ? tokens : 0;
      whole.batch.add({tokens, s.length, s.blocks});
      if (mine)
        split.batch.add({tokens, s.own_length, s.blocks});
      else
        split.batch.add({tokens, s.length, s.blocks, s.own_length, false});
    }
    const int tokens = whole.batch.num_tokens();
    if (tokens == 0) return worst;
    const Rows q = noise(tokens, kHeads), k = noise(tokens, kKvHeads), v = noise(tokens, kKvHeads);
    const std::size_t size = q.size(), rows = static_cast<std::size_t>(tokens * kHeads);
    Rows expected(size), out(size), expected_lse(rows), lse(rows);
    whole.step(q, k, v, expected, expected_lse, pool);
    split.step(q, k, v, out, lse, pool);

    // Everybody gets all parts and merges them. An engine with tensor parallelism would exchange heads instead.
    Rows outs(size * static_cast<std::size_t>(ranks)), lses(rows * static_cast<std::size_t>(ranks));
    MPI_Allgather(out.data(), static_cast<int>(size), MPI_FLOAT, outs.data(), static_cast<int>(size), MPI_FLOAT,
                  MPI_COMM_WORLD);
    MPI_Allgather(lse.data(), static_cast<int>(rows), MPI_FLOAT, lses.data(), static_cast<int>(rows), MPI_FLOAT,
                  MPI_COMM_WORLD);
    std::vector<attnrt::Partial> partials;
    for (std::size_t r = 0; r < static_cast<std::size_t>(ranks); ++r)
      partials.push_back(
          {{outs.data() + r * size, {tokens, kHeads, kHeadSize}}, {lses.data() + r * rows, {tokens, kHeads}}});
    split.op.merge(partials, {out, {tokens, kHeads, kHeadSize}}, {lse, {tokens, kHeads}}, pool);
    const auto compare = [&](float value, float wanted) {
      const float difference = std::fabs(value - wanted);
      worst = difference < 1 ? std::max(worst, difference) : INFINITY;  // also where it is not a number
    };
    for (std::size_t i = 0; i < size; ++i) compare(out[i], expected[i]);
    for (std::size_t i = 0; i < rows; ++i) compare(lse[i], expected_lse[i]);
  }
}

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  int rank = 0, ranks = 1;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  try {
    float mine = serve(rank, ranks), worst = 0;
    MPI_Allreduce(&mine, &worst, 1, MPI_FLOAT, MPI_MAX, MPI_COMM_WORLD);
    if (rank == 0) std::printf("%d ranks: split and unsplit differ by at most %g\n", ranks, static_cast<double>(worst));
    MPI_Finalize();
    return worst < 1e-5f ? EXIT_SUCCESS : EXIT_FAILURE;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "rank %d: %s\n", rank, error.what());
    MPI_Abort(MPI_COMM_WORLD, EXIT_FAILURE);  // or the others wait for this one's part for ever
  }
}
