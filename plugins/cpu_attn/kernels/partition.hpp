// SPDX-License-Identifier: Apache-2.0
//
// partition.hpp: a batch becomes a list of items, longest first. Prefill, decode, ragged and mixed batches take the
// same way. An item's rows are a choice of scheduling alone: no result depends on it.
#ifndef ATTNRT_CPU_ATTN_PARTITION_HPP
#define ATTNRT_CPU_ATTN_PARTITION_HPP
#include <cstdint>

#include "attention.hpp"

namespace attnrt::cpu {

/// Items that a batch within the limits can need at most. [thread-safe]
uint64_t max_items(const AttentionShape& shape, const attnrt_limits& limits) noexcept;

/// Writes the batch's items and returns how many; `items` holds max_items. Allocates nothing. [thread-safe]
int64_t partition(const AttentionShape& shape, const attnrt_batch& batch, AttentionItem* items) noexcept;

}  // namespace attnrt::cpu
#endif
