// SPDX-License-Identifier: Apache-2.0
//
// operands.hpp: tensors of a call as a kernel takes them.
#ifndef ATTNRT_GPU_OPERANDS_HPP
#define ATTNRT_GPU_OPERANDS_HPP
#include <cstdint>
#include <initializer_list>

#include "driver.hpp"
#include "attnrt/operands.hpp"

namespace attnrt::gpu {

using sdk::want_absent, sdk::want_size;

inline sdk::GpuStream device_stream(attnrt_stream stream) {
  return static_cast<sdk::GpuStream>(const_cast<void*>(stream));
}

inline int64_t ceiling(int64_t value, int64_t step) { return (value + step - 1) / step; }

inline uint64_t pointer(const void* data) { return reinterpret_cast<uint64_t>(data); }

/// Where a tensor's first element lies; 0 where there is no tensor.
inline uint64_t pointer(const attnrt_tensor* tensor) {
  return tensor ? pointer(tensor->data) + tensor->byte_offset : 0;
}

/// The stride of a dimension that may be 1 to serve all.
inline int64_t step(const attnrt_tensor* tensor, int32_t dim) {
  return !tensor || tensor->shape[dim] == 1 ? 0 : tensor->strides[dim];
}

/// Starts at a multiple of 16 bytes, and all strides but the last are multiples of `elements`. `tensor` may be NULL.
inline bool aligned(const attnrt_tensor* tensor, int64_t elements) {
  if (!tensor) return true;
  bool good = pointer(tensor) % 16 == 0;
  for (int32_t i = 0; i + 1 < tensor->ndim; ++i) good &= tensor->strides[i] % elements == 0;
  return good;
}

/// Throws INVALID unless the last `dims` dimensions lie without gaps.
inline void want_dense(const char* name, const attnrt_tensor* tensor, int32_t dims) {
  int64_t step = 1;
  for (int32_t i = tensor ? tensor->ndim - 1 : -1; i >= 0 && dims > 0; --i, --dims) {
    if (tensor->shape[i] > 1 && tensor->strides[i] != step)
      throw sdk::Error(ATTNRT_INVALID,
                       sdk::say("run: ", name, ".strides[", i, "] is ", tensor->strides[i], ", wanted ", step));
    step *= tensor->shape[i];
  }
}

}  // namespace attnrt::gpu
#endif
