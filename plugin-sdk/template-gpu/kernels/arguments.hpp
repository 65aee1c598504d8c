// SPDX-License-Identifier: Apache-2.0
//
// What the host gives the kernels: one struct a kernel, by value, so that both sides read one definition. All addresses
// are device memory, all strides count elements.
#ifndef EXAMPLE_GPU_ATTN_KERNELS_ARGUMENTS_HPP
#define EXAMPLE_GPU_ATTN_KERNELS_ARGUMENTS_HPP
#include <cstdint>

namespace example_gpu_attn {

/// A tensor of rows: paged by [block, slot, head], contiguous by [slot, head] with one block for all.
struct Rows {
  uint64_t data;
  int64_t block_stride, slot_stride, head_stride;
};

struct AttentionArguments {
  Rows q, k, v, out;  ///< fp16; tokens of q and out are slots
  uint64_t lse;       ///< fp32, 0 = not wanted
  int64_t lse_token_stride, lse_head_stride;
  uint64_t query_start_loc, seq_lens;  ///< int32
  uint64_t kv_start_loc, kv_lens;      ///< int32, 0 = there is none
  uint64_t block_table;                ///< int32, 0 = contiguous
  int64_t block_table_stride;
  int32_t num_seqs, num_tokens, group;  ///< group: query heads a KV head
  int32_t head_size_qk, head_size_v, block_size;
  int32_t causal;
  float scale;
};

struct WriteArguments {
  Rows from, to;
  uint64_t slot_mapping;  ///< int64, -1 = leave out
  int64_t slot_stride;
  int32_t head_size, block_size;
};

constexpr int kMostHead = 256;     ///< elements of a row
constexpr int kWarpsPerBlock = 4;  ///< each has a query token and head of its own

}  // namespace example_gpu_attn
#endif
