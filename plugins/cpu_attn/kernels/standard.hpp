// SPDX-License-Identifier: Apache-2.0
//
// standard.hpp: attention with keys and values of their own, in a cache or not. `kernels` picks the instruction set.
#ifndef ATTNRT_CPU_ATTN_STANDARD_HPP
#define ATTNRT_CPU_ATTN_STANDARD_HPP
#include "attention_op.hpp"
#include "attnrt/kv_layout.hpp"
#include "kv8_cache.hpp"
#include "kv_cache.hpp"
#include "native_cache.hpp"

namespace attnrt::cpu {

class StandardOp : public AttentionOp {
 public:
  using AttentionOp::AttentionOp;

  static attnrt_kv_layout kv_layout(const attnrt_problem& problem) {
    return problem.kv_layouts & ATTNRT_KV_NATIVE ? native_cache_layout(problem) : sdk::affine_layout(problem);
  }

  void write_kv(const attnrt_write_args& args, attnrt_stream stream) const {
    const CachePart parts[2] = {part(args.k, args.k_cache, args.k_scale), part(args.v, args.v_cache, args.v_scale)};
    if (!(problem_.kv_layouts & ATTNRT_KV_NATIVE)) return write_rows(parts, *args.slot_mapping, stream);
    if (!kv_8bit(problem_)) return write_native_pages(problem_, args, stream);
    write_kv8_pages(native_page(problem_), problem_.kv_dtype, *args.k_cache, parts, *args.slot_mapping, stream);
  }
  void gather_kv(const attnrt_gather_args& args, attnrt_stream stream) const {
    const CachePart parts[2] = {part(args.k, args.k_cache, args.k_scale), part(args.v, args.v_cache, args.v_scale)};
    if (!(problem_.kv_layouts & ATTNRT_KV_NATIVE)) return gather_rows(parts, args, stream);
    if (!kv_8bit(problem_)) return gather_native_pages(problem_, args, stream);
    gather_kv8_pages(native_page(problem_), problem_.kv_dtype, *args.k_cache, parts, args, stream);
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
