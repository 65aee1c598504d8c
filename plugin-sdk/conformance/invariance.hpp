// SPDX-License-Identifier: Apache-2.0
//
// Claims of determinism, proved bit by bit.
#ifndef ATTNRT_CONFORMANCE_INVARIANCE_HPP
#define ATTNRT_CONFORMANCE_INVARIANCE_HPP
#include <cstdint>

#include "attnrt/plugin.h"
#include "conformance/finding.hpp"
#include "conformance/memory.hpp"

namespace attnrt::conformance {

struct InvarianceOptions {
  uint64_t isa = 0;
  uint32_t arch = 0;        ///< of the device, 0 on the CPU
  uint32_t q_dtypes = ~0u;  ///< mask of (1 << ATTNRT_FP32 ...)
  uint32_t problems = 4;    ///< of each dtype and family
  uint32_t rounds = 6;      ///< surroundings that each request is put into
  int32_t longest = 4096;   ///< keys of the longest neighbour
  uint64_t seed = 1;
};

/// For what the sheet claims: "repeatable" (the same call twice), "batch_invariant" (one request alone, then among 1 to
/// 256 random neighbours, at a random place, in other blocks, beside other garbage, padded, with other thread counts),
/// "schedule_invariant" (a prompt whole, in random chunks, and token by token). Bytes of out and lse must be equal. The
/// finding "control" says that the same keys summed in another order give other bits for these data: were it not so,
/// equal bytes would prove nothing. [one thread per memory]
Findings check_invariance(const attnrt_variant& variant, Memory& memory, const InvarianceOptions& options);

}  // namespace attnrt::conformance
#endif
