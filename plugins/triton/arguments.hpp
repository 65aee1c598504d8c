// SPDX-License-Identifier: Apache-2.0
//
// arguments.hpp: the arguments of each kernel as the host sets them. Member names are the kernels' own. Strides are in
// elements; a pointer that a flag makes unused is 0 or anything else: it is not followed.
#ifndef ATTNRT_TRITON_ARGUMENTS_HPP
#define ATTNRT_TRITON_ARGUMENTS_HPP
#include <cstdint>

#include "../gpu/arguments.hpp"

namespace attnrt::triton {

/// Bits of `flags`.
enum Flag : int32_t {
  kCausal = 1,
  kPerRequest = 2,  ///< causal_ptr says it for each request
  kPaged = 4,
  kKvLens = 8,  ///< kv_lens_ptr holds the visible keys
  kSinks = 16,
  kAlibi = 32,
  kAlibiSqrt = 64,
  kTree = 128,
  kPrefix = 256,
  kLse = 512,
  kQScale = 1024,
  kKScale = 2048,
  kVScale = 4096,
  kSinksQDtype = 8192,
};

#define ATTNRT_ATTENTION_ARGUMENTS(P, F, I, L)                                                                        \
  P(out_ptr) P(partial_ptr) P(partial_lse_ptr) P(lse_ptr) P(q_ptr) P(k_ptr) P(v_ptr) P(query_start_loc_ptr)           \
  P(seq_lens_ptr) P(kv_lens_ptr) P(kv_start_loc_ptr) P(causal_ptr) P(block_table_ptr) P(q_scale_ptr) P(k_scale_ptr)   \
  P(v_scale_ptr) P(sinks_ptr) P(sinks_q_ptr) P(alibi_slopes_ptr) P(tree_mask_ptr) P(prefix_ranges_ptr)                \
  P(num_seqs_ptr) F(softmax_scale) F(softcap) I(window_left) I(window_right) I(flags) I(num_heads) I(num_kv_heads)    \
  I(head_size_qk) I(head_size_v) I(block_size) I(num_splits) L(q_stride_token) L(q_stride_head) L(k_stride_block)     \
  L(k_stride_slot) L(k_stride_head) L(v_stride_block) L(v_stride_slot) L(v_stride_head) L(out_stride_token)           \
  L(out_stride_head) L(lse_stride_token) L(lse_stride_head) L(block_table_stride) L(q_scale_stride_request)           \
  L(q_scale_stride_head) L(k_scale_stride_request) L(k_scale_stride_head) L(v_scale_stride_request)                   \
  L(v_scale_stride_head) L(tree_stride_request) L(tree_stride_row) L(tree_stride_key)

#define ATTNRT_MERGE_SPLITS_ARGUMENTS(P, F, I, L)                                                                     \
  P(out_ptr) P(lse_ptr) P(partial_ptr) P(partial_lse_ptr) P(query_start_loc_ptr) P(num_seqs_ptr) P(sinks_ptr)         \
  P(sinks_q_ptr) I(flags) I(num_heads) I(head_size_v) I(num_splits) I(first_token) L(out_stride_token)               \
  L(out_stride_head) L(lse_stride_token) L(lse_stride_head)

#define ATTNRT_WRITE_KV_ARGUMENTS(P, F, I, L)                                                                         \
  P(k_ptr) P(v_ptr) P(slot_mapping_ptr) P(k_cache_ptr) P(v_cache_ptr) P(k_scale_ptr) P(v_scale_ptr) I(flags)          \
  I(num_tokens) I(num_kv_heads) I(head_size_qk) I(head_size_v) I(block_size) L(k_stride_token) L(k_stride_head)       \
  L(v_stride_token) L(v_stride_head) L(k_cache_stride_block) L(k_cache_stride_slot) L(k_cache_stride_head)            \
  L(v_cache_stride_block) L(v_cache_stride_slot) L(v_cache_stride_head) L(slot_stride) L(k_scale_stride_head)         \
  L(v_scale_stride_head)

#define ATTNRT_MERGE_STATES_ARGUMENTS(P, F, I, L)                                                                     \
  P(out_ptr) P(lse_ptr) P(out_0_ptr) P(out_1_ptr) P(out_2_ptr) P(out_3_ptr) P(lse_0_ptr) P(lse_1_ptr) P(lse_2_ptr)    \
  P(lse_3_ptr) I(flags) I(num_partials) I(num_merged_tokens) I(num_heads) I(head_size_v) L(out_stride_token)          \
  L(out_stride_head) L(lse_stride_token) L(lse_stride_head) L(out_0_stride_token) L(out_0_stride_head)                \
  L(lse_0_stride_token) L(lse_0_stride_head) L(out_1_stride_token) L(out_1_stride_head) L(lse_1_stride_token)         \
  L(lse_1_stride_head) L(out_2_stride_token) L(out_2_stride_head) L(lse_2_stride_token) L(lse_2_stride_head)          \
  L(out_3_stride_token) L(out_3_stride_head) L(lse_3_stride_token) L(lse_3_stride_head)

// Those of mla_sparse, too.
#define ATTNRT_MLA_DECODE_ARGUMENTS(P, F, I, L)                                                                       \
  P(partial_ptr) P(partial_lse_ptr) P(q_ptr) P(q_rope_ptr) P(kv_ptr) P(query_start_loc_ptr) P(seq_lens_ptr)           \
  P(kv_lens_ptr) P(causal_ptr) P(block_table_ptr) P(sparse_indices_ptr) P(k_scale_ptr) P(num_seqs_ptr)                \
  F(softmax_scale) I(flags) I(num_heads) I(block_size) I(num_splits) I(sparse_topk) I(first_token)                    \
  L(q_stride_token) L(q_stride_head) L(q_rope_stride_token) L(q_rope_stride_head) L(kv_stride_block)                  \
  L(kv_stride_slot) L(block_table_stride) L(sparse_stride_token) L(k_scale_stride_request)

ATTNRT_GPU_ARGUMENTS(AttentionArguments, ATTNRT_ATTENTION_ARGUMENTS, kAttentionMembers);
ATTNRT_GPU_ARGUMENTS(MergeSplitsArguments, ATTNRT_MERGE_SPLITS_ARGUMENTS, kMergeSplitsMembers);
ATTNRT_GPU_ARGUMENTS(WriteKvArguments, ATTNRT_WRITE_KV_ARGUMENTS, kWriteKvMembers);
ATTNRT_GPU_ARGUMENTS(MergeStatesArguments, ATTNRT_MERGE_STATES_ARGUMENTS, kMergeStatesMembers);
ATTNRT_GPU_ARGUMENTS(MlaDecodeArguments, ATTNRT_MLA_DECODE_ARGUMENTS, kMlaDecodeMembers);

}  // namespace attnrt::triton
#endif
