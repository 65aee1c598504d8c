// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <utility>
#include <variant>

#include "attnrt/plugin.h"

namespace attnrt::core {

/// A failure: a status and one sentence that names the thing, the value seen and the value wanted.
struct Error {
  attnrt_status status = ATTNRT_INVALID;
  std::string text;
};

inline Error invalid(std::string text) { return {ATTNRT_INVALID, std::move(text)}; }

/// A value or an Error.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : value_(std::in_place_index<1>, std::move(error)) {}
  explicit operator bool() const noexcept { return value_.index() == 0; }
  T& operator*() { return std::get<0>(value_); }
  const T& operator*() const { return std::get<0>(value_); }
  T* operator->() { return &std::get<0>(value_); }
  const T* operator->() const { return &std::get<0>(value_); }
  const Error& error() const { return std::get<1>(value_); }

 private:
  std::variant<T, Error> value_;
};

}  // namespace attnrt::core
