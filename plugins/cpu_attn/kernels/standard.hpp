// SPDX-License-Identifier: Apache-2.0
//
// standard.hpp: attention with keys and values of their own, in a cache or not. `kernels` picks the instruction set.
#ifndef ATTNRT_CPU_ATTN_STANDARD_HPP
#define ATTNRT_CPU_ATTN_STANDARD_HPP
#include "attention_op.hpp"
#include "attnrt/kv_layout.hpp"
#include "kv_cache.hpp"
#include "panel_cache.hpp"

namespace attnrt::cpu {

class StandardOp : public AttentionOp {
 public:
  using AttentionOp::AttentionOp;

  static attnrt_kv_layout kv_layout(const attnrt_problem& problem) {
    return problem.kv_layouts & ATTNRT_KV_NATIVE ? panel_cache_layout(problem) : sdk::affine_layout(problem);
  }

  void write_kv(const attnrt_write_args& args, attnrt_stream stream) const {
    if (!(problem_.kv_layouts & ATTNRT_KV_NATIVE))
      return write_slots({part(args.k, args.k_cache, args.k_scale), part(args.v, args.v_cache, args.v_scale)},
                         *args.slot_mapping, stream);
    if (!quantised(problem_)) return write_panels(problem_, args, stream);
    const ByteRows rows(problem_, *args.k_cache);
    write_slots({part(args.k, &rows.k, args.k_scale), part(args.v, &rows.v, args.v_scale)}, *args.slot_mapping, stream);
  }
  void gather_kv(const attnrt_gather_args& args, attnrt_stream stream) const {
    if (!(problem_.kv_layouts & ATTNRT_KV_NATIVE))
      return gather_rows({part(args.k, args.k_cache, args.k_scale), part(args.v, args.v_cache, args.v_scale)}, args,
                         stream);
    if (!quantised(problem_)) return gather_panels(problem_, args, stream);
    const ByteRows rows(problem_, *args.k_cache);
    gather_rows({part(args.k, &rows.k, args.k_scale), part(args.v, &rows.v, args.v_scale)}, args, stream);
  }

 private:
  CachePart part(const attnrt_tensor* rows, const attnrt_tensor* cache, const attnrt_tensor* scale) const {
    return {rows, cache, 0, scale, (problem_.features & ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES) != 0};
  }
};

template <const AttentionKernels& (*kernels)() noexcept>
class Standard : public StandardOp {
 public:
  explicit Standard(const sdk::CreateInfo& info) : StandardOp(info, kernels()) {}
};

}  // namespace attnrt::cpu
#endif
