// SPDX-License-Identifier: Apache-2.0
//
// Is it attention? Every case of the grid against float64, within the tolerances below.
#ifndef ATTNRT_CONFORMANCE_NUMERICS_HPP
#define ATTNRT_CONFORMANCE_NUMERICS_HPP
#include <cstddef>
#include <cstdint>
#include <functional>

#include "attnrt/plugin.h"
#include "conformance/finding.hpp"
#include "conformance/grid.hpp"
#include "conformance/memory.hpp"

namespace attnrt::conformance {

struct NumericsOptions {
  GridOptions grid;
  uint32_t q_dtypes = ~0u;       ///< mask of (1 << ATTNRT_FP32 ...): only cases with these
  double reference_pairs = 1e6;  ///< scores of one case computed in float64; above it rows are sampled
  uint32_t reference_threads = 2;
  /// Told before each case which it is.
  std::function<void(std::size_t done, std::size_t total, const Case& next)> begin;
  /// Told after each case how it went; false stops. NULL = go on.
  std::function<bool(std::size_t done, std::size_t total, const Findings& last)> progress;
};

/// One case. Elements: |error| <= 4 u sum(p |v|), u the unit roundoff of the output (fp32: 64 * 2^-24). RMS error: at
/// most 1.75 times (fp32: 3 times) that of plain fp32 attention rounded to the output. LSE: 1e-4 + 1e-5 |lse|. All
/// outputs are finite, and nothing was touched that should not have been; where invariance is claimed, the hint of a
/// common prefix changes no bit. A finding for each check that failed, or one
/// that passed. [one thread per memory]
Findings check_case(const attnrt_variant& variant, Memory& memory, const Case& c, const NumericsOptions& options);

/// All cases of the grid. [one thread per memory]
Findings check_numerics(const attnrt_variant& variant, Memory& memory, const NumericsOptions& options);

}  // namespace attnrt::conformance
#endif
