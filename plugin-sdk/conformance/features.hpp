// SPDX-License-Identifier: Apache-2.0
//
// Each feature that a sheet claims, shown at work.
#ifndef ATTNRT_CONFORMANCE_FEATURES_HPP
#define ATTNRT_CONFORMANCE_FEATURES_HPP
#include "conformance/finding.hpp"
#include "conformance/memory.hpp"
#include "conformance/numerics.hpp"

namespace attnrt::conformance {

/// For each claimed feature cases that use it: the result agrees with the reference ("feature"), and does not agree
/// with the reference of the same call without the feature ("feature_control"): were it so, the cases could not tell.
/// Where leaving it away has no meaning (different widths of K and V), only the first. [one thread per memory]
Findings check_features(const attnrt_variant& variant, Memory& memory, const NumericsOptions& options);

}  // namespace attnrt::conformance
#endif
