// SPDX-License-Identifier: Apache-2.0
//
// splits.hpp: into how many splits the keys of a batch are divided (Flash-Decoding), so that few queries fill a device.
#ifndef ATTNRT_GPU_SPLITS_HPP
#define ATTNRT_GPU_SPLITS_HPP
#include <algorithm>
#include <cstdint>

#include "attnrt/plugin.h"
#include "device.hpp"
#include "operands.hpp"

namespace attnrt::gpu {

/// Where a request's bits may not depend on its batch there is one number of splits; elsewhere there are at most so
/// many.
constexpr int32_t kInvariantSplits = 16, kMaxSplits = 32;

/// The multiprocessors that a plan's runs are to fill: the device's, or the engine's share of them. [thread-safe]
inline int64_t multiprocessors_of(const Device& device, const attnrt_limits& limits) {
  const int64_t all = device.multiprocessors();
  return limits.num_sms > 0 ? std::min<int64_t>(all, limits.num_sms) : all;
}

/// As many splits as give each multiprocessor two programs, none shorter than two tiles of `tile` keys. `programs`: of
/// a batch without splits; `room`: how many splits of each token scratch has room for. At least 1. [thread-safe]
inline int32_t splits_that_fill(int64_t multiprocessors, int64_t programs, int64_t keys, int64_t tile, int64_t room) {
  const int64_t fill = ceiling(2 * multiprocessors, programs);
  const int64_t splits = std::min({int64_t{kMaxSplits}, fill, ceiling(keys, 2 * tile), room});
  return static_cast<int32_t>(std::max<int64_t>(splits, 1));
}

/// Bytes of the partial results of `rows` rows (tokens times splits) of each head: `pitch` floats and a log-sum-exp.
/// [thread-safe]
constexpr uint64_t partial_bytes(int64_t rows, uint32_t num_heads, uint32_t pitch) {
  return static_cast<uint64_t>(rows) * num_heads * (pitch + 1) * sizeof(float);
}

}  // namespace attnrt::gpu
#endif
