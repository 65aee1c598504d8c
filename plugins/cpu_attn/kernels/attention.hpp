// SPDX-License-Identifier: Apache-2.0
//
// attention.hpp: what a tile kernel is given, free of instruction sets. One kernel family serves the standard family
// and MLA: a latent cache is one KV head whose values are the first columns of its keys.
#ifndef ATTNRT_CPU_ATTN_ATTENTION_HPP
#define ATTNRT_CPU_ATTN_ATTENTION_HPP
#include <cstddef>
#include <cstdint>

#include "attnrt/plugin.h"

namespace attnrt::cpu {

/// Query rows of one item. Row = query * group + head of the group: the heads that share keys share a tile.
constexpr int32_t kItemRows = 64;
/// Keys of one tile; tiles stand at 0, kTileKeys, 2 kTileKeys of every request.
constexpr int32_t kTileKeys = 64;

/// The static part of a problem, in the kernel's types.
struct AttentionShape {
  int32_t num_heads, num_kv_heads, group;
  int32_t head_size_qk, head_size_v;
  int32_t block_size;  ///< 0 without a cache
  uint32_t causal;     ///< ATTNRT_CAUSAL_*
  int32_t window_left, window_right;
  float softcap;
};

/// A tensor's memory with the strides, in elements, of the dimensions before the last.
struct View {
  void* data = nullptr;
  int64_t stride[3] = {0, 0, 0};
};

/// One call: a batch and its operands. k and v: strides of block, slot, head in a cache, 0, row, head without one.
struct AttentionCall {
  AttentionShape shape;
  const attnrt_batch* batch;
  View q, k, v, out;
  View lse;           ///< data NULL = not wanted
  View sinks;         ///< data NULL = none
  bool sinks_fp32;    ///< else of q's dtype
  View alibi_slopes;  ///< data NULL = none
  float scale;
};

/// Up to kItemRows rows of one request, for each KV head.
struct AttentionItem {
  int32_t request;
  int32_t rows;
  int64_t first_row;
  int64_t cost;  ///< about the time of one KV head, in units without meaning
};

/// The attention of one item for one KV head, by one worker with scratch of its own. [thread-safe] Allocates nothing.
using AttendFn = void (*)(const AttentionCall& call, const AttentionItem& item, int32_t kv_head, std::byte* scratch);

/// The tile kernels of one instruction set.
struct AttentionKernels {
  AttendFn attend[3];  ///< by dtype: ATTNRT_FP32, ATTNRT_FP16, ATTNRT_BF16
  /// Bytes of scratch of one worker, a multiple of 64.
  std::size_t (*scratch_bytes)(int32_t head_size_qk, int32_t head_size_v);
};

/// Whatever the compiler makes for the baseline of the architecture.
const AttentionKernels& portable_attention() noexcept;

}  // namespace attnrt::cpu
#endif
