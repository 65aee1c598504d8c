// SPDX-License-Identifier: Apache-2.0
//
// catalog.hpp: which compiled kernel serves a problem. Reads the generated table alone: the same answer on every
// machine.
#ifndef ATTNRT_TRITON_ATTN_CATALOG_HPP
#define ATTNRT_TRITON_ATTN_CATALOG_HPP
#include <cstdint>

#include "attnrt/plugin.h"
#include "binary.hpp"

namespace attnrt::triton {

/// What a kernel must be; 0 or -1 where it does not matter.
struct Wanted {
  const char* kernel;
  uint32_t arch;          ///< of the device
  int32_t q_dtype, kv_dtype, out_dtype;  ///< -1 = any
  uint32_t head_size_qk, head_size_v;    ///< at most the class's
  uint32_t rows;          ///< block_m at least this
  int32_t even;           ///< 1 = all is aligned, 0 = nothing is known, -1 = any
  uint32_t features = 0;  ///< at least
};

/// The kernel of the smallest class, the fewest features and the smallest block_m that serves, of the newest
/// architecture that the device runs; NULL = there is none. [thread-safe]
const Binary* find(const Wanted& wanted);

/// Does a device run a cubin: of its own major version, at most its minor one. Those of 9.0 and later are compiled for
/// exactly one architecture, as the tensor cores of these ask. [thread-safe]
constexpr bool runs(uint32_t device, uint32_t binary) {
  return device == binary || (binary < 90 && device / 10 == binary / 10 && device > binary);
}

/// What the table offers of a kernel, for the sheets. [thread-safe]
struct Offer {
  uint32_t q_dtypes = 0, kv_dtypes = 0;  ///< masks
  uint32_t head_size_qk = 0, head_size_v = 0, rows = 0;  ///< largest
};
Offer offer(const char* kernel);

}  // namespace attnrt::triton
#endif
