// SPDX-License-Identifier: Apache-2.0
//
// mla.hpp: multi-head latent attention (DeepSeek-V2, arXiv:2405.04434) through the tile kernels (data sheet)
//   latent   the up-projection is absorbed into q: all query heads share one KV head whose row is latent + rope and
//            whose value is the latent, the row's first columns. The heads fill the rows of a tile, so that
//            keys that were read once serve all of them (portable: 64).
//   prefill  K and V are given uncompressed; K is wider than V.
#ifndef ATTNRT_CPU_ATTN_MLA_HPP
#define ATTNRT_CPU_ATTN_MLA_HPP
#include "attention_op.hpp"
#include "attnrt/kv_layout.hpp"
#include "kv_cache.hpp"

namespace attnrt::cpu {

template <const AttentionKernels& (*kernels)() noexcept>
class MlaLatent : public AttentionOp {
 public:
  explicit MlaLatent(const sdk::CreateInfo& info) : AttentionOp(info, kernels()) {}

  static attnrt_kv_layout kv_layout(const attnrt_problem& problem) { return sdk::affine_layout(problem); }

  /// Beyond AttentionOp: whole numbers without a scale make scores so large that outputs near the least normal number
  /// of fp32 are not within the tolerances.
  static void supports(const attnrt_problem& p, const sdk::Diag& diag) {
    AttentionOp::supports(p, diag);
    if (p.kv_dtype == ATTNRT_INT8 && !(p.features & ATTNRT_FEATURE_KV_SCALES))
      diag.add(ATTNRT_WHY_KV_CACHE_DTYPE,
               "kv_dtype is int8 without a scale, wanted the feature KV_SCALES with int8 latents");
  }

  /// k: the latent, v: the rope part, which follow each other in a row of the cache and share its scale.
  void write_kv(const attnrt_write_args& args, attnrt_stream stream) const {
    write_rows({{args.k, args.k_cache, 0, args.k_scale, false},
                 {args.v, args.k_cache, problem_.mla_kv_lora, args.k_scale, false}}, *args.slot_mapping, stream);
  }
  void gather_kv(const attnrt_gather_args& args, attnrt_stream stream) const {
    gather_rows({{args.k, args.k_cache, 0, args.k_scale, false},
                 {args.v, args.k_cache, problem_.mla_kv_lora, args.k_scale, false}}, args, stream);
  }
};

template <const AttentionKernels& (*kernels)() noexcept>
class MlaPrefill : public AttentionOp {
 public:
  explicit MlaPrefill(const sdk::CreateInfo& info) : AttentionOp(info, kernels()) {}

  /// Beyond AttentionOp: the problem must be MLA's, its head sizes those of its dimensions.
  static void supports(const attnrt_problem& p, const sdk::Diag& diag) {
    AttentionOp::supports(p, diag);
    if (p.mla_kv_lora == 0)
      diag.add(ATTNRT_WHY_FAMILY, "mla_kv_lora is 0, wanted the prefill of an MLA problem");
    else if (p.mla_nope + p.mla_rope != p.head_size_qk || p.mla_v != p.head_size_v)
      diag.add(ATTNRT_WHY_HEAD_SIZE,
               sdk::say("head sizes are ", p.head_size_qk, " and ", p.head_size_v, ", wanted mla_nope + mla_rope = ",
                        p.mla_nope + p.mla_rope, " and mla_v = ", p.mla_v));
  }
};

}  // namespace attnrt::cpu
#endif
