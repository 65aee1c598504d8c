// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "choice.hpp"

namespace attnrt::core {

/// Who wished for what, and what there is to say about wishes that do not count.
struct Wishes {
  Override decode;              ///< or the only backend
  Override prefill;             ///< MLA's prefill half
  bool by_measurement = false;  ///< backends are to be ranked by what was measured here
  std::vector<std::string> notes;
};

/// A selection of as many backends as the problem's phase asks for: one; decode and prefill of MLA (phase mixed);
/// decode and prefill of a standard problem that share one cache (phase PREFILL | DECODE). The prefill half hangs on
/// the decode half. Pure. Error: the problem is broken.
Result<Choice> select_phases(std::shared_ptr<const Catalog> catalog, attnrt_problem problem, const Wishes& wishes,
                             const std::vector<SwitchValue>& switches);

}  // namespace attnrt::core
