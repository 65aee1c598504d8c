// SPDX-License-Identifier: Apache-2.0
//
// The grid of cases for one variant: a pairwise cover of everything its capability sheet admits.
#ifndef ATTNRT_CONFORMANCE_GRID_HPP
#define ATTNRT_CONFORMANCE_GRID_HPP
#include <cstdint>
#include <vector>

#include "attnrt/plugin.h"
#include "conformance/case.hpp"

namespace attnrt::conformance {

struct GridOptions {
  uint64_t isa = 0;              ///< instruction sets of this machine
  uint32_t arch = 0;             ///< of the device, 0 on the CPU
  bool all = false;              ///< a denser cover and longer sequences
  std::size_t max_cases = 0;     ///< 0 = 200, with `all` 2,000
  double max_multiply_adds = 0;  ///< of one case; 0 = 2e8, with `all` 3e9
  uint64_t seed = 1;
};

/// Cases in which each pair of values (lengths, heads, head size, block size, layout, dtype, window, ...) occurs
/// together where the sheet and `supports` admit it, until max_cases is reached. [thread-safe]
std::vector<Case> make_grid(const attnrt_variant& variant, const GridOptions& options);

/// `count` small cases of the grid, as different as they come: each quick to compute, with two workers at most.
/// [thread-safe]
std::vector<Case> sample_cases(const attnrt_variant& variant, const GridOptions& options, std::size_t count);

/// Can the kit make this case, and does it make sense for the variant? What it admits may still need too much memory
/// above `max_multiply_adds`. [thread-safe]
bool sensible(const attnrt_variant& variant, const Case& c, double max_multiply_adds);

/// Does the variant admit this problem, by sheet and by `supports`? [thread-safe]
bool admitted(const attnrt_variant& variant, const attnrt_problem& problem);

}  // namespace attnrt::conformance
#endif
