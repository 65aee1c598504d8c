// SPDX-License-Identifier: Apache-2.0
#include "common_prefix.hpp"

#include <algorithm>

#include "row_mask.hpp"

namespace attnrt::cpu {
namespace {

int32_t min_requests(const AttentionShape& shape) {
  return shape.group > shape.in_place_rows ? shape.tuning.prefix_requests : shape.tuning.prefix_requests_in_place;
}

/// Do all queries of a request see all of its first keys?
bool sees_all(const AttentionShape& shape, const attnrt_batch& b, int32_t request, int64_t keys) {
  const kernel::portable::Mask mask = kernel::portable::request_mask(shape, b, request);
  return mask.span(0).end >= keys && mask.span(mask.num_queries - 1).begin <= 0;
}

int64_t state_floats_of(const AttentionShape& shape, const AttentionKernels& kernels, int64_t rows) {
  return 2 * kernels.split_floats(shape, rows) * shape.num_kv_heads;
}

}  // namespace

bool may_cascade(const AttentionShape& shape, const AttentionKernels& kernels) noexcept {
  constexpr uint64_t differs = ATTNRT_FEATURE_ALIBI | ATTNRT_FEATURE_ALIBI_SQRT | ATTNRT_FEATURE_DENSE_MASK |
                               ATTNRT_FEATURE_TREE_MASK | ATTNRT_FEATURE_MM_PREFIX | ATTNRT_FEATURE_BLOCK_SPARSE |
                               ATTNRT_FEATURE_WINDOW_PREFIX | ATTNRT_FEATURE_CONTEXT_PARALLEL;
  return (shape.features & ATTNRT_FEATURE_COMMON_PREFIX) && !(shape.features & differs) && shape.block_size > 0 &&
         kernels.split_floats && 2 * shape.group <= shape.item_rows;
}

uint64_t prefix_state_floats(const AttentionShape& shape, const AttentionKernels& kernels, int32_t max_seqs) noexcept {
  if (!may_cascade(shape, kernels)) return 0;
  return static_cast<uint64_t>(max_seqs) * static_cast<uint64_t>(state_floats_of(shape, kernels, shape.group));
}

CommonPrefix find_common_prefix(const AttentionShape& shape, const AttentionKernels& kernels, const attnrt_batch& b,
                                uint64_t state_floats, PrefixMember* members) noexcept {
  CommonPrefix prefix{b.common_prefix_len / std::max(1, shape.block_size) * shape.block_size, 0};
  prefix.keys = prefix.keys / shape.tile_keys * shape.tile_keys;
  if (!may_cascade(shape, kernels) || prefix.keys < shape.tuning.prefix_keys) return {0, 0};
  int64_t used = 0;
  for (int32_t r = 0; r < b.num_seqs; ++r) {
    const int64_t rows = (int64_t{b.query_start_loc[r + 1]} - b.query_start_loc[r]) * shape.group;
    if (rows == 0 || 2 * rows > shape.item_rows || !sees_all(shape, b, r, prefix.keys)) continue;
    const int64_t floats = state_floats_of(shape, kernels, rows);
    if (used + floats > static_cast<int64_t>(state_floats)) break;
    members[prefix.num_members++] = {r, static_cast<int32_t>(rows), used};
    used += floats;
  }
  return prefix.num_members < min_requests(shape) ? CommonPrefix{0, 0} : prefix;
}

}  // namespace attnrt::cpu
