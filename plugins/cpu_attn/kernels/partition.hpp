// SPDX-License-Identifier: Apache-2.0
//
// partition.hpp: a batch becomes a list of items, longest first; whole items that read the same keys and differ less
// than twofold stand together. Prefill, decode, ragged and mixed batches take the same way. An item's rows, which
// splits of its keys a worker takes, and the order are a choice of scheduling alone: no result depends on it.
#ifndef ATTNRT_CPU_ATTN_PARTITION_HPP
#define ATTNRT_CPU_ATTN_PARTITION_HPP
#include <cstdint>

#include "attention.hpp"

namespace attnrt::cpu {

/// What a plan must hold at most. [thread-safe]
struct PartitionSizes {
  uint64_t prefix_items;    ///< of several requests each
  uint64_t items;           ///< of one request each
  uint64_t counters;        ///< of subitems, one for each divided item and KV head
  uint64_t partial_floats;  ///< results of splits
  uint64_t members;
  uint64_t state_floats;  ///< of several requests each
};
PartitionSizes partition_sizes(const AttentionShape& shape, const AttentionKernels& kernels,
                               const attnrt_limits& limits) noexcept;

/// The passes of a call: items of the second one need the results of all items of the first.
struct Partition {
  int64_t prefix_items, items;
  int64_t num_decode_items;  ///< of the items, the last ones where the batch mixes (MixedWork), else 0
  int64_t overlap_pairs, decode_keys;
};
/// Writes the batch's prefix members and items, prefix items first; the arrays hold what `sizes` says. Allocates
/// nothing. [thread-safe]
Partition partition(const AttentionShape& shape, const AttentionKernels& kernels, const PartitionSizes& sizes,
                    uint32_t num_workers, const attnrt_batch& batch, PrefixMember* members,
                    AttentionItem* items) noexcept;

}  // namespace attnrt::cpu
#endif
