// SPDX-License-Identifier: Apache-2.0
//
// attnrt/accept.hpp: structs that grow with the ABI, taken from the other side. Header-only, C++17. [thread-safe]
#ifndef ATTNRT_ACCEPT_HPP
#define ATTNRT_ACCEPT_HPP
#include "attnrt/base_size.hpp"
#include "attnrt/diag.hpp"
#include "attnrt/say.hpp"

namespace attnrt::sdk {

/// Copies a struct that the other side may know in an older or newer, shorter or longer form. False and a sentence
/// where it is NULL or shorter than the oldest form that serves.
template <class T>
bool accept(const Diag& diag, const char* what, const T* from, T& to) {
  if (!from) return diag.fail(say(what, " is NULL, wanted a struct"));
  if (from->struct_size < base_size<T>)
    return diag.fail(say(what, ".struct_size is ", from->struct_size, ", wanted at least ", base_size<T>));
  take(*from, to);
  return true;
}

}  // namespace attnrt::sdk
#endif
