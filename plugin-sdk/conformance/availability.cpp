// SPDX-License-Identifier: Apache-2.0
#include "conformance/availability.hpp"

#include "conformance/rig.hpp"

namespace attnrt::conformance {

std::string unavailable_here(const attnrt_variant& variant, Memory& memory, const GridOptions& options) {
  for (const Case& c : sample_cases(variant, options, 1)) {
    const Rig rig(variant, memory, c.problem);
    if (rig.status() == ATTNRT_UNAVAILABLE) return rig.faults()[0].sentence;
  }
  return "";
}

}  // namespace attnrt::conformance
