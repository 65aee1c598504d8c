// SPDX-License-Identifier: Apache-2.0
//
// Problems beside those of the grid: one field or two changed to what an engine might ask as well.
#ifndef ATTNRT_CONFORMANCE_PROBLEM_CHANGE_HPP
#define ATTNRT_CONFORMANCE_PROBLEM_CHANGE_HPP
#include "attnrt/plugin.h"
#include "conformance/random.hpp"

namespace attnrt::conformance {

/// Changes one field, and the feature bits that follow from it; the result may break the contract. [thread-safe]
void change(attnrt_problem& problem, Random& random);

/// Sets the feature bits that follow from the fields of a problem, and clears those of causality that do not.
/// [thread-safe]
void imply_features(attnrt_problem& problem);

}  // namespace attnrt::conformance
#endif
