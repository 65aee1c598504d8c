// SPDX-License-Identifier: Apache-2.0
//
// Errors that somebody asked for: what a program does when a call of the driver fails is proved by letting that call
// fail. ATTNRT_EMULATOR_FAIL, or attnrt_emulator_fail() in the process, holds a list such as
// "cuInit=802,cuMemAlloc=2@5": every cuInit answers 802, the fifth cuMemAlloc from here answers 2.
#ifndef ATTNRT_EMULATOR_PLANNED_ERRORS_HPP
#define ATTNRT_EMULATOR_PLANNED_ERRORS_HPP
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "handle.hpp"

namespace attnrt::emulator {

/// [under the state's mutex]
class PlannedErrors {
 public:
  /// Takes a list in the place of the one before; NULL is an empty one. Counting for "@" begins anew.
  void plan(const char* list);
  /// Counts a call of this function ("cuMemAlloc", without "_v2") and gives what it is to answer, 0 = what it would.
  Result answer(const char* name);
  /// How often a function was called since the process began.
  uint64_t calls(std::string_view name) const;

 private:
  struct Error {
    Result code;
    uint64_t call;  ///< the number of the call from `begin`, 0 = every one
    uint64_t begin;
  };
  // Looked up without a copy of the name: a caller may count what the heap is asked for.
  std::map<std::string, uint64_t, std::less<>> calls_;
  std::multimap<std::string, Error, std::less<>> errors_;
};

}  // namespace attnrt::emulator
#endif
