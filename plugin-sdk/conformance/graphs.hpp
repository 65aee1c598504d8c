// SPDX-License-Identifier: Apache-2.0
//
// Runs that are captured in a device graph.
#ifndef ATTNRT_CONFORMANCE_GRAPHS_HPP
#define ATTNRT_CONFORMANCE_GRAPHS_HPP
#include "attnrt/plugin.h"
#include "conformance/finding.hpp"
#include "conformance/grid.hpp"
#include "conformance/memory.hpp"

namespace attnrt::conformance {

/// For a sheet that admits graphs: run can be captured and does nothing by itself then; each replay computes what q,
/// the cache and the lengths of the last plan_update hold at that time, also when sequences are shorter and a request
/// is gone. Skipped where the sheet claims no graphs or the memory cannot capture. [one thread per memory]
Findings check_graphs(const attnrt_variant& variant, Memory& memory, const GridOptions& options);

}  // namespace attnrt::conformance
#endif
