// SPDX-License-Identifier: Apache-2.0
//
// Partial results over disjoint keys, merged, are the whole result.
#ifndef ATTNRT_CONFORMANCE_MERGE_HPP
#define ATTNRT_CONFORMANCE_MERGE_HPP
#include "conformance/finding.hpp"
#include "conformance/numerics.hpp"

namespace attnrt::conformance {

/// Splits the keys of decodes into 1 to 3 parts, runs each with its LSE, merges, and judges against the whole; then
/// merges partials with empty, NaN and +inf LSE, rows past num_tokens and rows past num_merged_tokens. No findings
/// where merge_states is NULL. [one thread per memory]
Findings check_merge_states(const attnrt_variant& variant, Memory& memory, const NumericsOptions& options);

}  // namespace attnrt::conformance
#endif
