// SPDX-License-Identifier: Apache-2.0
//
// attnrt/check/merge.hpp: a merge of partial results. Header-only, C++17. [thread-safe]
#ifndef ATTNRT_CHECK_MERGE_HPP
#define ATTNRT_CHECK_MERGE_HPP
#include <cstdint>

#include "attnrt/check/range.hpp"
#include "attnrt/check/scale.hpp"
#include "attnrt/check/tensor.hpp"

namespace attnrt::sdk {

/// A merge: partials of one shape.
inline bool check_merge(const Diag& diag, const attnrt_problem& p, const attnrt_merge_args& a) {
  using namespace detail;
  const int32_t dev = p.device_type;
  if (!within(diag, "merge.num_partials", a.num_partials, 1, 65536)) return false;
  if (!within(diag, "merge.num_tokens", a.num_tokens, 0, INT32_MAX - 1)) return false;
  if (!within(diag, "merge.num_merged_tokens", a.num_merged_tokens, 0, a.num_tokens)) return false;
  if (!check_scales(diag, p, {{"out_scale", a.out_scale, ATTNRT_FEATURE_OUTPUT_QUANT}})) return false;
  if (!a.outs || !a.lses) return diag.fail("merge.outs or merge.lses is NULL, wanted num_partials tensors each");
  const int64_t t = ~a.num_tokens, heads = p.num_heads;
  if (!check_rows(diag, dev, {"out", a.out, only(p.out_dtype), 3, {t, heads, p.head_size_v, 0}}) ||
      !check_written(diag, "out", *a.out))
    return false;
  if (a.lse && (!check_tensor(diag, dev, {"lse", a.lse, only(ATTNRT_FP32), 2, {t, heads, 0, 0}}) ||
                !check_written(diag, "lse", *a.lse) || !check_apart(diag, "out", *a.out, "lse", *a.lse)))
    return false;
  for (int32_t i = 0; i < a.num_partials; ++i) {
    const int64_t kinds = only(p.out_dtype) | only(ATTNRT_FP32);
    if (!check_rows(diag, dev, {"a partial out", a.outs[i], kinds, 3, {t, heads, p.head_size_v, 0}})) return false;
    if (!check_tensor(diag, dev, {"a partial lse", a.lses[i], only(ATTNRT_FP32), 2, {t, heads, 0, 0}})) return false;
  }
  return true;
}

}  // namespace attnrt::sdk
#endif
