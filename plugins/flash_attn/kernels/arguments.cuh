// SPDX-License-Identifier: Apache-2.0
//
// arguments.cuh: the arguments of each kernel, read by the host too (../arguments.hpp). A list names them in the order
// in which they lie in the launch's block, each aligned to its own size: P pointer, F fp32, I int32, L int64. Strides
// are in elements; a pointer that a flag makes unused is not followed.
#ifndef ATTNRT_FLASH_ARGUMENTS_CUH
#define ATTNRT_FLASH_ARGUMENTS_CUH

namespace attnrt::flash {

/// Bits of `flags`.
enum Flag : int {
  kCausal = 1,
  kPerRequest = 2,  ///< causal_ptr says it for each request
  kPaged = 4,       ///< else k and v are contiguous, rows at kv_start_loc
  kKvLens = 8,      ///< kv_lens_ptr holds the keys of each request
  kSinks = 16,
  kSinksQDtype = 32,  ///< sinks are of q's dtype, not fp32
  kAlibi = 64,
  kLse = 128,
  kAligned = 256,     ///< reads of 16 bytes: pointers at 16 bytes, strides multiples of 16 bytes
  kAlignedOut = 512,  ///< out can be written in pairs of elements
  kQScale = 1024,
  kKScale = 2048,
  kVScale = 4096,
  kPartialFp32 = 8192,  ///< merge_states: partial results are fp32, not of out's dtype
  kCacheFp8 = 16384,    ///< write_kv: rows of 16 bits become e4m3
  kRowsBf16 = 32768,    ///< write_kv with kCacheFp8: rows are bf16, not fp16
};

#define ATTNRT_FLASH_ATTENTION(P, F, I, L)                                                                             \
  P(out_ptr)                                                                                                           \
  P(partial_ptr) P(partial_lse_ptr) P(lse_ptr) P(q_ptr) P(q_rope_ptr) P(k_ptr) P(v_ptr) P(query_start_loc_ptr)         \
      P(seq_lens_ptr) P(kv_lens_ptr) P(kv_start_loc_ptr) P(causal_ptr) P(block_table_ptr) P(num_seqs_ptr)              \
          P(q_scale_ptr) P(k_scale_ptr) P(v_scale_ptr) P(sinks_ptr) P(alibi_slopes_ptr) F(softmax_scale) F(softcap)    \
              I(window_left) I(window_right) I(flags) I(num_heads) I(group) I(head_size_qk) I(head_size_v) I(sixteens) \
                  I(num_splits) I(cp_size) I(cp_rank) I(cp_interleave) L(q_stride_token) L(q_stride_head)              \
                      L(q_rope_stride_token) L(q_rope_stride_head) L(k_stride_block) L(k_stride_slot) L(k_stride_head) \
                          L(v_stride_block) L(v_stride_slot) L(v_stride_head) L(out_stride_token) L(out_stride_head)   \
                              L(lse_stride_token) L(lse_stride_head) L(block_table_stride) L(q_scale_stride_request)   \
                                  L(q_scale_stride_head) L(k_scale_stride_request) L(k_scale_stride_head)              \
                                      L(v_scale_stride_request) L(v_scale_stride_head)

#define ATTNRT_FLASH_MERGE_SPLITS(P, F, I, L)                                                                       \
  P(out_ptr)                                                                                                        \
  P(lse_ptr) P(partial_ptr) P(partial_lse_ptr) P(query_start_loc_ptr) P(num_seqs_ptr) P(sinks_ptr) I(flags)         \
      I(num_heads) I(head_size_v) I(pitch) I(num_splits) L(out_stride_token) L(out_stride_head) L(lse_stride_token) \
          L(lse_stride_head)

#define ATTNRT_FLASH_WRITE_KV(P, F, I, L)                                                                          \
  P(k_ptr)                                                                                                         \
  P(v_ptr) P(slot_mapping_ptr) P(k_cache_ptr) P(v_cache_ptr) P(k_scale_ptr) P(v_scale_ptr) I(flags) I(num_tokens)  \
      I(head_size_qk) I(head_size_v) I(block_size) I(element_bytes) L(k_stride_token) L(k_stride_head)             \
          L(v_stride_token) L(v_stride_head) L(k_cache_stride_block) L(k_cache_stride_slot) L(k_cache_stride_head) \
              L(v_cache_stride_block) L(v_cache_stride_slot) L(v_cache_stride_head) L(slot_stride)                 \
                  L(k_scale_stride_head) L(v_scale_stride_head)

#define ATTNRT_FLASH_MERGE_STATES(P, F, I, L)                                                                        \
  P(out_ptr)                                                                                                         \
  P(lse_ptr) P(out_0_ptr) P(out_1_ptr) P(out_2_ptr) P(out_3_ptr) P(lse_0_ptr) P(lse_1_ptr) P(lse_2_ptr) P(lse_3_ptr) \
      I(flags) I(num_partials) I(num_merged_tokens) I(head_size_v) L(out_stride_token) L(out_stride_head)            \
          L(lse_stride_token) L(lse_stride_head) L(out_0_stride_token) L(out_0_stride_head) L(lse_0_stride_token)    \
              L(lse_0_stride_head) L(out_1_stride_token) L(out_1_stride_head) L(lse_1_stride_token)                  \
                  L(lse_1_stride_head) L(out_2_stride_token) L(out_2_stride_head) L(lse_2_stride_token)              \
                      L(lse_2_stride_head) L(out_3_stride_token) L(out_3_stride_head) L(lse_3_stride_token)          \
                          L(lse_3_stride_head)

#ifdef __CUDACC__
#define ATTNRT_FLASH_P_(name) char* name;
#define ATTNRT_FLASH_F_(name) float name;
#define ATTNRT_FLASH_I_(name) int name;
#define ATTNRT_FLASH_L_(name) long long name;
#define ATTNRT_FLASH_STRUCT_(Type, list)                                     \
  struct Type {                                                              \
    list(ATTNRT_FLASH_P_, ATTNRT_FLASH_F_, ATTNRT_FLASH_I_, ATTNRT_FLASH_L_) \
  }
ATTNRT_FLASH_STRUCT_(AttentionArguments, ATTNRT_FLASH_ATTENTION);
ATTNRT_FLASH_STRUCT_(MergeSplitsArguments, ATTNRT_FLASH_MERGE_SPLITS);
ATTNRT_FLASH_STRUCT_(WriteKvArguments, ATTNRT_FLASH_WRITE_KV);
ATTNRT_FLASH_STRUCT_(MergeStatesArguments, ATTNRT_FLASH_MERGE_STATES);
#endif

}  // namespace attnrt::flash
#endif
