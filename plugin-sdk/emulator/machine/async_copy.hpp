// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_EMULATOR_ASYNC_COPY_HPP
#define ATTNRT_EMULATOR_ASYNC_COPY_HPP
#include <cstdint>

namespace attnrt::emulator {

class Warp;
struct PendingCopy;

/// PendingCopy::source_bytes of a copy whose bytes are in place already.
constexpr uint32_t kLanded = ~0u;

/// Lands every copy that these lanes issued.
void finish_copies(Warp& warp, uint32_t lanes);
/// Lands a bulk copy from shared to global memory, once.
void land_store(Warp& warp, PendingCopy& store);

}  // namespace attnrt::emulator
#endif
