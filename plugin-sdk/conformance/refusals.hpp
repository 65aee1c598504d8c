// SPDX-License-Identifier: Apache-2.0
//
// Entry points that are called wrongly.
#ifndef ATTNRT_CONFORMANCE_REFUSALS_HPP
#define ATTNRT_CONFORMANCE_REFUSALS_HPP
#include "conformance/finding.hpp"
#include "conformance/grid.hpp"
#include "conformance/memory.hpp"

namespace attnrt::conformance {

/// "refusals": every entry point with short and long structs, unknown bits and values, missing, foreign and misshapen
/// tensors, limits and lengths that contradict each other, and (on the CPU) block ids and slots outside of the cache.
/// Each wrong call is refused with a sentence, changes no byte, and leaves the op usable; a struct longer than today's
/// is accepted. [one thread per memory]
Findings check_refusals(const attnrt_variant& variant, Memory& memory, const GridOptions& options);

/// An extension of plugins that judge no wrong calls themselves: attnrt's core judges every call before a plugin is entered
/// (attnrt/check.hpp), and another host of such a plugin must do the same. Any address but NULL says yes.
inline constexpr const char* kHostChecks = "attnrt.host_checks/1";

/// Does this plugin say so? [thread-safe]
inline bool leaves_checks_to_host(const attnrt_plugin& plugin) {
  return plugin.extension && plugin.extension(kHostChecks);
}

}  // namespace attnrt::conformance
#endif
