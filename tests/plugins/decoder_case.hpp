// SPDX-License-Identifier: Apache-2.0
//
// A decoder of the subject's dtype over pages: causal, prefill and decode in one batch, with the log-sum-exp.
#ifndef ATTNRT_TESTS_DECODER_CASE_HPP
#define ATTNRT_TESTS_DECODER_CASE_HPP
#include "conformance/numerics.hpp"
#include "subject.hpp"

/// `layout`: ATTNRT_KV_*. Without lengths.
inline attnrt::conformance::Case decoder_case(uint32_t layout, uint32_t num_kv_heads, uint32_t group,
                                              uint32_t block_size, uint32_t head_size) {
  attnrt::conformance::Case c;
  attnrt_problem& p = c.problem;
  p = attnrt::conformance::empty_problem(attnrt::sdk::cpu_isa());
  p.family = ATTNRT_FAMILY_STANDARD;
  p.attn_type = ATTNRT_ATTN_DECODER;
  p.phase = ATTNRT_PHASE_MIXED;
  p.causal = ATTNRT_CAUSAL_ALWAYS;
  p.features = ATTNRT_FEATURE_CAUSAL | ATTNRT_FEATURE_LSE;
  p.num_kv_heads = num_kv_heads;
  p.num_heads = num_kv_heads * group;
  p.head_size_qk = p.head_size_v = head_size;
  p.q_dtype = p.kv_dtype = p.out_dtype = subject_dtype();
  p.kv_layouts = layout;
  p.block_size = block_size;
  c.lse = true;
  return c;
}

#endif
