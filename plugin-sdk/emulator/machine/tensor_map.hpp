// SPDX-License-Identifier: Apache-2.0
//
// Tensor maps (CUDA driver API, cuTensorMapEncodeTiled; PTX manual 5.5): how a tensor of up to five dimensions lies in
// global memory, and which box of it a bulk copy moves. The 128 bytes are opaque to programs, so their content is the
// emulator's own.
#ifndef ATTNRT_EMULATOR_TENSOR_MAP_HPP
#define ATTNRT_EMULATOR_TENSOR_MAP_HPP
#include <cstdint>

namespace attnrt::emulator {

constexpr uint32_t kTensorMapBytes = 128, kMostDimensions = 5;

/// Dimension 0 runs fastest and is dense.
struct TensorMap {
  uint64_t mark = 0;                              ///< kTensorMapMark in a map that was encoded
  uint64_t address = 0;                           ///< of element 0
  uint64_t strides[kMostDimensions - 1] = {};     ///< bytes from one index of dimension 1.. to the next
  uint32_t last[kMostDimensions] = {};            ///< the largest index of each dimension
  uint16_t box[kMostDimensions] = {};             ///< extent of the box in the tensor
  uint8_t element_strides[kMostDimensions] = {};  ///< every how manieth element of the box is moved
  uint8_t rank = 0;
  uint8_t element_bytes = 0;
  uint8_t swizzle = 0;  ///< bytes of a row whose pieces of 16 are permuted: 0, 32, 64, 128
  uint8_t fill = 0;     ///< each byte of an element outside of the tensor: 0, or 0xff for a NaN

  /// Elements of a dimension that arrive in shared memory.
  uint32_t extent(uint32_t dimension) const {
    const uint32_t step = dimension ? element_strides[dimension] : 1;
    return (box[dimension] + step - 1) / step;
  }
  uint32_t row_bytes() const { return box[0] * element_bytes; }
  uint32_t rows() const {
    uint32_t count = 1;
    for (uint32_t i = 1; i < rank; ++i) count *= extent(i);
    return count;
  }
  uint32_t box_bytes() const { return rows() * row_bytes(); }
  /// Where 16 bytes lie that would lie at this shared address without swizzling: the higher bits of the address within
  /// eight rows are added to those of the piece, without carry.
  uint32_t swizzled(uint32_t shared_address) const {
    const uint32_t mask = swizzle == 128 ? 7 : swizzle == 64 ? 3 : swizzle == 32 ? 1 : 0;
    return shared_address ^ (shared_address >> 7 & mask) << 4;
  }
};
static_assert(sizeof(TensorMap) <= kTensorMapBytes);
constexpr uint64_t kTensorMapMark = 0x70616d5f726f736e;

/// One row of a box: dimension 0, of which the elements [begin, end) lie inside the tensor, from `address` on.
struct BoxRow {
  uint32_t begin, end;
  uint64_t address;
};
/// Row `row` of the box whose first element has these coordinates.
BoxRow box_row(const TensorMap& map, const int32_t* coordinates, uint32_t row);

}  // namespace attnrt::emulator
#endif
