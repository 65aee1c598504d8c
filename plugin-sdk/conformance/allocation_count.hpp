// SPDX-License-Identifier: Apache-2.0
//
// How often this thread asked for heap memory. A program that calls these functions gets a malloc family of its own
// that counts and hands on to glibc's.
#ifndef ATTNRT_CONFORMANCE_ALLOCATION_COUNT_HPP
#define ATTNRT_CONFORMANCE_ALLOCATION_COUNT_HPP
#include <cstdint>

namespace attnrt::conformance {

/// False under sanitizers, which bring an allocator of their own. [thread-safe]
bool can_count_allocations() noexcept;
/// Calls of malloc, calloc, realloc and the aligned ones by this thread so far, whichever library made them.
uint64_t allocation_count() noexcept;

}  // namespace attnrt::conformance
#endif
