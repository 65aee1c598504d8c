// SPDX-License-Identifier: Apache-2.0
//
// Block masks: what is called empty or full is so for each of its pairs, and what people write has no more partial
// blocks than it must.
#include "attnrt/flex/block_mask.hpp"

#include <algorithm>

#include "programs.hpp"

using namespace attnrt::flex;

namespace {

struct Blocks {
  std::vector<Visibility> seen;
  int64_t count(Visibility what) const { return std::count(seen.begin(), seen.end(), what); }
};

Blocks blocks_of(const Program& program, const BufferView* views, const BlockGrid& grid) {
  std::vector<BufferRanges> ranges(program.buffers.size());
  RegionAnalysis analysis(program, ranges.data());
  for (std::size_t i = 0; i < ranges.size(); ++i)
    if (analysis.reads(i)) ranges[i].fill(program.buffers[i], views[i]);
  Blocks out;
  out.seen.resize(static_cast<std::size_t>(grid.rows()) * static_cast<std::size_t>(grid.columns()));
  find_blocks(analysis, grid, {}, out.seen.data());
  return out;
}

}  // namespace

TEST_CASE("block masks never contradict a pair") {
  RandomPrograms random(31);
  for (int i = 0; i < 60; ++i) {
    const Program program = random.next();
    RandomBuffers buffers(static_cast<uint32_t>(i));
    const BlockGrid grid{static_cast<int32_t>(random.below(40)), static_cast<int32_t>(random.below(120)),
                         static_cast<int32_t>(random.below(150)), 16, 32};
    const Blocks blocks = blocks_of(program, buffers.views, grid);
    Evaluator evaluator(program, buffers.views);
    for (int32_t q = 0; q < grid.num_queries; ++q)
      for (int32_t kv = 0; kv < grid.num_keys; ++kv) {
        const Visibility seen = blocks.seen[static_cast<std::size_t>(q / 16 * grid.columns() + kv / 32)];
        const bool visible = evaluator.visible({0, 0, grid.first_query + q, kv, 0});
        if (seen != Visibility::unknown && visible != (seen == Visibility::full)) FAIL("program " << i);
      }
  }
}

TEST_CASE("causal, window and documents are partial at their borders alone") {
  const BlockGrid grid{0, 4096, 4096, 128, 128};
  const Blocks causal = blocks_of(parsed("mask: kv_idx <= q_idx"), nullptr, grid);
  CHECK(causal.count(Visibility::unknown) == 32);
  CHECK(causal.count(Visibility::full) == 32 * 31 / 2);
  const Blocks window = blocks_of(parsed("mask: kv_idx <= q_idx && q_idx - kv_idx < 256"), nullptr, grid);
  CHECK(window.count(Visibility::full) == 31);
  CHECK(window.count(Visibility::unknown) == 32 + 30);
  std::vector<int32_t> doc(4096);
  for (std::size_t i = 0; i < doc.size(); ++i) doc[i] = static_cast<int32_t>(i / 1000);
  const BufferView view{doc.data(), {4096}, {1}};
  const Blocks documents = blocks_of(parsed("buffer doc: i32[n]; mask: doc[q_idx] == doc[kv_idx]"), &view, grid);
  // Borders at 1000, 2000, 3000 and 4000 lie inside blocks 7, 15, 23 and 31. A row of blocks with a border meets the
  // blocks of its two documents in part; other rows meet the border blocks of theirs.
  std::vector<Visibility> wanted(documents.seen.size());
  for (int32_t r = 0; r < 32; ++r)
    for (int32_t c = 0; c < 32; ++c) {
      bool any = false, all = true;
      for (const int32_t q : {r * 128, r * 128 + 127})
        for (const int32_t kv : {c * 128, c * 128 + 127}) {
          const bool seen = doc[static_cast<std::size_t>(q)] == doc[static_cast<std::size_t>(kv)];
          any |= seen, all &= seen;
        }
      wanted[static_cast<std::size_t>(r * 32 + c)] = all   ? Visibility::full
                                                     : any ? Visibility::unknown
                                                           : Visibility::empty;
    }
  CHECK(documents.seen == wanted);
}

TEST_CASE("a block mask that the caller gives as a buffer has no partial block") {
  const BlockGrid grid{0, 1024, 2048, 128, 128};
  RandomPrograms random(8);
  uint8_t given[8][16];
  for (auto& row : given)
    for (uint8_t& seen : row) seen = random.below(3) == 0;
  const BufferView view{given, {8, 16}, {16, 1}};
  const Blocks blocks =
      blocks_of(parsed("buffer seen: bool[m, n]; mask: seen[q_idx // 128, kv_idx // 128]"), &view, grid);
  for (std::size_t r = 0; r < 8; ++r)
    for (std::size_t c = 0; c < 16; ++c)
      CHECK(blocks.seen[r * 16 + c] == (given[r][c] ? Visibility::full : Visibility::empty));
}
