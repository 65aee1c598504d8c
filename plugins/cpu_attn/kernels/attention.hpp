// SPDX-License-Identifier: Apache-2.0
//
// attention.hpp: what a tile kernel is given, free of instruction sets. One kernel family serves the standard family
// and MLA: a latent cache is one KV head whose values are the first columns of its keys.
#ifndef ATTNRT_CPU_ATTN_ATTENTION_HPP
#define ATTNRT_CPU_ATTN_ATTENTION_HPP
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "../simd/panel_layout.hpp"
#include "attnrt/plugin.h"
#include "tuning.hpp"

namespace attnrt::cpu {

/// The static part of a problem, in the kernel's types. Row = query * group + head of the group: the heads of a group,
/// which have the same keys, are in one tile.
struct AttentionShape {
  int32_t num_heads, num_kv_heads, group;
  int32_t head_size_qk, head_size_v;
  int32_t block_size;     ///< 0 without a cache
  int32_t item_rows;      ///< most query rows of an item
  int32_t tile_keys;      ///< of the panel kernels: tiles stand at its multiples
  int32_t in_place_rows;  ///< the most rows of a KV head that read keys and values in place, without packing; 0 = none
  bool native;            ///< the cache holds packed pages
  bool latent;            ///< the cache holds latent rows: MLA decode
  kernel::PanelLayout panels;  ///< of a native page and KV head
  uint32_t q_dtype;            ///< of out too
  uint32_t kv_dtype;           ///< as stored
  bool kv_8bit;                ///< keys and values are fp8 or int8
  bool widens;        ///< a native tile of 16 bits becomes fp32 once for all rows, not in the registers of each strip
  bool row_scales;    ///< each row of a cache of 8 bits has a scale: behind it, in native pages behind the values
  int32_t q_rope;     ///< last dims of q that lie in a tensor of their own, 0 = none
  uint64_t features;  ///< ATTNRT_FEATURE_* of the problem
  uint32_t causal;    ///< ATTNRT_CAUSAL_*
  int32_t window_left, window_right;
  float softcap;
  int32_t cp_size, cp_rank, cp_interleave;
  Tuning tuning;  ///< for this processor
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

/// What a program decides for pairs of query and key, beside all other masks (flex.so). Positions are those in the
/// request. `worker`: any address in the calling worker's scratch, which tells the program whose turn it is.
/// [thread-safe]
struct PairProgram {
  enum class Seen : uint8_t { kNone, kAll, kSome };
  const void* self;
  bool hides;    ///< it has a mask
  bool scores;   ///< it changes scores: in base e, after scale, softcap and ALiBi, before masks
  bool by_head;  ///< the mask differs by query head
  /// Queries [first, last] of heads [first, last] over keys [first, last].
  struct Block {
    int32_t request, first_head, last_head;
    int64_t first_query, last_query, first_key, last_key;
  };
  Seen (*look)(const void* self, const void* worker, const Block& block);
  /// One query of one head over `count` keys from first_key on.
  struct Row {
    int32_t request, head;
    int64_t query, first_key, count;
  };
  /// bias[i] becomes -infinity where key i is hidden. `bias` and `scores` lie in the worker's scratch.
  void (*hide)(const void* self, const Row& row, float* bias);
  void (*score)(const void* self, const Row& row, float* scores);
};

/// What hides and shows keys beyond causality and the window.
struct MaskOperands {
  DenseMask dense;
  View tree;                      ///< [request, query, key], fp32; data NULL = none
  View ranges;                    ///< [token, 2], int32; data NULL = none
  attnrt_block_sparse pattern{};  ///< block 0 = none
  const PairProgram* program = nullptr;
};

class MatmulWorkers;  // onednn_matmul.hpp

/// A request whose rows see all keys of a common prefix, and which attends them together with other requests (cascade).
struct PrefixMember {
  int32_t request;
  int32_t rows;   ///< all it has: queries x group
  int64_t state;  ///< their state after the prefix, for KV head 0, in floats of `states`
};

/// One call: a batch and its operands. k and v: strides of block, slot, head in a cache, 0, row, head without one.
struct AttentionCall {
  AttentionShape shape;
  const attnrt_batch* batch;
  View q, k, v, out;
  View q_rope;            ///< where shape.q_rope is not 0
  View lse;               ///< data NULL = not wanted
  View sinks;             ///< data NULL = none
  bool sinks_fp32;        ///< else of q's dtype
  View alibi_slopes;      ///< data NULL = none
  View k_scale, v_scale;  ///< [request, KV head], value = stored * scale; data NULL = 1
  MaskOperands masks;
  float scale;
  float* partials;               ///< results of splits, where items have slots
  int32_t* counters;             ///< of finished subitems, [split group, KV head], zero between calls
  const MatmulWorkers* matmuls;  ///< of the onednn variant, else NULL
  const PrefixMember* members;
  float* states;  ///< of the members' rows between the two passes of a call
};

/// Up to item_rows rows of one request, for each of `heads` KV heads: all their keys, or a subitem, which is a range of
/// their splits that other subitems complete. Or all rows of several requests for the keys of their common prefix
/// (cascade); the state that these have then is where the requests' own items begin.
struct AttentionItem {
  int32_t request;  ///< of a prefix item, the first one's: the keys are read through its block table
  int32_t rows;     ///< of each KV head
  int32_t heads;    ///< that are attended together; divides the number of KV heads; 1 in a prefix item
  int64_t first_row;
  int64_t cost;                       ///< about the time of these heads, in units without meaning
  int64_t slot;                       ///< of the first split of KV head 0, in floats of `partials`; -1 = all keys
  int32_t first_split, last_split;    ///< of this subitem
  int32_t split_group, num_subitems;  ///< whose counter, and how many subitems it counts
  int32_t prefix_keys;  ///< of a prefix item, where its keys end; of a member's own item, where they begin; else 0
  int32_t first_member, num_members;     ///< num_members is 0 in an item of one request
  int64_t cluster_begin, cluster_items;  ///< neighbours that read much the same keys (task_at)

  bool is_prefix() const { return num_members > 0; }
  /// Does it begin with the state that a prefix item left?
  bool continues_prefix() const { return prefix_keys > 0 && num_members == 0; }
};

/// An item and one of its KV heads.
struct AttentionTask {
  const AttentionItem* item;
  int32_t kv_head;
};
/// Of the tasks in their order: a cluster's items for one KV head, then for the next, so that the keys of a head are
/// read again while a cache holds them.
inline AttentionTask task_at(const AttentionItem* items, int64_t num_kv_heads, int64_t i) {
  const AttentionItem& any = items[i / num_kv_heads];
  const int64_t at = i - any.cluster_begin * num_kv_heads;
  return {items + any.cluster_begin + at % any.cluster_items, static_cast<int32_t>(at / any.cluster_items)};
}

/// The attention of one item for its KV heads from `kv_head` on, by one worker with scratch of its own. [thread-safe]
/// Allocates nothing; a library in use may.
using AttendFn = void (*)(const AttentionCall& call, const AttentionItem& item, int32_t kv_head, std::byte* scratch);

/// Do the items of a mixed batch stand in two lists?
inline bool mixes(const AttentionShape& shape) { return shape.native && !shape.latent; }

/// A mixed batch: items that compute (prefill), then items that wait for memory (decode). Each worker takes from both
/// lists, and attends its decode item between strips of rows of the other one, whose products hide the time that memory
/// takes.
struct MixedWork {
  const AttentionItem* items;
  int64_t num_compute_items, num_decode_items;
  int64_t overlap_pairs;  ///< of rows and keys, of the items with at least Tuning::overlap_rows, for one KV head
  int64_t decode_keys;    ///< for one KV head
  std::atomic<int64_t> next_compute_task{0}, next_decode_task{0};  ///< counted by item and KV head
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
  AttendFns attend[3];      ///< by dtype of q: ATTNRT_FP32, ATTNRT_FP16, ATTNRT_BF16
  AttendFns attend_kv8[3];  ///< where keys and values have 8 bits
  /// Bytes of scratch of one worker, a multiple of 64.
  std::size_t (*scratch_bytes)(const AttentionShape& shape);
  /// Floats of one split's result with `rows` rows; NULL = items are never split.
  int64_t (*split_floats)(const AttentionShape& shape, int64_t rows);
  Isa isa;
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
AttendFns avx512_vbmi_kv8(uint32_t q_dtype) noexcept;
/// AVX512, with products by oneDNN; the second one by AVX512_BF16, for bf16 alone.
const AttentionKernels& onednn_attention() noexcept;
const AttentionKernels& onednn_bf16_attention() noexcept;
#endif

}  // namespace attnrt::cpu
#endif
