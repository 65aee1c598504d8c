// SPDX-License-Identifier: Apache-2.0
//
// transpose.hpp: rows of keys become columns of a packed fp32 tile, four by four.
#ifndef ATTNRT_CPU_ATTN_SIMD_TRANSPOSE_HPP
#define ATTNRT_CPU_ATTN_SIMD_TRANSPOSE_HPP
#include <cstdint>
#include <cstring>

#include "isa.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

using Four = float __attribute__((vector_size(16)));

/// to[d * stride + i] = rows[i][d] for i < 4, d < n. Reads nothing past the rows' ends.
ATTNRT_KERNEL_INLINE void transpose_four(const float* const rows[4], float* to, int64_t stride, int64_t n) {
  int64_t d = 0;
  for (; d + 4 <= n; d += 4) {
    Four r[4];
    for (int i = 0; i < 4; ++i) std::memcpy(&r[i], rows[i] + d, sizeof r[i]);
    const Four a = __builtin_shufflevector(r[0], r[1], 0, 4, 1, 5), b = __builtin_shufflevector(r[0], r[1], 2, 6, 3, 7);
    const Four c = __builtin_shufflevector(r[2], r[3], 0, 4, 1, 5), e = __builtin_shufflevector(r[2], r[3], 2, 6, 3, 7);
    const Four out[4] = {__builtin_shufflevector(a, c, 0, 1, 4, 5), __builtin_shufflevector(a, c, 2, 3, 6, 7),
                         __builtin_shufflevector(b, e, 0, 1, 4, 5), __builtin_shufflevector(b, e, 2, 3, 6, 7)};
    for (int i = 0; i < 4; ++i) std::memcpy(to + (d + i) * stride, &out[i], sizeof out[i]);
  }
  for (; d < n; ++d)
    for (int i = 0; i < 4; ++i) to[d * stride + i] = rows[i][d];
}

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
