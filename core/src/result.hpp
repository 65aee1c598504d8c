// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <utility>
#include <variant>

#include "attnrt/plugin.h"

namespace attnrt::core {

/// How a call ended: a status and, where that is not OK, one sentence that names the thing, the value seen and the value
/// wanted.
struct [[nodiscard]] Status {
  attnrt_status code = ATTNRT_OK;
  std::string text;
  bool ok() const noexcept { return code == ATTNRT_OK; }
};

inline Status invalid(std::string text) { return {ATTNRT_INVALID, std::move(text)}; }

/// A value, or the Status that says why there is none.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::in_place_index<0>, std::move(value)) {}
  Result(Status error) : value_(std::in_place_index<1>, std::move(error)) {}
  explicit operator bool() const noexcept { return value_.index() == 0; }
  T& operator*() { return std::get<0>(value_); }
  const T& operator*() const { return std::get<0>(value_); }
  T* operator->() { return &std::get<0>(value_); }
  const T* operator->() const { return &std::get<0>(value_); }
  const Status& error() const { return std::get<1>(value_); }

 private:
  std::variant<T, Status> value_;
};

}  // namespace attnrt::core
