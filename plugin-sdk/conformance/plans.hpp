// SPDX-License-Identifier: Apache-2.0
//
// Ops and plans as an engine keeps them: several at once, in any order, in several threads.
#ifndef ATTNRT_CONFORMANCE_PLANS_HPP
#define ATTNRT_CONFORMANCE_PLANS_HPP
#include "conformance/finding.hpp"
#include "conformance/grid.hpp"
#include "conformance/memory.hpp"

namespace attnrt::conformance {

/// "workspace": the same answer before, between and after batches, for limits that stay the same; alignments are powers
/// of two. [one thread per memory]
Findings check_workspace(const attnrt_variant& variant, Memory& memory, const GridOptions& options);

/// "plans": two plans of one op, updated in turn, run in turn, one destroyed, give what each gives alone; a plan is
/// run twice after one update, and again after another. [one thread per memory]
Findings check_plans(const attnrt_variant& variant, Memory& memory, const GridOptions& options);

/// "concurrency": four threads update and run plans of one op over and over while a fifth asks supports, kv_layout and
/// workspace and creates further ops; everybody gets what one thread gets. [memory must be thread-safe]
Findings check_concurrency(const attnrt_variant& variant, Memory& memory, const GridOptions& options);

}  // namespace attnrt::conformance
#endif
