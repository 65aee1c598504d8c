// SPDX-License-Identifier: Apache-2.0
//
// attnrt/overlap.hpp: does a tensor that is to be written share memory with itself, or with another one? Reads shapes,
// strides and addresses alone, so that it serves every device. Header-only, C++17, never allocates.
#ifndef ATTNRT_OVERLAP_HPP
#define ATTNRT_OVERLAP_HPP
#include <algorithm>
#include <cstdint>

#include "attnrt/plugin.h"

namespace attnrt::sdk {

/// The bytes of a tensor of at most four dimensions and no negative stride. [thread-safe]
class Footprint {
 public:
  /// `row_bytes`: of the last dimension, where more than its elements belongs to a row; 0 = its elements alone.
  explicit Footprint(const attnrt_tensor& t, int64_t row_bytes = 0) noexcept
      : begin_(reinterpret_cast<uintptr_t>(t.data) + t.byte_offset) {
    const int64_t element = t.dtype.bits / 8;
    const int32_t outer = row_bytes > 0 ? t.ndim - 1 : t.ndim;
    dims_[count_++] = {1, row_bytes > 0 ? row_bytes : element};
    for (int32_t i = 0; i < t.ndim; ++i) empty_ |= t.shape[i] == 0;
    for (int32_t i = 0; i < outer && count_ < kDims; ++i) {
      if (t.shape[i] < 2) continue;
      int64_t stride = 0;
      if (__builtin_mul_overflow(t.strides[i], element, &stride)) stride = INT64_MAX;
      int at = count_++;
      for (; at > 1 && dims_[at - 1].stride > stride; --at) dims_[at] = dims_[at - 1];
      dims_[at] = {stride, t.shape[i]};
    }
    for (int i = 0; i < count_ && !empty_; ++i) {
      nested_ &= dims_[i].stride >= bytes_;
      int64_t inside = 0;
      nested_ &= !__builtin_mul_overflow(dims_[i].stride, dims_[i].size - 1, &inside);
      nested_ &= !__builtin_add_overflow(bytes_, inside, &bytes_);
    }
  }

  /// No two elements share a byte: each stride is at least what the dimensions of smaller strides take together.
  /// Strides that interleave dimensions without sharing a byte do not count as nested: no tensor library makes them of
  /// views.
  bool nested() const noexcept { return nested_; }

  /// Do these nested bytes hold one of the other's? Looks at its elements one by one where the two lie among each
  /// other.
  bool shares(const Footprint& other) const noexcept {
    if (empty_ || other.empty_ || !nested_ || !other.nested_) return false;
    if (begin_ + static_cast<uint64_t>(bytes_) <= other.begin_) return false;
    if (other.begin_ + static_cast<uint64_t>(other.bytes_) <= begin_) return false;
    int64_t index[kDims] = {};
    for (;;) {
      uintptr_t first = other.begin_;
      for (int i = 1; i < other.count_; ++i) first += static_cast<uintptr_t>(index[i] * other.dims_[i].stride);
      for (int64_t byte = 0; byte < other.dims_[0].size; ++byte)
        if (holds(first + static_cast<uintptr_t>(byte))) return true;
      int i = 1;
      while (i < other.count_ && ++index[i] == other.dims_[i].size) index[i++] = 0;
      if (i == other.count_) return false;
    }
  }

 private:
  static constexpr int kDims = 5;
  struct Dim {
    int64_t stride, size;  ///< bytes, elements
  };

  bool holds(uintptr_t address) const noexcept {
    if (address < begin_) return false;
    auto rest = static_cast<int64_t>(address - begin_);
    for (int i = count_; i-- > 0;) rest -= std::min(rest / dims_[i].stride, dims_[i].size - 1) * dims_[i].stride;
    return rest == 0;
  }

  uintptr_t begin_;
  int count_ = 0;
  Dim dims_[kDims] = {};  ///< a row or an element as bytes, then the dimensions of more than one element, by stride
  int64_t bytes_ = 1;     ///< from the first byte to the last
  bool empty_ = false, nested_ = true;
};

}  // namespace attnrt::sdk
#endif
