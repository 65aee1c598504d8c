// SPDX-License-Identifier: Apache-2.0
//
// A slow, plain plugin, and copies of it with one mistake each. They are what the conformance kit itself is tested on.
#ifndef ATTNRT_TESTS_NAIVE_PLUGIN_HPP
#define ATTNRT_TESTS_NAIVE_PLUGIN_HPP
#include "attnrt/plugin.h"

#define NAIVE_MUTANTS(X)                                                                                               \
  X(naive_correct)                                                                                                     \
  X(naive_causal_off_by_one) X(naive_softcap_ignored) X(naive_block_too_far) X(naive_lse_base)                         \
  X(naive_window_off_by_one) X(naive_sink_twice) X(naive_alibi_sign) X(naive_writes_past)                              \
  X(naive_slot_minus_one) X(naive_scale_twice) X(naive_reads_tail) X(naive_batch_dependent)                            \
  X(naive_chunk_dependent) X(naive_merge_nan) X(naive_shared_plans) X(naive_head_size)                                 \
  X(naive_create_refuses) X(naive_refuses_silently) X(naive_workspace_grows) X(naive_allocates)                        \
  X(naive_system_call) X(naive_spoils_cache) X(naive_reads_past_q) X(naive_unrepeatable) X(naive_first_mask)           \
  X(naive_rank_ignored) X(naive_gather_start) X(naive_unknown_bits) X(naive_keeps_batch) X(naive_wordless)             \
  X(naive_no_write_kv) X(naive_claims_sparse) X(naive_claims_quant)                                                 \
  X(naive_k_scale_ignored) X(naive_first_scale) X(naive_other_token) X(naive_wraps) X(naive_truncates)                 \
  X(naive_gathers_stored) X(naive_prefix_skipped) X(naive_prefix_twice) X(naive_prefix_too_far)                \
  X(naive_scale_missing) X(naive_first_table) X(naive_causal_too_few)

#define NAIVE_DECLARE(name) const attnrt_plugin* name();
NAIVE_MUTANTS(NAIVE_DECLARE)
#undef NAIVE_DECLARE

#endif
