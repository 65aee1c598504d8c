// SPDX-License-Identifier: Apache-2.0
//
// mask_operands.hpp: the masks of one call, checked against its batch.
#ifndef ATTNRT_CPU_ATTN_MASK_OPERANDS_HPP
#define ATTNRT_CPU_ATTN_MASK_OPERANDS_HPP
#include "attention.hpp"

namespace attnrt::cpu {

/// A tensor's memory at its byte offset, with the strides of its first dimensions.
View view_of(const attnrt_tensor* tensor);

/// Throws INVALID where a mask is too small for the batch; types were checked before. [thread-safe]
MaskOperands masks_of(const attnrt_run_args& args, const attnrt_batch& batch, const AttentionShape& shape);

}  // namespace attnrt::cpu
#endif
