// SPDX-License-Identifier: Apache-2.0
//
// shapes.hpp: how the attention kernel is cut for heads of each width: as flash_attn's (aot/units.py), within the 99
// KiB of shared memory that every device from 8.0 on has.
#ifndef ATTNRT_FLEX_CUDA_SHAPES_HPP
#define ATTNRT_FLEX_CUDA_SHAPES_HPP
#include <cstdint>

namespace attnrt::flex {

struct CudaShape {
  uint32_t head_qk, head_v;  ///< the largest that it is padded for
  uint32_t row_warps, key_warps, tile, stages;
  uint32_t blocks;  ///< a multiprocessor is to have room for

  uint32_t rows() const { return 16 * row_warps; }
  uint32_t warps() const { return row_warps * key_warps; }
  uint32_t shared_bytes() const { return 2 * (rows() * head_qk + stages * tile * (head_qk + head_v)); }
};

/// For decodes, and for all else; in ascending order of heads.
inline constexpr CudaShape kFewShapes[] = {
    {64, 64, 1, 4, 64, 3, 3}, {128, 128, 1, 4, 64, 2, 2}, {192, 128, 1, 4, 64, 2, 2}, {256, 256, 1, 2, 32, 2, 2}};
inline constexpr CudaShape kManyShapes[] = {
    {64, 64, 4, 1, 64, 3, 2}, {128, 128, 4, 1, 64, 2, 2}, {192, 128, 4, 1, 32, 2, 2}, {256, 256, 4, 1, 32, 2, 1}};
constexpr uint32_t kWidestHead = 256;

/// The first shape that has room for these heads, each at most kWidestHead.
template <std::size_t N>
const CudaShape& shape_of(const CudaShape (&shapes)[N], uint32_t head_qk, uint32_t head_v) {
  for (const CudaShape& shape : shapes)
    if (shape.head_qk >= head_qk && shape.head_v >= head_v) return shape;
  return shapes[N - 1];
}

}  // namespace attnrt::flex
#endif
