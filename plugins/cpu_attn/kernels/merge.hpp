// SPDX-License-Identifier: Apache-2.0
//
// merge.hpp: partial results over disjoint keys become one (data sheet)
//   storage      partials fp32 or the dtype of out, each its own; sums in fp32
//   determinism  a row depends on its own partials alone, added in ascending order
//   algorithm    out = sum_i exp(lse_i - m) out_i / sum_i exp(lse_i - m), m the largest LSE
//                (arXiv:2501.01005, section 2.2)
#ifndef ATTNRT_CPU_ATTN_MERGE_HPP
#define ATTNRT_CPU_ATTN_MERGE_HPP
#include "attnrt/plugin.h"

namespace attnrt::cpu {

/// NaN and +infinity in a partial LSE count as -infinity; a partial of weight 0 is not read. A row of which nothing
/// remains: out 0, lse -infinity. Rows from num_merged_tokens on take the last partial alone. out may be one of the
/// partials. Arguments have passed check_merge. [thread-safe]
void merge_partials(const attnrt_merge_args& args, attnrt_stream stream);

}  // namespace attnrt::cpu
#endif
