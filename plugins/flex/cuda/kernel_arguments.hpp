// SPDX-License-Identifier: Apache-2.0
//
// kernel_arguments.hpp: the arguments of kernels under a program as the host sets them: kernels/flex_arguments.cuh has
// the same structs, member by member.
#ifndef ATTNRT_FLEX_CUDA_KERNEL_ARGUMENTS_HPP
#define ATTNRT_FLEX_CUDA_KERNEL_ARGUMENTS_HPP
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "../../flash_attn/arguments.hpp"
#include "attnrt/flex/evaluate.hpp"

namespace attnrt::flex {

struct FlexBuffer {
  uint64_t data = 0;
  int32_t last[kMaxRank] = {};
  int64_t strides[kMaxRank] = {};

  FlexBuffer() = default;
  explicit FlexBuffer(const BufferView& view) : data(reinterpret_cast<uint64_t>(view.data)) {
    for (std::size_t d = 0; d < kMaxRank; ++d) {
      // No index of 32 bits reaches further.
      last[d] = static_cast<int32_t>(std::clamp<int64_t>(view.shape[d], 0, INT32_MAX) - 1);
      strides[d] = view.strides[d];
    }
  }
};

struct FlexArguments {
  flash::AttentionArguments attention;
  uint64_t block_mask_ptr;
  int64_t block_mask_stride_row, block_mask_stride_head;
  FlexBuffer buffers[kMaxBuffers];  ///< the kernel has those of its program, and one at least

  /// Size of the arguments of a kernel whose program has `num_buffers` buffers.
  static std::size_t bytes(std::size_t num_buffers) {
    return offsetof(FlexArguments, buffers) + std::max<std::size_t>(num_buffers, 1) * sizeof(FlexBuffer);
  }
};
static_assert(sizeof(flash::AttentionArguments) % 8 == 0 && sizeof(FlexBuffer) == 56, "kernels/flex_arguments.cuh");

}  // namespace attnrt::flex
#endif
