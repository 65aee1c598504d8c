// SPDX-License-Identifier: Apache-2.0
//
// attention.hpp: what a tile kernel is given, free of instruction sets. One kernel family serves the standard family
// and MLA: a latent cache is one KV head whose values are the first columns of its keys.
#ifndef ATTNRT_CPU_ATTN_ATTENTION_HPP
#define ATTNRT_CPU_ATTN_ATTENTION_HPP
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "../../kernel/panel_layout.hpp"
#include "attnrt/plugin.h"

namespace attnrt::cpu {

/// Query rows of one item of the portable kernel. Row = query * group + head of the group: the heads that share keys
/// share a tile.
constexpr int32_t kItemRows = 64;
/// Keys of one of its tiles; tiles stand at 0, kTileKeys, 2 kTileKeys of every request.
constexpr int32_t kTileKeys = 64;

/// Bounds of the panel kernels' items and tiles.
constexpr int32_t kMaxItemRows = 264, kMaxTileKeys = 256;
/// KV heads that one worker attends together, at most.
constexpr int32_t kMaxItemHeads = 32;
/// Below so many rows keys and values come from memory as fast as they are used: the item streams. With at least so
/// many an item computes long enough to host a stream.
constexpr int32_t kStreamRows = 12, kHostRows = 48;
/// AttentionKernels::row_walk_rows at most where a head's rows follow each other in a page (HND): packing reads these
/// in the order of memory too.
constexpr int32_t kRowWalkRowsHnd = 12;
/// Keys of a tile of the onednn variant.
constexpr int32_t kMatmulKeys = 128;
/// Where a long request may be split among workers: at 0, kSplitKeys, 2 kSplitKeys of its keys, and nowhere else.
constexpr int32_t kSplitKeys = 1024;

/// The static part of a problem, in the kernel's types.
struct AttentionShape {
  int32_t num_heads, num_kv_heads, group;
  int32_t head_size_qk, head_size_v;
  int32_t block_size;  ///< 0 without a cache
  int32_t item_rows;   ///< most query rows of an item
  int32_t tile_keys;   ///< of the panel kernels: tiles stand at its multiples
  int32_t row_walk_rows;  ///< up to so many rows of a KV head use keys and values as they lie, 0 = none
  bool native;         ///< the cache holds packed pages
  bool latent;         ///< the cache holds latent rows: MLA decode
  kernel::PanelLayout panels;  ///< of a native page and KV head
  uint32_t q_dtype;    ///< of out too
  uint32_t kv_dtype;   ///< as stored
  bool bytes;          ///< keys and values have 8 bits
  bool widens;         ///< a native tile of 16 bits becomes fp32 once for many rows, not in the registers of each strip
  bool row_scales;     ///< each of their rows has a scale: behind it, in native pages behind the values
  int32_t q_rope;      ///< last dims of q that lie in a tensor of their own, 0 = none
  uint64_t features;   ///< ATTNRT_FEATURE_* of the problem
  uint32_t causal;     ///< ATTNRT_CAUSAL_*
  int32_t window_left, window_right;
  float softcap;
  int32_t cp_size, cp_rank, cp_interleave;
};

/// A tensor's memory with the strides, in elements, of the dimensions before the last.
struct View {
  void* data = nullptr;
  int64_t stride[3] = {0, 0, 0};
};

/// A mask given as numbers or truth values, [request, head, query, key]; strides in elements, 0 where one serves all.
struct DenseMask {
  enum class Kind { kNone, kBool, kFp16, kBf16, kFp32 };
  Kind kind = Kind::kNone;
  const void* data = nullptr;
  int64_t stride[4] = {0, 0, 0, 0};
};

/// What hides and shows keys beyond causality and the window.
struct MaskOperands {
  DenseMask dense;
  View tree;    ///< [request, query, key], fp32; data NULL = none
  View ranges;  ///< [token, 2], int32; data NULL = none
  attnrt_block_sparse pattern{};  ///< block 0 = none
};

class MatmulWorkers;  // onednn_matmul.hpp

/// A request whose rows see all of a common prefix, which they attend together with those of other requests.
struct Sharer {
  int32_t request;
  int32_t rows;   ///< all it has: queries x group
  int64_t state;  ///< what the prefix gives them, for KV head 0, in floats of `states`
};

/// One call: a batch and its operands. k and v: strides of block, slot, head in a cache, 0, row, head without one.
struct AttentionCall {
  AttentionShape shape;
  const attnrt_batch* batch;
  View q, k, v, out;
  View q_rope;        ///< where shape.q_rope is not 0
  View lse;           ///< data NULL = not wanted
  View sinks;         ///< data NULL = none
  bool sinks_fp32;    ///< else of q's dtype
  View alibi_slopes;  ///< data NULL = none
  View k_scale, v_scale;  ///< [request, KV head], value = stored * scale; data NULL = 1
  MaskOperands masks;
  float scale;
  float* partials;    ///< results of splits, where items have slots
  int32_t* counters;  ///< of finished pieces, [group, KV head], zero between runs
  const MatmulWorkers* matmuls;  ///< of the onednn variant, else NULL
  const Sharer* sharers;
  float* states;      ///< of the sharers' rows between the two passes of a run
};

/// Up to item_rows rows of one request, for each `heads` KV heads: all their keys, or a piece of them whose results
/// other pieces complete. Or all rows of some sharers, for the keys of their prefix, which leave their state to the
/// sharers' own items; those go on from there.
struct AttentionItem {
  int32_t request;  ///< of sharers, the first one's: their keys are read through its block table
  int32_t rows;     ///< of each KV head
  int32_t heads;    ///< that are attended together; divides the number of KV heads; 1 for sharers
  int64_t first_row;
  int64_t cost;  ///< about the time of these heads, in units without meaning
  int64_t slot;  ///< of the first split of KV head 0, in floats of `partials`; -1 = all keys
  int32_t first_split, last_split;  ///< of this piece
  int32_t group, pieces;            ///< whose counter, and how many pieces there are
  int32_t shared_keys;  ///< of sharers, where their keys end; of a sharer, where its own begin; else 0
  int32_t first_sharer, num_sharers;  ///< num_sharers is 0 in an item of one request
  int64_t run_begin, run_items;  ///< neighbours that read much the same keys (task_at), this one among them

  bool gathers() const { return num_sharers > 0; }
  /// Does it go on from a state that sharers left?
  bool resumes() const { return shared_keys > 0 && num_sharers == 0; }
};

/// An item and one of its KV heads.
struct AttentionTask {
  const AttentionItem* item;
  int32_t kv_head;
};
/// Of the tasks in their order: a run's items for one KV head, then for the next, so that the keys of a head are read
/// again while a cache holds them.
inline AttentionTask task_at(const AttentionItem* items, int64_t num_kv_heads, int64_t i) {
  const AttentionItem& any = items[i / num_kv_heads];
  const int64_t at = i - any.run_begin * num_kv_heads;
  return {items + any.run_begin + at % any.run_items, static_cast<int32_t>(at / any.run_items)};
}

/// The attention of one item for its KV heads from `kv_head` on, by one worker with scratch of its own. [thread-safe]
/// Allocates nothing; a library in use may.
using AttendFn = void (*)(const AttentionCall& call, const AttentionItem& item, int32_t kv_head, std::byte* scratch);

/// Do the items of a mixed batch stand in two lists?
inline bool mixes(const AttentionShape& shape) { return shape.native && !shape.latent; }

/// A mixed batch: items that compute, then items that stream. Each worker takes from both lists, and attends its stream
/// between strips of rows of the other one, whose products meanwhile hide the time that memory takes.
struct MixedWork {
  const AttentionItem* items;
  int64_t num_computing, num_streams;
  int64_t host_pairs;   ///< of rows and keys, of the items that can host, for one KV head
  int64_t stream_keys;  ///< for one KV head
  std::atomic<int64_t> next_computing{0}, next_stream{0};  ///< counted by item and KV head
};

/// One worker's part of a mixed batch: all that is left when it comes. [thread-safe]
using AttendMixedFn = void (*)(const AttentionCall& call, MixedWork& work, std::byte* scratch);

struct AttendFns {
  AttendFn item;
  AttendMixedFn mixed;  ///< NULL = items are attended one by one
  bool widens;          ///< the products of native pages of 16 bits are those of fp32
  constexpr AttendFns(AttendFn attend_item = nullptr, AttendMixedFn attend_mixed = nullptr, bool widens_pages = false)
      : item(attend_item), mixed(attend_mixed), widens(widens_pages) {}
};

/// The tile kernels of one instruction set.
struct AttentionKernels {
  AttendFns attend[3];  ///< by dtype of q: ATTNRT_FP32, ATTNRT_FP16, ATTNRT_BF16
  AttendFns attend_bytes[3];  ///< where keys and values have 8 bits
  /// Bytes of scratch of one worker, a multiple of 64.
  std::size_t (*scratch_bytes)(const AttentionShape& shape);
  /// Floats of one split's result with `rows` rows; NULL = items are never split.
  int64_t (*split_floats)(const AttentionShape& shape, int64_t rows);
  /// Up to so many rows of a KV head use keys and values as an engine lays them out; all KV heads together then read
  /// pages in the order of memory. 0 = never.
  int32_t row_walk_rows;
  int32_t item_rows = 0;  ///< 0 = by the problem, or kItemRows where there are no splits
  int32_t tile_keys = 0;  ///< 0 = by the problem
  /// In place of attend_bytes where the processor decides, asked once an op; NULL = attend_bytes.
  AttendFns (*bytes_here)(uint32_t q_dtype) noexcept = nullptr;
};

/// Whatever the compiler makes for the baseline of the architecture.
const AttentionKernels& portable_attention() noexcept;
#if defined(__x86_64__)
/// By their ATTNRT_ISA_*.
const AttentionKernels& avx2_attention() noexcept;
const AttentionKernels& avx512_attention() noexcept;
const AttentionKernels& avx512_bf16_attention() noexcept;
const AttentionKernels& amx_bf16_attention() noexcept;
/// For keys and values of 8 bits, by AVX512_BF16 and VBMI.
AttendFns avx512_vbmi_bytes(uint32_t q_dtype) noexcept;
/// AVX512, with products by oneDNN; the second one by AVX512_BF16, for bf16 alone.
const AttentionKernels& onednn_attention() noexcept;
const AttentionKernels& onednn_bf16_attention() noexcept;
#endif

}  // namespace attnrt::cpu
#endif
