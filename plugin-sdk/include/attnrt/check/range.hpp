// SPDX-License-Identifier: Apache-2.0
//
// attnrt/check/range.hpp: numbers and bits within their limits. Header-only, C++17. [thread-safe]
#ifndef ATTNRT_CHECK_RANGE_HPP
#define ATTNRT_CHECK_RANGE_HPP
#include <cstdint>

#include "attnrt/diag.hpp"
#include "attnrt/say.hpp"

namespace attnrt::sdk {
namespace detail {

constexpr bool one_bit(uint32_t value, uint32_t all) { return value && !(value & ~all) && !(value & (value - 1)); }

inline bool within(const Diag& diag, const char* what, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return true;
  return diag.fail(say(what, " is ", value, ", wanted ", low, " to ", high));
}

}  // namespace detail
}  // namespace attnrt::sdk
#endif
