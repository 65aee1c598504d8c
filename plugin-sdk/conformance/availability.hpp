// SPDX-License-Identifier: Apache-2.0
//
// A variant may need more than a device: a library that is loaded when its first op is made. Where that is missing,
// create answers UNAVAILABLE, and there is nothing to check.
#ifndef ATTNRT_CONFORMANCE_AVAILABILITY_HPP
#define ATTNRT_CONFORMANCE_AVAILABILITY_HPP
#include <string>

#include "conformance/grid.hpp"
#include "conformance/memory.hpp"

namespace attnrt::conformance {

/// What create said with UNAVAILABLE to a problem of the grid; "" where it answered anything else. [one thread per
/// memory]
std::string unavailable_here(const attnrt_variant& variant, Memory& memory, const GridOptions& options);

}  // namespace attnrt::conformance
#endif
