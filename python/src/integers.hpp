// SPDX-License-Identifier: Apache-2.0
//
// integers.hpp: lengths and block ids of Python as int32.
#pragma once
#include <nanobind/nanobind.h>

#include <cstdint>
#include <vector>

#include "attnrt/span.hpp"
#include "operand.hpp"

namespace attnrt::python {

/// A list, tuple or range of ints, or a dense tensor of int32 (read where it lies) or int64. Lives as long as it is
/// used.
class Integers {
 public:
  /// None: no integers. Throws INVALID for numbers outside of int32, a TypeError for other things.
  Integers(nb::handle source, const char* name, int32_t ndim = 1);
  Span<int32_t> span() const noexcept { return span_; }
  /// The rows of a tensor, or 0.
  int64_t rows() const noexcept { return rows_; }
  /// The length of a row.
  int64_t columns() const noexcept { return columns_; }

 private:
  Operand operand_;
  std::vector<int32_t> copied_;
  Span<int32_t> span_;
  int64_t rows_ = 0, columns_ = 0;
};

}  // namespace attnrt::python
