// SPDX-License-Identifier: Apache-2.0
//
// request.cuh: which rows of a ragged batch a block serves (data sheet)
//   grid      x: num_tokens / tokens_a_tile + num_seqs, y: num_kv_heads * head_tiles, z: num_splits, with heads_a_tile
//             = min(group, kRows), tokens_a_tile = kRows / heads_a_tile rounded down, head_tiles = group / heads_a_tile
//             rounded up. Request r's tiles begin at query_start_loc[r] / tokens_a_tile + r: room for every tile of
//             every request without a sum over them (the idea is that of vLLM's unified attention)
//   rows      (token, head) pairs of one KV head, row = token * heads_a_tile + head: GQA packed into query rows
//   lengths   from device memory alone, so that a captured launch serves later batches
#ifndef ATTNRT_FLASH_REQUEST_CUH
#define ATTNRT_FLASH_REQUEST_CUH
#include "arguments.cuh"

namespace attnrt::flash {

__device__ inline int load_int(const char* from, long long index) { return reinterpret_cast<const int*>(from)[index]; }

/// The rows of one block.
struct RowTile {
  int request, query_start, query_len;
  int first_token, last_token;  ///< in the request
  int kv_head, first_head;      ///< first_head: in the group
  int heads_a_tile;
  int live_rows;  ///< the first so many rows may be live

  /// False where the block has no work.
  template <int kRows>
  __device__ bool find(const AttentionArguments& g) {
    const int num_seqs = load_int(g.num_seqs_ptr, 0);
    if (num_seqs <= 0) return false;
    heads_a_tile = min(g.group, kRows);
    const int tokens_a_tile = kRows / heads_a_tile;
    const int head_tiles = (g.group + heads_a_tile - 1) / heads_a_tile;
    // Late tiles first: where the mask is causal they have the most keys.
    const int block = gridDim.x - 1 - blockIdx.x;
    int low = 0;
    for (int high = num_seqs; high - low > 1;) {
      const int middle = (low + high) / 2;
      const bool before = load_int(g.query_start_loc_ptr, middle) / tokens_a_tile + middle <= block;
      low = before ? middle : low;
      high = before ? high : middle;
    }
    request = low;
    query_start = load_int(g.query_start_loc_ptr, request);
    query_len = load_int(g.query_start_loc_ptr, request + 1) - query_start;
    first_token = (block - (query_start / tokens_a_tile + request)) * tokens_a_tile;
    if (first_token >= query_len) return false;
    last_token = min(first_token + tokens_a_tile, query_len) - 1;
    kv_head = blockIdx.y / head_tiles;
    first_head = blockIdx.y % head_tiles * heads_a_tile;
    live_rows = (last_token - first_token + 1) * heads_a_tile;
    return true;
  }

  /// One row: false where it stands for no token and head.
  __device__ bool row(const AttentionArguments& g, int row, int& token, int& head) const {
    token = first_token + row / heads_a_tile;
    const int in_group = first_head + row % heads_a_tile;
    head = kv_head * g.group + in_group;
    const bool live = token <= last_token && in_group < g.group;
    token = min(token, last_token);
    return live;
  }
};

/// The keys of the tile's request.
struct Keys {
  int count;            ///< that are there
  int first_position;   ///< of the request's first query
  int start;            ///< row of the first key where they are contiguous
  unsigned reciprocal;  ///< of `sixteens`
  const int* table;

  __device__ Keys(const AttentionArguments& g, const RowTile& tile) {
    const bool paged = g.flags & kPaged;
    const int length = load_int(g.seq_lens_ptr, tile.request);
    first_position = length - tile.query_len;
    start = paged ? 0 : load_int(g.kv_start_loc_ptr, tile.request);
    count = paged ? length : load_int(g.kv_start_loc_ptr, tile.request + 1) - start;
    if (g.flags & kKvLens) count = load_int(g.kv_lens_ptr, tile.request);
    table = reinterpret_cast<const int*>(g.block_table_ptr) + tile.request * g.block_table_stride;
    reciprocal = paged && g.sixteens > 1 ? 0xffffffffu / static_cast<unsigned>(g.sixteens) + 1 : 0;
  }

  /// Which block a key that is there lies in, and its slot there; contiguous keys lie in one block. Blocks are
  /// multiples of 16 slots: 16 keys share one entry of the table. key / 16 * sixteens < 2^32 (the host sees to it).
  __device__ void find(const AttentionArguments& g, int key, bool there, long long& block, int& slot) const {
    block = 0;
    slot = start + key;
    if (!(g.flags & kPaged)) return;
    const int sixteen = key >> 4;
    const int index = reciprocal ? static_cast<int>(__umulhi(static_cast<unsigned>(sixteen), reciprocal)) : sixteen;
    if (there) block = table[index];
    slot = key - index * g.sixteens * 16;
  }
};

/// The tiles of keys [begin, end) that the block serves: all, or with num_splits > 1 the z-th part (at least two).
__device__ inline void take_part(const AttentionArguments& g, int begin, int end, int tile, int& first, int& count) {
  first = begin / tile;
  count = max((end + tile - 1) / tile - first, 0);
  if (g.num_splits == 1) return;
  const int part = max((count + g.num_splits - 1) / g.num_splits, 2);
  first += static_cast<int>(blockIdx.z) * part;
  count = max(min(count - static_cast<int>(blockIdx.z) * part, part), 0);
}

}  // namespace attnrt::flash
#endif
