// SPDX-License-Identifier: Apache-2.0
//
// flex_rules.cuh: a program in the place of StandardRules (data sheet)
//   tiles     what the block mask calls empty is left out, full tiles are not asked about
//   scores    scale, softcap and ALiBi of the problem, then the program's score, in fp32
//   masks     the problem's intervals, and in partial tiles the program's mask for every pair
//   program   a struct `Program`, printed by ../print_cuda.cpp: Row and row(), visible(), score()
#ifndef ATTNRT_FLEX_RULES_CUH
#define ATTNRT_FLEX_RULES_CUH
#include "flex_arguments.cuh"
#include "mask.cuh"

namespace attnrt::flex {

enum BlockMask : unsigned char { kEmpty = 0, kPartial = 1, kFull = 2 };

/// Where the bytes of one block's rows begin. `tokens`: of a block; `head`: which of the blocks of one token's heads.
__device__ inline unsigned char* block_mask_of(const FlexArguments& g, const flash::RowTile& tile, int tokens,
                                               int head) {
  const long long row = tile.query_start / tokens + tile.request + tile.first_token / tokens;
  return reinterpret_cast<unsigned char*>(g.block_mask_ptr) + row * g.block_mask_stride_row +
         head * g.block_mask_stride_head;
}

template <class Program, bool kBent, int kRows>
class FlexRules {
  using Standard = flash::StandardRules<kBent>;

 public:
  static constexpr bool kSparse = Program::kMasks;
  struct Row {
    typename Standard::Row standard;
    typename Program::Row own;
  };

  __device__ FlexRules(const flash::AttentionArguments& g, const flash::Spans& spans, const flash::RowTile& tile)
      : g_(static_cast<const FlexArguments&>(g)),
        standard_(g, spans, tile),
        request_(tile.request),
        tiles_(block_mask_of(g_, tile, kRows / tile.heads_a_tile, blockIdx.y)) {}

  __device__ Row row(const flash::Keys& keys, int token, int head, bool live) const {
    return {standard_.row(keys, token, head, live), Program::row(g_, request_, head, keys.first_position + token)};
  }
  __device__ bool seen(const Row& row, int key) const { return standard_.seen(row.standard, key); }

  /// Four tiles at a time.
  __device__ int next(int tile, int end) const {
    while (tile < end) {
      const unsigned four = *reinterpret_cast<const unsigned*>(tiles_ + (tile & ~3)) >> (tile & 3) * 8;
      if (four) return tile + (__ffs(static_cast<int>(four)) - 1) / 8;
      tile = (tile | 3) + 1;
    }
    return end;
  }
  __device__ bool partial(int tile) const { return tiles_[tile] == kPartial; }

  template <int kTiles>
  __device__ void bend(const Row (&rows)[2], float (&scores)[kTiles][4], float scale, int key) const {
    const typename Standard::Row standard[2] = {rows[0].standard, rows[1].standard};
    if constexpr (!Program::kScores) {
      standard_.bend(standard, scores, scale, key);
    } else {
      standard_.soften(standard, scores, scale, key);
      flash::each(scores, [&](float s, int half, int column) {
        return Program::score(g_, rows[half].own, s, key + column) * flash::kLog2e;
      });
    }
  }
  __device__ static constexpr float unit() { return Program::kScores ? 1.f : Standard::unit(); }

  template <int kTiles>
  __device__ void hide(const Row (&rows)[2], float (&scores)[kTiles][4], int key) const {
    flash::each(scores, [&](float s, int half, int column) {
      return Program::visible(g_, rows[half].own, key + column) ? s : -flash::kInfinity;
    });
  }

 private:
  const FlexArguments& g_;
  const Standard standard_;
  const int request_;
  const unsigned char* const tiles_;
};

}  // namespace attnrt::flex
#endif
