// SPDX-License-Identifier: Apache-2.0
//
// flex_arguments.cuh: the arguments of kernels under a program: those of attention, the block mask, the program's
// buffers. The host has the same struct (../kernel_arguments.hpp). BUFFERS: how many there are, at least 1.
#ifndef ATTNRT_FLEX_ARGUMENTS_CUH
#define ATTNRT_FLEX_ARGUMENTS_CUH
#include "arguments.cuh"

namespace attnrt::flex {

/// A buffer of the program. A load counts an index below 0 as 0, one above `last` as `last`, which is the extent less
/// 1: -1 where the buffer is empty. Strides in elements.
struct FlexBuffer {
  const char* data;
  int last[4];
  long long strides[4];
};

struct FlexArguments : flash::AttentionArguments {
  /// A byte for each tile of keys of each block of rows, by number: 0 no row sees a key, 1 the program is to be asked,
  /// 2 the program hides none. Rows of blocks are a multiple of 4 bytes.
  char* block_mask_ptr;
  long long block_mask_stride_row, block_mask_stride_head;
  FlexBuffer buffers[BUFFERS];
};

}  // namespace attnrt::flex
#endif
