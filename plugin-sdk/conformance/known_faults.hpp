// SPDX-License-Identifier: Apache-2.0
//
// Wrong results that a known fault explains: the reference under that fault gives the same numbers.
#ifndef ATTNRT_CONFORMANCE_KNOWN_FAULTS_HPP
#define ATTNRT_CONFORMANCE_KNOWN_FAULTS_HPP
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "conformance/reference.hpp"
#include "conformance/rig.hpp"

namespace attnrt::conformance {

/// A row of a batch's results: query i of a request, head h.
struct ResultRow {
  std::size_t request;
  int32_t i, h;
};

/// "the scale were missing" where all these wrong rows of `out` (`of_lse`: of the LSE) are what the reference gives with
/// that fault; "" where no fault explains them, or there are none. The faults: scale missing or applied twice, causal mask
/// or window off by one or missing, the block table's first row used for all requests, softcap, sinks or ALiBi left out,
/// ALiBi of the wrong sign, an LSE in base 2 or without the sink. At most 24 of the rows are computed. [thread-safe]
std::string known_fault(const attnrt_problem& problem, const Operands& operands,
                        const std::vector<RequestData>& requests, const Outcome& outcome,
                        const std::vector<ResultRow>& wrong, bool of_lse);

}  // namespace attnrt::conformance
#endif
