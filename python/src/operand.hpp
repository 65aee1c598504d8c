// SPDX-License-Identifier: Apache-2.0
//
// operand.hpp: a tensor of numpy, torch or anybody else as the C API takes it, without a copy.
#pragma once
#include <nanobind/nanobind.h>

#include <cstdint>

#include "attnrt/plugin.h"

namespace attnrt::python {

namespace nb = nanobind;

/// A view on the memory of a Python object. It is read by the fastest way that the object's type has: this package's
/// own Tensor, DLPack's table of C functions (torch), the buffer protocol (numpy), __dlpack__. Made and destroyed with
/// the GIL held, used without it. While it lives the memory stays where it is; `keep` false allows a view that holds
/// only as long as the object itself is kept, which the arguments of a call are.
class Operand {
 public:
  Operand() = default;
  /// None is no operand. `name` stands in errors. Throws a TypeError for what is not a tensor, INVALID for more than 8
  /// dimensions or a stride that is no multiple of the element.
  Operand(nb::handle source, const char* name, bool keep = false) {
    if (!source.is_none()) read(source, name, keep);
  }
  /// Of memory that somebody else keeps.
  explicit Operand(const attnrt_tensor& view) { set(view, "tensor"); }
  ~Operand() { release(); }
  Operand(const Operand&) = delete;
  Operand& operator=(const Operand&) = delete;
  Operand(Operand&& other) noexcept { *this = static_cast<Operand&&>(other); }
  Operand& operator=(Operand&& other) noexcept;

  /// NULL for no operand.
  const attnrt_tensor* get() const noexcept { return given_ ? &tensor_ : nullptr; }
  /// The same for what a call writes. Throws INVALID for memory that must not be written.
  const attnrt_tensor* written(const char* name) const;
  bool read_only() const noexcept { return read_only_; }
  /// The view as it is, for a change of its dtype.
  attnrt_tensor& view() noexcept { return tensor_; }

 private:
  void read(nb::handle source, const char* name, bool keep);
  bool read_exchange(nb::handle source);
  bool read_buffer(nb::handle source, const char* name);
  void read_capsule(nb::handle source, const char* name);
  void set(const attnrt_tensor& from, const char* name);
  void release() noexcept;

  bool given_ = false, read_only_ = false, has_buffer_ = false;
  PyObject* capsule_ = nullptr;
  attnrt_tensor tensor_;           // set where given_
  int64_t shape_[8], strides_[8];  // in elements
  Py_buffer buffer_;               // set where has_buffer_
};

}  // namespace attnrt::python
