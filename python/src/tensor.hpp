// SPDX-License-Identifier: Apache-2.0
//
// tensor.hpp: the package's own tensors: views that it gives out, and arrays under another dtype.
#pragma once
#include <nanobind/nanobind.h>

#include <string>
#include <utility>

#include "attnrt/tensor.hpp"
#include "operand.hpp"

namespace attnrt::python {

/// A view with what keeps its memory alive. numpy and torch read it by DLPack and by the buffer protocol. It is the
/// Python class attnrt.Tensor.
class Tensor {
 public:
  Tensor(Operand operand, nb::object owner) : operand_(std::move(operand)), owner_(std::move(owner)) {}
  /// Of memory that `owner` has.
  static nb::object view_of(const attnrt::Tensor& tensor, nb::object owner);
  /// NULL where the object is none.
  static const Tensor* of(nb::handle object);
  static void bind(nb::module_& m);

  const Operand& operand() const noexcept { return operand_; }
  const attnrt_tensor& view() const noexcept { return *operand_.get(); }
  const nb::object& owner() const noexcept { return owner_; }

 private:
  Operand operand_;
  nb::object owner_;
};

}  // namespace attnrt::python
