// SPDX-License-Identifier: Apache-2.0
//
// attnrt/span.hpp: a view on an array of the caller, since C++17 has no std::span. Header-only, C++17.
#ifndef ATTNRT_SPAN_HPP
#define ATTNRT_SPAN_HPP
#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <type_traits>
#include <utility>

namespace attnrt {

/// `size()` elements at `data()`, which somebody else owns. Made of anything contiguous: a vector, an array, a
/// std::span, a braced list. A braced list lives to the end of the statement that holds it, so a Span of one is an
/// argument and never a variable.
template <class T>
class Span {
 public:
  constexpr Span() noexcept = default;
  constexpr Span(const T* data, std::size_t size) noexcept : data_(data), size_(size) {}
  constexpr Span(std::initializer_list<T> list) noexcept { data_ = list.begin(), size_ = list.size(); }
  /// Of an array or any container with std::data and std::size.
  template <class C,
            class = std::enable_if_t<std::is_convertible_v<decltype(std::data(std::declval<const C&>())), const T*>>>
  constexpr Span(const C& from) noexcept : data_(std::data(from)), size_(std::size(from)) {}

  constexpr const T* data() const noexcept { return data_; }
  constexpr std::size_t size() const noexcept { return size_; }
  constexpr bool empty() const noexcept { return size_ == 0; }
  constexpr const T* begin() const noexcept { return data_; }
  constexpr const T* end() const noexcept { return data_ + size_; }
  constexpr const T& operator[](std::size_t i) const noexcept { return data_[i]; }

 private:
  const T* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace attnrt
#endif
