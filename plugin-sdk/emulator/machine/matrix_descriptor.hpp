// SPDX-License-Identifier: Apache-2.0
//
// How a matrix lies in shared memory, as the tensor cores of 9.0 and 10.0 read it (manual 9.7.15.5.1.2.2 and
// 9.7.16.4.1). A descriptor of 10.0 has a version beside and one bit more for the swizzle, which is 0 in those known
// here.
#ifndef ATTNRT_EMULATOR_MATRIX_DESCRIPTOR_HPP
#define ATTNRT_EMULATOR_MATRIX_DESCRIPTOR_HPP
#include <cstdint>
#include <cstring>

#include "block.hpp"
#include "fault.hpp"

namespace attnrt::emulator {

/// All lengths in units of 16 bytes.
struct Descriptor {
  explicit Descriptor(uint64_t bits)
      : start(static_cast<uint32_t>(bits & 0x3fff) << 4),
        leading(static_cast<uint32_t>(bits >> 16 & 0x3fff) << 4),
        stride(static_cast<uint32_t>(bits >> 32 & 0x3fff) << 4),
        swizzle(static_cast<uint32_t>(bits >> 62)) {
    if (bits >> 61 & 1) throw Fault(Answer::illegal_instruction, "a swizzle by pieces of 32 bytes is not known");
    if (bits >> 49 & 7) throw Fault(Answer::illegal_instruction, "a matrix descriptor with a base offset is not known");
  }
  uint32_t row_bytes() const { return swizzle == 1 ? 128 : swizzle == 2 ? 64 : swizzle == 3 ? 32 : 16; }
  uint32_t swizzled(uint32_t address) const {
    const uint32_t mask = swizzle == 1 ? 7 : swizzle == 2 ? 3 : swizzle == 3 ? 1 : 0;
    return address ^ (address >> 7 & mask) << 4;
  }
  /// The 16 bytes that hold byte `k` of row `r`, where k runs along memory.
  uint32_t k_major(uint32_t r, uint32_t k) const {
    const uint32_t column = swizzle ? k : k / 16 * leading;
    return swizzled(start + r / 8 * stride + r % 8 * row_bytes() + column);
  }
  /// The 16 bytes that hold rows r to r + 7 of column k, where the rows run along memory; elements of 16 bits.
  uint32_t mn_major(uint32_t r, uint32_t k) const {
    if (!swizzle) return start + r / 8 * stride + k / 8 * leading + k % 8 * 16;
    const uint32_t per = row_bytes() / 2;
    return swizzled(start + r / per * leading + k / 8 * stride + k % 8 * row_bytes() + r % per * 2);
  }
  uint32_t start, leading, stride, swizzle;
};

/// 16 bytes of shared memory as numbers, `stride` apart, read by the hardware on behalf of a warp.
template <class E>
void read_piece(Warp& warp, uint32_t address, float* to, uint32_t stride) {
  typename E::Bits bits[16 / sizeof(typename E::Bits)];
  std::memcpy(bits, warp.block().shared().read(warp.index(), address, 16, true), 16);
  for (uint32_t i = 0; i < 16 / sizeof(typename E::Bits); ++i) to[i * stride] = E::of(bits[i]);
}

}  // namespace attnrt::emulator
#endif
