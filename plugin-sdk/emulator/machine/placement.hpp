// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_EMULATOR_PLACEMENT_HPP
#define ATTNRT_EMULATOR_PLACEMENT_HPP
#include <cstddef>
#include <cstdint>
#include <string>

namespace attnrt::emulator {

/// What gives variables their places.
class Placement {
 public:
  virtual ~Placement() = default;
  /// Memory for a variable, filled with `initial`. Throws Fault where there is none.
  virtual uint64_t place(const std::string& name, std::size_t bytes, std::size_t alignment,
                         const std::string& initial) = 0;
};

}  // namespace attnrt::emulator
#endif
