// SPDX-License-Identifier: Apache-2.0
//
// attnrt/tensor.hpp: a view on memory with its shape and strides. Header-only, C++17.
#ifndef ATTNRT_TENSOR_HPP
#define ATTNRT_TENSOR_HPP
#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "attnrt/element.hpp"
#include "attnrt/error.hpp"
#include "attnrt/shape.hpp"

namespace attnrt {

/// A view on memory of the host or of a device, with its own shape and strides (in elements). It does not own the
/// data, which must live until the call that it is passed to has finished (on a device: until the stream has). A value:
/// copies and temporaries are as good as the first. The default is no tensor: an operand that is not given.
class Tensor {
 public:
  Tensor() = default;
  /// Strides empty: row-major and dense. Throws INVALID for a number of strides that is not that of the sizes.
  Tensor(const void* data, attnrt_dtype dtype, const TensorShape& shape, const TensorShape& strides = {},
         attnrt_device device = {ATTNRT_DEVICE_CPU, 0}) {
    if (!strides.empty() && strides.size() != shape.size())
      throw Error(ATTNRT_INVALID, "tensor: the shape has " + std::to_string(shape.size()) +
                                      " dimensions and there are " + std::to_string(strides.size()) +
                                      " strides, wanted one for each or none");
    std::copy(shape.begin(), shape.end(), shape_.begin());
    int64_t step = 1;
    for (std::size_t i = shape.size(); i-- > 0; step *= shape_[i]) strides_[i] = step;
    std::copy(strides.begin(), strides.end(), strides_.begin());
    tensor_.data = const_cast<void*>(data);
    tensor_.device = device;
    tensor_.ndim = static_cast<int32_t>(shape.size());
    tensor_.dtype = dtype;
  }
  /// Dense elements of a C++ type that DtypeOf knows. Const ones are only read: no call takes them for its output.
  template <class T>
  Tensor(T* data, const TensorShape& shape) : Tensor(data, DtypeOf<std::remove_const_t<T>>::value, shape) {
    read_only_ = std::is_const_v<T>;
  }
  /// All or the first elements of a vector. Throws INVALID where the vector has fewer than the shape.
  template <class T>
  Tensor(std::vector<T>& data, const TensorShape& shape) : Tensor(data.data(), shape) {
    must_hold(data.size());
  }
  template <class T>
  Tensor(const std::vector<T>& data, const TensorShape& shape) : Tensor(data.data(), shape) {
    must_hold(data.size());
  }
  /// A vector that is about to die.
  template <class T>
  Tensor(std::vector<T>&& data, const TensorShape& shape) = delete;

  Tensor(const Tensor& other) noexcept { *this = other; }
  Tensor& operator=(const Tensor& other) noexcept {
    shape_ = other.shape_;
    strides_ = other.strides_;
    tensor_ = other.tensor_;
    tensor_.shape = shape_.data();
    tensor_.strides = strides_.data();
    read_only_ = other.read_only_;
    return *this;
  }

  /// The same view on memory of a device.
  Tensor on(attnrt_device device) const {
    Tensor copy(*this);
    copy.tensor_.device = device;
    return copy;
  }

  /// False for no tensor.
  explicit operator bool() const noexcept { return tensor_.data || tensor_.ndim; }
  /// Was it made of const elements?
  bool read_only() const noexcept { return read_only_; }
  int32_t ndim() const noexcept { return tensor_.ndim; }
  /// The size of dimension `i`, 0 where there is no such dimension.
  int64_t size(int32_t i) const noexcept { return i >= 0 && i < tensor_.ndim ? tensor_.shape[i] : 0; }

  /// The C form, valid while this object lives and is not assigned to; NULL for no tensor. The calls of Op and Plan
  /// take the Tensor itself.
  const attnrt_tensor* get() const noexcept { return *this ? &tensor_ : nullptr; }

 private:
  void must_hold(std::size_t elements) const {
    int64_t wanted = 1;
    for (int32_t i = 0; i < tensor_.ndim; ++i) wanted *= shape_[static_cast<std::size_t>(i)];
    if (wanted > static_cast<int64_t>(elements))
      throw Error(ATTNRT_INVALID, "tensor: the shape has " + std::to_string(wanted) + " elements and the vector " +
                                      std::to_string(elements) + ", wanted at least as many");
  }

  std::array<int64_t, 8> shape_{}, strides_{};
  attnrt_tensor tensor_{nullptr, {ATTNRT_DEVICE_CPU, 0}, 0, {0, 0, 0}, shape_.data(), strides_.data(), 0};
  bool read_only_ = false;
};

}  // namespace attnrt
#endif
