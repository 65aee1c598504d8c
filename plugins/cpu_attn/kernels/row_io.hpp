// SPDX-License-Identifier: Apache-2.0
//
// row_io.hpp: rows of q, out and sinks in the type they are stored in, which is known at run time alone: a kernel then
// needs no instance for each type of q.
#ifndef ATTNRT_CPU_ATTN_ROW_IO_HPP
#define ATTNRT_CPU_ATTN_ROW_IO_HPP
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "../simd/dtype.hpp"
#include "attention.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

/// `n` elements from element `at` on, as fp32. `dtype`: ATTNRT_FP32, ATTNRT_FP16 or ATTNRT_BF16.
inline void read_row(uint32_t dtype, const void* data, int64_t at, float* to, int64_t n) {
  switch (dtype) {
    case ATTNRT_FP16: return widen_row(static_cast<const Fp16*>(data) + at, to, n);
    case ATTNRT_BF16: return widen_row(static_cast<const Bf16*>(data) + at, to, n);
    default: return widen_row(static_cast<const float*>(data) + at, to, n);
  }
}
inline void write_row(uint32_t dtype, const float* from, void* data, int64_t at, int64_t n) {
  switch (dtype) {
    case ATTNRT_FP16: return narrow_row(from, static_cast<Fp16*>(data) + at, n);
    case ATTNRT_BF16: return narrow_row(from, static_cast<Bf16*>(data) + at, n);
    default: return narrow_row(from, static_cast<float*>(data) + at, n);
  }
}
/// Of f(vector) for the vectors of a row that is padded to whole ones.
template <class Map>
inline void write_row(uint32_t dtype, const float* from, void* data, int64_t at, int64_t n, Map&& f) {
  const auto write = [&](auto* to) {
    int64_t d = 0;
    for (; d + kLanes <= n; d += kLanes) narrow_vec(f(load(from + d)), to + d);
    if (d == n) return;
    float rest[kLanes];
    store(rest, f(load(from + d)));
    narrow_row(rest, to + d, n - d);
  };
  switch (dtype) {
    case ATTNRT_FP16: return write(static_cast<Fp16*>(data) + at);
    case ATTNRT_BF16: return write(static_cast<Bf16*>(data) + at);
    default: return write(static_cast<float*>(data) + at);
  }
}

/// One query, as fp32 or as it is stored (To of that type); its end may lie in a tensor of its own.
template <class To>
inline void load_query(const cpu::AttentionCall& call, int64_t token, int64_t head, To* to) {
  const auto part = [&](const cpu::View& view, To* at, int64_t n) {
    const int64_t from = token * view.stride[0] + head * view.stride[1];
    if constexpr (sizeof(To) == sizeof(float))
      read_row(call.shape.q_dtype, view.data, from, at, n);
    else
      std::memcpy(static_cast<void*>(at), static_cast<const To*>(view.data) + from,
                  static_cast<std::size_t>(n) * sizeof(To));
  };
  const int64_t rope = call.shape.q_rope, first = call.shape.head_size_qk - rope;
  part(call.q, to, first);
  if (rope > 0) part(call.q_rope, to + first, rope);
}

/// The sink of a head.
inline float sink_of(const cpu::AttentionCall& call, int64_t head) {
  float sink;
  read_row(call.sinks_fp32 ? static_cast<uint32_t>(ATTNRT_FP32) : call.shape.q_dtype, call.sinks.data,
           head * call.sinks.stride[0], &sink, 1);
  return sink;
}

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
