// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>
#include <vector>

#include "choice.hpp"

namespace attnrt::core {

/// Chooses. Pure: the same arguments give the same choice on every machine. The problem is complete (problem.hpp).
/// Variants of one backend are ranked by what the catalog knows to have been measured, backends only `by_measurement`.
/// Always returns a choice; without a winner its error says why (INVALID: an unknown name, UNSUPPORTED: nothing valid).
Choice select(std::shared_ptr<const Catalog> catalog, const attnrt_problem& problem, const Override& wish,
              const std::vector<SwitchValue>& switches, bool by_measurement = false);

}  // namespace attnrt::core
