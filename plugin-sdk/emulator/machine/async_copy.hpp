// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_EMULATOR_ASYNC_COPY_HPP
#define ATTNRT_EMULATOR_ASYNC_COPY_HPP
#include <cstdint>

#include "tensor_map.hpp"
#include "warp.hpp"

namespace attnrt::emulator {

/// PendingCopy::source_bytes of a copy whose bytes are in place already.
constexpr uint32_t kLanded = ~0u;

/// A box of a tensor that is stored.
struct TensorBox {
  TensorMap map;
  int32_t coordinates[kMostDimensions] = {};
};

/// Lands the copies that a lane issued up to this number (Warp::copies_issued).
void finish_copies(Warp& warp, uint32_t lane, uint64_t issued);
/// Notes a bulk copy to global memory, which lands now or when it is waited for.
void add_store(Warp& warp, PendingStore store);
/// Writes the box of a tensor to global memory.
void land_box(Warp& warp, const PendingStore& store);

}  // namespace attnrt::emulator
#endif
