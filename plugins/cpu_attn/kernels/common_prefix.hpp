// SPDX-License-Identifier: Apache-2.0
//
// common_prefix.hpp: which requests of a batch attend a common prefix of their keys together (cascade attention,
// FlashInfer's name for it), where that is mostly quicker. No result depends on it.
#ifndef ATTNRT_CPU_ATTN_COMMON_PREFIX_HPP
#define ATTNRT_CPU_ATTN_COMMON_PREFIX_HPP
#include <cstdint>

#include "attention.hpp"

namespace attnrt::cpu {

/// May batches of this problem be given a common prefix that the kernels use? Not where what is added to a score, or
/// which keys a row sees, may differ inside of it.
bool may_cascade(const AttentionShape& shape, const AttentionKernels& kernels) noexcept;

/// Floats of the states of max_seqs members.
uint64_t prefix_state_floats(const AttentionShape& shape, const AttentionKernels& kernels, int32_t max_seqs) noexcept;

/// The keys that members attend together, 0 = none, whole tiles in whole blocks.
struct CommonPrefix {
  int32_t keys;
  int32_t num_members;
};
/// Writes at most one member for each request, in ascending order, whose states take `state_floats` at most.
CommonPrefix find_common_prefix(const AttentionShape& shape, const AttentionKernels& kernels, const attnrt_batch& batch,
                                uint64_t state_floats, PrefixMember* members) noexcept;

}  // namespace attnrt::cpu
#endif
