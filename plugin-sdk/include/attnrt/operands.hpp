// SPDX-License-Identifier: Apache-2.0
//
// operands.hpp: what a kernel says of operands that check.hpp lets pass and that it cannot use.
#ifndef ATTNRT_SDK_OPERANDS_HPP
#define ATTNRT_SDK_OPERANDS_HPP
#include <cstdint>

#include "attnrt/plugin.hpp"

namespace attnrt::sdk {

/// Throws INVALID where an operand that this kernel does not read is given to `call`. [thread-safe]
inline void want_absent(const char* call, const char* name, const attnrt_tensor* tensor) {
  if (tensor)
    throw Error(ATTNRT_INVALID, say(call, ": ", name, " is given, wanted NULL: this kernel does not read it"));
}

/// Throws INVALID unless a dimension of an operand of a run has at least `least` elements, or one that serves all where
/// `or_one`. [thread-safe]
inline void want_size(const char* name, const attnrt_tensor& tensor, int32_t dim, int64_t least, bool or_one) {
  if (tensor.shape[dim] >= least || (or_one && tensor.shape[dim] == 1)) return;
  throw Error(ATTNRT_INVALID, say("run: ", name, ".shape[", dim, "] is ", tensor.shape[dim], ", wanted at least ",
                                  least, or_one ? " or 1" : ""));
}

}  // namespace attnrt::sdk
#endif
