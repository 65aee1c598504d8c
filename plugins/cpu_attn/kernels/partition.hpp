// SPDX-License-Identifier: Apache-2.0
//
// partition.hpp: a batch becomes a list of items, longest first. Prefill, decode, ragged and mixed batches take the
// same way. An item's rows, and which splits of its keys a worker takes, are a choice of scheduling alone: no result
// depends on it.
#ifndef ATTNRT_CPU_ATTN_PARTITION_HPP
#define ATTNRT_CPU_ATTN_PARTITION_HPP
#include <cstdint>

#include "attention.hpp"

namespace attnrt::cpu {

/// What a plan must hold at most. [thread-safe]
struct PartitionSizes {
  uint64_t items;
  uint64_t counters;        ///< of pieces, one for each cut item and KV head
  uint64_t partial_floats;  ///< results of splits
};
PartitionSizes partition_sizes(const AttentionShape& shape, const AttentionKernels& kernels,
                               const attnrt_limits& limits) noexcept;

/// Writes the batch's items and returns how many; `items` holds sizes.items. Allocates nothing. [thread-safe]
int64_t partition(const AttentionShape& shape, const AttentionKernels& kernels, const PartitionSizes& sizes,
                  uint32_t num_workers, const attnrt_batch& batch, AttentionItem* items) noexcept;

}  // namespace attnrt::cpu
#endif
