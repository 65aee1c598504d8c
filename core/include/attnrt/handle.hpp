// SPDX-License-Identifier: Apache-2.0
//
// attnrt/handle.hpp: owners of what the C API gives out. Header-only, C++17.
#ifndef ATTNRT_HANDLE_HPP
#define ATTNRT_HANDLE_HPP
#include <memory>

#include "attnrt/attnrt.h"

namespace attnrt {
namespace detail {
/// Frees what the C API gave out.
struct Free {
  void operator()(attnrt_runtime* p) const noexcept { attnrt_close(p); }
  void operator()(attnrt_plan* p) const noexcept { attnrt_plan_free(p); }
  void operator()(attnrt_text* p) const noexcept { attnrt_text_free(p); }
  void operator()(attnrt_flex* p) const noexcept { attnrt_flex_free(p); }
};
/// The one owner of such an object.
template <class T>
using Handle = std::unique_ptr<T, Free>;
}  // namespace detail
}  // namespace attnrt
#endif
