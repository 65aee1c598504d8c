// SPDX-License-Identifier: Apache-2.0
//
// A variant may be for other architectures than the device at hand, and may need more than a device: a library that is
// loaded when its first op is made, without which create answers UNAVAILABLE. Then there is nothing to check.
#ifndef ATTNRT_CONFORMANCE_AVAILABILITY_HPP
#define ATTNRT_CONFORMANCE_AVAILABILITY_HPP
#include <string>

#include "conformance/grid.hpp"
#include "conformance/memory.hpp"

namespace attnrt::conformance {

/// That the sheet has no range with `options.arch`, or what create said with UNAVAILABLE to a problem of the grid; ""
/// where neither is so. [one thread per memory]
std::string unavailable_here(const attnrt_variant& variant, Memory& memory, const GridOptions& options);

}  // namespace attnrt::conformance
#endif
