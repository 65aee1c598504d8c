// SPDX-License-Identifier: Apache-2.0
//
// standard.hpp: attention with keys and values of their own, in a cache or not. `kernels` picks the instruction set.
#ifndef ATTNRT_CPU_ATTN_STANDARD_HPP
#define ATTNRT_CPU_ATTN_STANDARD_HPP
#include "attention_op.hpp"
#include "kv_cache.hpp"
#include "panel_cache.hpp"

namespace attnrt::cpu {

template <const AttentionKernels& (*kernels)() noexcept>
class Standard : public AttentionOp {
 public:
  explicit Standard(const sdk::CreateInfo& info) : AttentionOp(info, kernels()) {}

  static attnrt_kv_layout kv_layout(const attnrt_problem& problem) {
    return problem.kv_layouts & ATTNRT_KV_NATIVE ? panel_cache_layout(problem) : cache_layout(problem);
  }

  void write_kv(const attnrt_write_args& args, attnrt_stream stream) const {
    want_absent("write_kv", "k_scale", args.k_scale);
    want_absent("write_kv", "v_scale", args.v_scale);
    if (problem_.kv_layouts & ATTNRT_KV_NATIVE) return write_panels(problem_, args, stream);
    write_slots({{args.k, args.k_cache, 0}, {args.v, args.v_cache, 0}}, *args.slot_mapping, stream);
  }
  void gather_kv(const attnrt_gather_args& args, attnrt_stream stream) const {
    want_absent("gather_kv", "k_scale", args.k_scale);
    want_absent("gather_kv", "v_scale", args.v_scale);
    if (problem_.kv_layouts & ATTNRT_KV_NATIVE) return gather_panels(problem_, args, stream);
    gather_rows({{args.k, args.k_cache, 0}, {args.v, args.v_cache, 0}}, args, stream);
  }
};

}  // namespace attnrt::cpu
#endif
