// SPDX-License-Identifier: Apache-2.0
//
// attnrt/error.hpp: a failed call as an exception of the engine's own code. Header-only, C++17.
#ifndef ATTNRT_ERROR_HPP
#define ATTNRT_ERROR_HPP
#include <stdexcept>
#include <string>

#include "attnrt/attnrt.h"

namespace attnrt {

/// A failed call: its status and its one sentence (`what()`).
class Error : public std::runtime_error {
 public:
  Error(attnrt_status status, const std::string& text) : std::runtime_error(text), status_(status) {}
  /// ATTNRT_INVALID, ATTNRT_UNSUPPORTED ...
  attnrt_status status() const noexcept { return status_; }

 private:
  attnrt_status status_;
};

/// Throws the Error of a call of the C API that failed on this thread.
inline void check(attnrt_status status) {
  if (status != ATTNRT_OK) throw Error(status, attnrt_last_error());
}

/// A struct of the API with struct_size set and all else 0.
template <class T>
T sized() {
  T value{};
  value.struct_size = sizeof(T);
  return value;
}

}  // namespace attnrt
#endif
