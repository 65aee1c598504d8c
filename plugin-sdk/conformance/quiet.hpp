// SPDX-License-Identifier: Apache-2.0
//
// plan_update and run allocate nothing and ask the operating system for nothing. A variant around another library (its
// sheet's impl is not "own") cannot keep that from small heap calls: they are counted and told.
#ifndef ATTNRT_CONFORMANCE_QUIET_HPP
#define ATTNRT_CONFORMANCE_QUIET_HPP
#include "conformance/finding.hpp"
#include "conformance/grid.hpp"
#include "conformance/memory.hpp"

namespace attnrt::conformance {

/// "allocation": heap calls during plan_update, run and write_kv on the calling thread, wanted none (after one warm
/// call); skipped with their number where impl is another's. "system_call": the same in a child process in which seccomp
/// stops every system call and tells its number. Skipped under sanitizers, for devices other than the CPU, and where the
/// kernel has no seccomp. [one thread per memory]
Findings check_quiet(const attnrt_variant& variant, Memory& memory, const GridOptions& options);

}  // namespace attnrt::conformance
#endif
