// SPDX-License-Identifier: Apache-2.0
//
// panel_widen.hpp: native pages of 16 bits become panels of fp32, once for all rows of an item, where widening them in
// the registers of each strip of rows would take the place of products.
#ifndef ATTNRT_CPU_ATTN_SIMD_PANEL_WIDEN_HPP
#define ATTNRT_CPU_ATTN_SIMD_PANEL_WIDEN_HPP
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "dot.hpp"
#include "panel_layout.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

/// Widens one step of a granule (kGranule tokens of keys, or dims of values, layout.pair of each) to layout.pair steps.
template <class T>
ATTNRT_KERNEL_INLINE void widen_step(const char* from, char* to, int64_t step_bytes) {
  for (int64_t at = 0; at < kGranule; at += kLanes, to += sizeof(Vec)) {
    if constexpr (std::is_same_v<T, Fp16>) {
      const Vec v = widen_vec(reinterpret_cast<const Fp16*>(from) + at);
      std::memcpy(to, &v, sizeof v);
    } else {
      const Vec pairs = load_vec(from + at * 4), even = even_of(pairs), odd = odd_of(pairs);
      std::memcpy(to, &even, sizeof even);
      std::memcpy(to + step_bytes, &odd, sizeof odd);
    }
  }
}

/// A granule of a page of T to that at `column` of a page of `to`, of fp32. `prefetch`: the one
/// whose lines are prefetched meanwhile.
template <class T>
inline void widen_granule(const PanelLayout& layout, PageGranule from, const PanelLayout& to, char* to_page,
                          int64_t column, PageGranule prefetch) {
  const char* keys = from.page + layout.key_at(from.token);
  const char* next = prefetch.page + layout.key_at(prefetch.token);
  char* to_keys = to_page + to.key_at(column);
  for (int64_t dim = 0; dim < layout.head_size_qk; dim += layout.pair) {
    __builtin_prefetch(next, 0, 2);
    widen_step<T>(keys, to_keys, to.key_step());
    keys += layout.key_step();
    next += layout.key_step();
    to_keys += layout.pair * to.key_step();
  }
  for (int64_t panel = 0; panel < layout.value_panels(); ++panel) {
    const char* values = from.page + layout.value_at(from.token, panel);
    next = prefetch.page + layout.value_at(prefetch.token, panel);
    char* to_values = to_page + to.value_at(column, panel);
    for (int64_t i = 0; i < kGranule; i += layout.pair) {
      for (int64_t d = 0; d < layout.panel_dims(panel); d += kGranule) {
        __builtin_prefetch(next + d * layout.pair * layout.element_bytes, 0, 2);
        widen_step<T>(values + d * layout.pair * layout.element_bytes, to_values + d * to.element_bytes,
                      to.value_step(panel));
      }
      values += layout.value_step(panel);
      next += layout.value_step(panel);
      to_values += layout.pair * to.value_step(panel);
    }
  }
}

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
