// SPDX-License-Identifier: Apache-2.0
//
// kv8_rows.hpp: rows of a cache of 8 bits (fp8 e4m3, e5m2, int8), whose type is known at run time alone.
#ifndef ATTNRT_CPU_ATTN_KV8_ROWS_HPP
#define ATTNRT_CPU_ATTN_KV8_ROWS_HPP
#include <cstdint>
#include <cstring>

#include "../simd/fp8_int8.hpp"
#include "attention.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

/// Calls f with an element of ATTNRT_FP8_E4M3, ATTNRT_FP8_E5M2 or ATTNRT_INT8.
template <class F>
inline void with_kv8_type(uint32_t dtype, F&& f) {
  switch (dtype) {
    case ATTNRT_FP8_E4M3: return f(E4m3{});
    case ATTNRT_FP8_E5M2: return f(E5m2{});
    default: return f(Int8{});
  }
}

/// `n` bytes of one of those types, times `factor`.
inline void stage_row(uint32_t dtype, const uint8_t* from, float* to, int64_t n, float factor) {
  with_kv8_type(dtype, [&](auto type) { widen_kv8(reinterpret_cast<const decltype(type)*>(from), to, n, factor); });
}

/// Where the scale behind a row of `n` bytes lies.
constexpr int64_t row_scale_at(int64_t n) { return (n + 3) / 4 * 4; }
/// The scale behind a row of `n` bytes.
inline float row_scale(const uint8_t* row, int64_t n) {
  float scale;
  std::memcpy(&scale, row + row_scale_at(n), sizeof scale);
  return scale;
}

/// A scale of the call: of the request and head, 1 where it has none.
inline float scale_of(const cpu::View& scales, int64_t request, int64_t head) {
  return scales.data ? static_cast<const float*>(scales.data)[request * scales.stride[0] + head * scales.stride[1]]
                     : 1.0f;
}

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
