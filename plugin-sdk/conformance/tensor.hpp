// SPDX-License-Identifier: Apache-2.0
//
// An attnrt_tensor that owns its shape and strides.
#ifndef ATTNRT_CONFORMANCE_TENSOR_HPP
#define ATTNRT_CONFORMANCE_TENSOR_HPP
#include <cstdint>
#include <initializer_list>

#include "attnrt/plugin.h"

namespace attnrt::conformance {

class Tensor {
 public:
  /// Strides in elements; none = dense.
  Tensor(void* data, attnrt_device device, attnrt_dtype dtype, std::initializer_list<int64_t> shape,
         std::initializer_list<int64_t> strides = {}) {
    // At most five of each: the bound is for the compiler.
    const auto copy = [](std::initializer_list<int64_t> from, int64_t* to) {
      const auto count = static_cast<int32_t>(from.size() < 5 ? from.size() : 5);
      for (int32_t i = 0; i < count; ++i) to[i] = from.begin()[i];
      return count;
    };
    const int32_t n = copy(shape, shape_);
    tensor_ = {data, device, n, dtype, shape_, strides_, 0};
    int64_t step = 1;
    for (int32_t i = n - 1; i >= 0; --i) {
      strides_[i] = step;
      step *= shape_[i];
    }
    copy(strides, strides_);
  }
  Tensor(const Tensor&) = delete;
  Tensor& operator=(const Tensor&) = delete;

  const attnrt_tensor* get() const noexcept { return &tensor_; }

 private:
  int64_t shape_[5]{}, strides_[5]{};
  attnrt_tensor tensor_{};
};

}  // namespace attnrt::conformance
#endif
