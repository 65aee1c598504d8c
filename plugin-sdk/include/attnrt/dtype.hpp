// SPDX-License-Identifier: Apache-2.0
//
// attnrt/dtype.hpp: the element types of plugin.h, their DLPack form, names and sizes. Header-only, C++17. [thread-safe]
#ifndef ATTNRT_DTYPE_HPP
#define ATTNRT_DTYPE_HPP
#include <cstdint>

#include "attnrt/plugin.h"
#include "attnrt/words.hpp"

namespace attnrt::sdk {

/// The element type of a DLPack dtype as ATTNRT_FP32 ..., or -1 where it is not one of ours.
constexpr int dtype_of(attnrt_dtype t) {
  if (t.lanes != 1) return -1;
  if (t.code == 2 && t.bits == 32) return ATTNRT_FP32;
  if (t.code == 2 && t.bits == 16) return ATTNRT_FP16;
  if (t.code == 4 && t.bits == 16) return ATTNRT_BF16;
  if (t.code == 10 && t.bits == 8) return ATTNRT_FP8_E4M3;
  if (t.code == 11 && t.bits == 8) return ATTNRT_FP8_E4M3FNUZ;
  if (t.code == 12 && t.bits == 8) return ATTNRT_FP8_E5M2;
  if (t.code == 0 && t.bits == 8) return ATTNRT_INT8;
  return -1;
}

/// The DLPack dtype of ATTNRT_FP32 ...
constexpr attnrt_dtype to_dlpack(uint32_t dtype) {
  constexpr attnrt_dtype table[ATTNRT_DTYPE_COUNT_] = {{2, 32, 1}, {2, 16, 1}, {4, 16, 1}, {10, 8, 1},
                                                       {11, 8, 1}, {12, 8, 1}, {0, 8, 1}};
  return dtype < ATTNRT_DTYPE_COUNT_ ? table[dtype] : attnrt_dtype{0, 0, 0};
}

/// "fp32", "bf16", "fp8_e4m3" ...
constexpr const char* dtype_name(uint32_t dtype) { return words::dtypes.name(dtype); }

constexpr uint32_t dtype_bytes(uint32_t dtype) { return dtype == ATTNRT_FP32 ? 4 : dtype <= ATTNRT_BF16 ? 2 : 1; }

/// The x of an xpacked cache, [block, head, Dqk / x, slot, x]: the elements of 16 bytes.
constexpr uint32_t xpacked_elements(uint32_t dtype) { return 16 / dtype_bytes(dtype); }

}  // namespace attnrt::sdk
#endif
