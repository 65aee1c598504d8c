// SPDX-License-Identifier: Apache-2.0
//
// The data of a case, made to tell: keys beside every mask edge, window edge and tile edge are loud, which means that
// one alone would own more than half of the row it stands beside.
#ifndef ATTNRT_CONFORMANCE_REQUEST_HPP
#define ATTNRT_CONFORMANCE_REQUEST_HPP
#include <vector>

#include "conformance/case.hpp"
#include "conformance/reference.hpp"

namespace attnrt::conformance {

/// Scale, sinks, slopes and cache scales. Sinks weigh about as much as a row's keys; with a softcap q is scaled so that
/// the loudest score is above twice the cap. [thread-safe]
Operands make_operands(const Case& c);

/// One request. Depends on the problem, the operands, the length and the seed alone. [thread-safe]
RequestData make_request(const attnrt_problem& problem, const Operands& operands, Length length, uint64_t seed);

/// All requests of a case; the keys of a common prefix are the first request's that has them, some made loud for
/// others. [thread-safe]
std::vector<RequestData> make_requests(const Case& c, const Operands& operands);

}  // namespace attnrt::conformance
#endif
