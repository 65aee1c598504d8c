// SPDX-License-Identifier: Apache-2.0
#include "mask_operands.hpp"

#include <algorithm>
#include <cstddef>

#include "attnrt/operands.hpp"

namespace attnrt::cpu {
namespace {

int64_t step_of(const attnrt_tensor& t, int32_t dim) { return t.shape[dim] == 1 ? 0 : t.strides[dim]; }

DenseMask::Kind kind_of(attnrt_dtype t) {
  if (t.lanes == 1 && t.bits == 8 && (t.code == 6 || t.code == 1)) return DenseMask::Kind::kBool;
  switch (sdk::dtype_of(t)) {
    case ATTNRT_FP16: return DenseMask::Kind::kFp16;
    case ATTNRT_BF16: return DenseMask::Kind::kBf16;
    default: return DenseMask::Kind::kFp32;
  }
}

}  // namespace

View view_of(const attnrt_tensor* tensor) {
  View view;
  if (!tensor) return view;
  view.data = static_cast<std::byte*>(tensor->data) + tensor->byte_offset;
  for (int32_t i = 0; i < std::min(tensor->ndim, 3); ++i) view.stride[i] = tensor->strides[i];
  return view;
}

MaskOperands masks_of(const attnrt_run_args& args, const attnrt_batch& b, const AttentionShape& shape) {
  MaskOperands masks;
  int64_t queries = 0, keys = 0;
  for (int32_t r = 0; (args.dense_mask || args.tree_mask) && r < b.num_seqs; ++r) {
    const int64_t query_len = int64_t{b.query_start_loc[r + 1]} - b.query_start_loc[r];
    const int64_t own = b.kv_lens              ? b.kv_lens[r]
                        : shape.block_size > 0 ? b.seq_lens[r]
                                               : int64_t{b.kv_start_loc[r + 1]} - b.kv_start_loc[r];
    if (query_len == 0) continue;
    queries = std::max(queries, query_len);
    keys = std::max(keys, own);
    if (args.tree_mask && own < query_len)
      throw sdk::Error(ATTNRT_INVALID, sdk::say("run: request ", r, " has ", own, " keys, wanted at least its ",
                                                query_len, " queries under a tree mask"));
  }
  if (const attnrt_tensor* t = args.dense_mask; t && queries > 0) {
    sdk::want_size("dense_mask", *t, 0, b.num_seqs, true);
    sdk::want_size("dense_mask", *t, 1, shape.num_heads, true);
    sdk::want_size("dense_mask", *t, 2, queries, true);
    sdk::want_size("dense_mask", *t, 3, keys, true);
    masks.dense.kind = kind_of(t->dtype);
    masks.dense.data = view_of(t).data;
    for (int32_t i = 0; i < 4; ++i) masks.dense.stride[i] = step_of(*t, i);
  }
  if (const attnrt_tensor* t = args.tree_mask; t && queries > 0) {
    sdk::want_size("tree_mask", *t, 0, b.num_seqs, true);
    sdk::want_size("tree_mask", *t, 1, queries, false);
    sdk::want_size("tree_mask", *t, 2, queries, false);
    masks.tree = view_of(t);
    for (int32_t i = 0; i < 3; ++i) masks.tree.stride[i] = step_of(*t, i);
  }
  masks.ranges = view_of(args.prefix_ranges);
  if (args.block_sparse) masks.pattern = *args.block_sparse;
  return masks;
}

}  // namespace attnrt::cpu
