// SPDX-License-Identifier: Apache-2.0
//
// block_mask.cuh: which tiles of keys the blocks of an attention kernel visit (data sheet)
//   grid      x: as the attention's; y: its blocks of heads where the mask differs by head, else 1; z: groups of four
//             tiles, one a warp
//   rule      every pair inside the rows' intervals is evaluated: empty where none is seen, full where all are, else
//             partial; pairs outside of the intervals do not count
//   lengths   from device memory alone, as the attention's
// The constants stand before it: HEADS, does the mask differ by head; ROWS, TILE of the attention.
#include "flex_rules.cuh"

namespace attnrt::flex {

constexpr int kMaskThreads = 128;

__device__ inline void find_block(const FlexArguments& g, int t) {
  flash::RowTile tile;
  if (!tile.find<ROWS>(g)) return;
  const flash::Keys keys(g, tile);
  const flash::Spans spans(g, tile, keys);
  const int step = HEADS ? 1 : tile.heads_a_tile;  // rows of one token are alike where heads are
  bool any = false, all = true;
  const int begin = t * TILE, end = begin + TILE;
  if (begin < spans.high(tile.last_token) && end > spans.low(tile.first_token)) {
    const int rows = tile.live_rows / step;
#pragma unroll 1
    for (int i = threadIdx.x % 32; i < rows * TILE; i += 32) {
      int token, head;
      const bool live = tile.row(g, i / TILE * step, token, head);
      const int key = begin + i % TILE;
      if (!live || key < spans.low(token) || key >= spans.high(token)) continue;
      const auto row = Program::row(g, tile.request, HEADS ? head : 0, keys.first_position + token);
      const bool visible = Program::visible(g, row, key);
      any |= visible;
      all &= visible;
    }
  }
  any = __any_sync(~0u, any);
  all = __all_sync(~0u, all);
  if (threadIdx.x % 32 == 0)
    block_mask_of(g, tile, ROWS / tile.heads_a_tile, blockIdx.y)[t] = !any ? kEmpty : all ? kFull : kPartial;
}

extern "C" __global__ void __launch_bounds__(kMaskThreads) block_mask(const __grid_constant__ FlexArguments g) {
  find_block(g, static_cast<int>(blockIdx.z * 4 + threadIdx.x / 32));
}

}  // namespace attnrt::flex
