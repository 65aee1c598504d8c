// SPDX-License-Identifier: Apache-2.0
//
// All checks of a variant by name, for programs that run them one after another.
#ifndef ATTNRT_CONFORMANCE_CHECKS_HPP
#define ATTNRT_CONFORMANCE_CHECKS_HPP
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "attnrt/plugin.h"
#include "conformance/finding.hpp"
#include "conformance/memory.hpp"

namespace attnrt::conformance {

/// How thorough to be.
enum class Depth {
  quick,   ///< seconds a variant
  normal,  ///< what a release is checked with
  all,     ///< denser grids, longer sequences
};

struct CheckOptions {
  uint64_t isa = 0;   ///< instruction sets of this machine
  uint32_t arch = 0;  ///< of the device, 0 on the CPU
  Depth depth = Depth::normal;
  uint64_t seed = 1;
  bool host_checks = false;  ///< the plugin leaves wrong calls to its host (leaves_checks_to_host in refusals.hpp)
  /// Told what comes next and how far the check is; NULL = nobody wants to know.
  std::function<void(std::size_t done, std::size_t total, const std::string& next)> progress;
};

struct Check {
  const char* name;     ///< "numerics"
  const char* promise;  ///< what a pass means, one line
  Findings (*run)(const attnrt_variant& variant, Memory& memory, const CheckOptions& options);
};

/// In the order in which they tell most about a fault. [thread-safe]
const std::vector<Check>& variant_checks();

}  // namespace attnrt::conformance
#endif
