// SPDX-License-Identifier: Apache-2.0
//
// attnrt/shape.hpp: sizes or strides of a tensor's dimensions. Header-only, C++17.
#ifndef ATTNRT_SHAPE_HPP
#define ATTNRT_SHAPE_HPP
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

#include "attnrt/error.hpp"
#include "attnrt/span.hpp"

namespace attnrt {

/// Up to 8 integers of any type, in elements: `{tokens, 32, 128}`, or a container of int64_t.
class TensorShape {
 public:
  TensorShape() = default;
  template <class... Integers,
            class = std::enable_if_t<(std::is_integral_v<Integers> && ...) && sizeof...(Integers) != 0>>
  TensorShape(Integers... sizes) : values_{static_cast<int64_t>(sizes)...}, size_(sizeof...(Integers)) {
    static_assert(sizeof...(Integers) <= 8, "a tensor has at most 8 dimensions");
  }
  /// Throws INVALID for more than 8.
  template <class C, class = std::enable_if_t<std::is_convertible_v<const C&, Span<int64_t>>>>
  TensorShape(const C& sizes) {
    const Span<int64_t> all(sizes);
    if (all.size() > values_.size())
      throw Error(ATTNRT_INVALID, "tensor: it has " + std::to_string(all.size()) + " dimensions, wanted at most 8");
    for (const int64_t size : all) values_[size_++] = size;
  }

  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  const int64_t* begin() const noexcept { return values_.data(); }
  const int64_t* end() const noexcept { return values_.data() + size_; }

 private:
  std::array<int64_t, 8> values_{};
  std::size_t size_ = 0;
};

}  // namespace attnrt
#endif
