// SPDX-License-Identifier: Apache-2.0
//
// Does a capability sheet say what the functions behind it do?
#ifndef ATTNRT_CONFORMANCE_SHEET_HPP
#define ATTNRT_CONFORMANCE_SHEET_HPP
#include "conformance/finding.hpp"
#include "conformance/grid.hpp"
#include "conformance/memory.hpp"

namespace attnrt::conformance {

/// "sheet": claims that belong together stand together (a paged layout and write_kv, 8-bit caches and scales ...), and
/// each claimed dtype, layout, type, phase and feature is reached by a case of the grid: what none reaches, the kit
/// cannot prove. [thread-safe]
Findings check_sheet(const attnrt_variant& variant, const GridOptions& options);

/// "supports": problems of the grid with a field or two changed. What sheet and supports() admit, `create` makes, and
/// where the kit can build a batch for it, a run computes ("served"). What either refuses, `create` refuses as
/// UNSUPPORTED with a reason. supports() answers the same twice. [one thread per memory]
Findings check_supports(const attnrt_variant& variant, Memory& memory, const GridOptions& options);

}  // namespace attnrt::conformance
#endif
