// SPDX-License-Identifier: Apache-2.0
//
// attnrt/check/run.hpp: the tensors of a run. Header-only, C++17. [thread-safe]
#ifndef ATTNRT_CHECK_RUN_HPP
#define ATTNRT_CHECK_RUN_HPP
#include <cmath>
#include <cstdint>
#include <utility>

#include "attnrt/check/batch.hpp"
#include "attnrt/check/cache.hpp"
#include "attnrt/check/scale.hpp"

namespace attnrt::sdk {

/// Tensors of one call against the problem, the limits and the batch of the last plan_update.
inline bool check_run(const Diag& diag, const attnrt_problem& p, const attnrt_limits& l, const BatchShape& shape,
                      const attnrt_run_args& a) {
  using namespace detail;
  const int32_t dev = p.device_type;
  if (!std::isfinite(a.scale) || a.scale == 0.0f) {
    // Of the head before the up-projection was absorbed, where the problem tells it.
    const uint32_t size = p.family == ATTNRT_FAMILY_MLA && p.mla_nope ? p.mla_nope + p.mla_rope : p.head_size_qk;
    return diag.fail(say("scale is ", a.scale, ", wanted a finite number other than 0: as a rule 1 / sqrt(head_size), ",
                         1 / std::sqrt(static_cast<double>(size)), " for head_size ", size));
  }
  const bool split = p.features & ATTNRT_FEATURE_SPLIT_Q;
  const int64_t heads = p.num_heads, kv_heads = p.num_kv_heads, t = ~int64_t{shape.num_tokens};
  const int64_t qk = split ? p.mla_kv_lora : p.head_size_qk;
  if (!check_rows(diag, dev, {"q", a.q, only(p.q_dtype), 3, {t, heads, qk, 0}})) return false;
  if (!check_rows(diag, dev, {"out", a.out, only(p.out_dtype), 3, {t, heads, p.head_size_v, 0}}) ||
      !check_written(diag, "out", *a.out))
    return false;
  if (split && !check_rows(diag, dev, {"q_rope", a.q_rope, only(p.q_dtype), 3, {t, heads, p.mla_rope, 0}}))
    return false;
  if (is_paged(p.kv_layouts)) {
    if (!check_cache(diag, p, l.num_blocks, a.k_cache, a.v_cache)) return false;
  } else {
    const int64_t s = ~int64_t{shape.num_kv_rows};
    if (!check_rows(diag, dev, {"k", a.k, only(p.kv_dtype), 3, {s, kv_heads, p.head_size_qk, 0}})) return false;
    if (!check_rows(diag, dev, {"v", a.v, only(p.kv_dtype), 3, {s, kv_heads, p.head_size_v, 0}})) return false;
  }
  if (a.lse) {
    if (!(p.features & ATTNRT_FEATURE_LSE)) return diag.fail("lse is given, wanted NULL without the feature bit LSE");
    if (!check_tensor(diag, dev, {"lse", a.lse, only(ATTNRT_FP32), 2, {t, heads, 0, 0}}) ||
        !check_written(diag, "lse", *a.lse) || !check_apart(diag, "out", *a.out, "lse", *a.lse))
      return false;
  }
  const struct {
    const void* given;
    uint64_t bits;
    const char* name;
  } operands[] = {{a.sinks, ATTNRT_FEATURE_SINKS, "sinks"},
                  {a.alibi_slopes, ATTNRT_FEATURE_ALIBI | ATTNRT_FEATURE_ALIBI_SQRT, "alibi_slopes"},
                  {a.dense_mask, ATTNRT_FEATURE_DENSE_MASK, "dense_mask"},
                  {a.tree_mask, ATTNRT_FEATURE_TREE_MASK, "tree_mask"},
                  {a.prefix_ranges, ATTNRT_FEATURE_MM_PREFIX, "prefix_ranges"},
                  {a.sparse_indices, ATTNRT_FEATURE_SPARSE_TOPK, "sparse_indices"},
                  {a.block_sparse, ATTNRT_FEATURE_BLOCK_SPARSE, "block_sparse"},
                  {a.q_rope, ATTNRT_FEATURE_SPLIT_Q, "q_rope"}};
  for (const auto& o : operands)
    if ((o.given != nullptr) != ((p.features & o.bits) != 0))
      return diag.fail(say(o.name, o.given ? " is given, wanted NULL: its feature bit is not in the problem"
                                           : " is NULL, wanted the operand of a feature in the problem"));
  if (a.flex && !(p.features & ATTNRT_FEATURE_FLEX))  // NULL beside a program says that it has no buffers
    return diag.fail("flex is given, wanted NULL: its feature bit is not in the problem");
  if (a.sinks && !check_tensor(diag, dev, {"sinks", a.sinks, only(ATTNRT_FP32) | only(p.q_dtype), 1, {heads, 0, 0, 0}}))
    return false;
  if (a.alibi_slopes &&
      !check_tensor(diag, dev, {"alibi_slopes", a.alibi_slopes, only(ATTNRT_FP32), 1, {heads, 0, 0, 0}}))
    return false;
  if (const attnrt_tensor* mask = a.dense_mask) {
    if (!check_tensor(diag, dev, {"dense_mask", mask, 0, 4, {-1, -1, -1, -1}})) return false;
    const attnrt_dtype type = mask->dtype;
    const bool is_bool = type.lanes == 1 && type.bits == 8 && (type.code == 6 || type.code == 1);
    if (const int number = dtype_of(type); !is_bool && (number < ATTNRT_FP32 || number > ATTNRT_BF16))
      return diag.fail("dense_mask is of another type, wanted bool, fp32, fp16 or bf16");
  }
  if (a.tree_mask && !check_tensor(diag, dev, {"tree_mask", a.tree_mask, only(ATTNRT_FP32), 3, {-1, -1, -1, 0}}))
    return false;
  if (a.prefix_ranges && !(check_tensor(diag, dev, {"prefix_ranges", a.prefix_ranges, 0, 2, {t, 2, 0, 0}}) &&
                           check_int(diag, "prefix_ranges", a.prefix_ranges, 32)))
    return false;
  if (a.sparse_indices &&
      !(check_tensor(diag, dev, {"sparse_indices", a.sparse_indices, 0, 2, {t, p.sparse_topk, 0, 0}}) &&
        check_int(diag, "sparse_indices", a.sparse_indices, 32)))
    return false;
  if (const attnrt_block_sparse* pattern = a.block_sparse) {
    if (!ATTNRT_HAS(pattern, head_step))
      return diag.fail(say("block_sparse.struct_size is ", pattern->struct_size, ", wanted ", sizeof *pattern));
    if (pattern->block == 0) return diag.fail("block_sparse.block is 0, wanted the tokens of a block");
  }
  if (!check_scales(diag, p, {{"q_scale", a.q_scale}, {"k_scale", a.k_scale}, {"v_scale", a.v_scale},
                              {"out_scale", a.out_scale, ATTNRT_FEATURE_OUTPUT_QUANT},
                              {"out_block_scale", a.out_block_scale, ATTNRT_FEATURE_OUTPUT_QUANT}})) return false;
  for (const auto& [name, scale] : {std::pair{"q_scale", a.q_scale}, {"k_scale", a.k_scale}, {"v_scale", a.v_scale}})
    if (!check_run_scale(diag, p, shape.num_seqs, name, scale)) return false;
  return true;
}

}  // namespace attnrt::sdk
#endif
