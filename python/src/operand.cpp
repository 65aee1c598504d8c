// SPDX-License-Identifier: Apache-2.0
#include "operand.hpp"

#include <nanobind/stl/string.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "attnrt/error.hpp"
#include "attnrt/say.hpp"
#include "dlpack.hpp"
#include "tensor.hpp"

namespace attnrt::python {
namespace {

/// The table of a type, NULL where it has none. The types that were asked about are few and are kept, so that a call
/// pays for a comparison of pointers. With the GIL.
const dlpack::ExchangeApi* exchange_of(PyTypeObject* type) {
  struct Known {
    PyTypeObject* type;
    const dlpack::ExchangeApi* api;
  };
  constexpr int kMost = 8;
  static Known known[kMost];
  static int count = 0;
  for (int i = 0; i < count; ++i)
    if (known[i].type == type) return known[i].api;
  const dlpack::ExchangeApi* api = nullptr;
  if (PyObject* capsule = PyObject_GetAttrString(reinterpret_cast<PyObject*>(type), "__dlpack_c_exchange_api__")) {
    api = static_cast<const dlpack::ExchangeApi*>(PyCapsule_GetPointer(capsule, "dlpack_exchange_api"));
    if (api && (api->version.major != 1 || !api->view)) api = nullptr;
    Py_DECREF(capsule);
  }
  PyErr_Clear();
  if (count < kMost) {
    Py_INCREF(type);  // its address must not become another's
    known[count++] = {type, api};
  }
  return api;
}

/// The DLPack dtype of a buffer's format; bits 0 where there is none.
attnrt_dtype dtype_of_format(const char* format, Py_ssize_t size) {
  if (!format) return {1, 8, 1};
  if (*format == '@' || *format == '=' || *format == '<') ++format;
  const auto bits = static_cast<uint8_t>(size * 8);
  if (!format[0] || format[1]) return {0, 0, 0};
  if (std::strchr("efd", *format)) return {2, bits, 1};
  if (std::strchr("bhilqn", *format)) return {0, bits, 1};
  if (std::strchr("BHILQN", *format)) return {1, bits, 1};
  if (*format == '?') return {6, 8, 1};
  return {0, 0, 0};
}

/// The text of the Python exception that is set, which is cleared.
std::string taken_text() {
  nb::python_error error;
  return nb::cast<std::string>(nb::str(error.value()));
}

[[noreturn]] void not_a_tensor(nb::handle source, const char* name, const std::string& why) {
  throw nb::type_error(sdk::say(name, " is of type ", Py_TYPE(source.ptr())->tp_name,
                                ", wanted a tensor that has DLPack or the buffer protocol", why.empty() ? "" : ": ",
                                why)
                           .c_str());
}

}  // namespace

Operand& Operand::operator=(Operand&& other) noexcept {
  release();
  given_ = other.given_, read_only_ = other.read_only_, has_buffer_ = other.has_buffer_;
  capsule_ = other.capsule_;
  if (given_) {
    tensor_ = other.tensor_;
    std::copy_n(other.shape_, 8, shape_);
    std::copy_n(other.strides_, 8, strides_);
    tensor_.shape = shape_, tensor_.strides = strides_;
  }
  if (has_buffer_) buffer_ = other.buffer_;
  other.given_ = other.has_buffer_ = false;
  other.capsule_ = nullptr;
  return *this;
}

const attnrt_tensor* Operand::written(const char* name) const {
  if (given_ && read_only_)
    throw Error(ATTNRT_INVALID, std::string(name) + " is read-only, wanted memory that may be written");
  return get();
}

void Operand::release() noexcept {
  if (has_buffer_) PyBuffer_Release(&buffer_);
  Py_XDECREF(capsule_);
  has_buffer_ = false, capsule_ = nullptr, given_ = false;
}

void Operand::set(const attnrt_tensor& from, const char* name) {
  if (from.ndim < 0 || from.ndim > 8)
    throw Error(ATTNRT_INVALID, sdk::say(name, " has ", from.ndim, " dimensions, wanted at most 8"));
  tensor_ = from;
  std::copy_n(from.shape, from.ndim, shape_);
  if (from.strides) {
    std::copy_n(from.strides, from.ndim, strides_);
  } else {
    int64_t step = 1;
    for (int i = from.ndim; i-- > 0; step *= shape_[i]) strides_[i] = step;
  }
  tensor_.shape = shape_, tensor_.strides = strides_;
  given_ = true;
}

void Operand::read(nb::handle source, const char* name, bool keep) {
  if (const Tensor* own = Tensor::of(source)) {
    set(*own->operand().get(), name);
    read_only_ = own->operand().read_only();
    return;
  }
  if (!keep) {
    if (const dlpack::ExchangeApi* api = exchange_of(Py_TYPE(source.ptr()))) {
      attnrt_tensor view{};
      if (api->view(source.ptr(), &view) != 0) not_a_tensor(source, name, taken_text());
      return set(view, name);
    }
  }
  if (PyObject_CheckBuffer(source.ptr()) && read_buffer(source, name)) return;
  read_capsule(source, name);
}

/// False where the object has no buffer after all, as numpy's arrays of foreign dtypes.
bool Operand::read_buffer(nb::handle source, const char* name) {
  if (PyObject_GetBuffer(source.ptr(), &buffer_, PyBUF_STRIDED_RO | PyBUF_FORMAT) != 0) {
    PyErr_Clear();
    return false;
  }
  has_buffer_ = true;
  const attnrt_dtype dtype = dtype_of_format(buffer_.format, buffer_.itemsize);
  if (dtype.bits == 0)
    throw Error(ATTNRT_INVALID, sdk::say(name, " has elements of format '", buffer_.format ? buffer_.format : "",
                                         "', wanted numbers in the byte order of this machine"));
  attnrt_tensor t{buffer_.buf, {ATTNRT_DEVICE_CPU, 0}, buffer_.ndim, dtype, nullptr, nullptr, 0};
  int64_t shape[8], strides[8];
  for (int i = 0; i < std::min(buffer_.ndim, 8); ++i) {
    shape[i] = buffer_.shape[i];
    if (buffer_.strides[i] % buffer_.itemsize != 0)
      throw Error(ATTNRT_INVALID, sdk::say(name, " has a stride of ", buffer_.strides[i],
                                           " bytes, wanted a multiple of its element size ", buffer_.itemsize));
    strides[i] = buffer_.strides[i] / buffer_.itemsize;
  }
  t.shape = shape, t.strides = strides;
  set(t, name);
  read_only_ = buffer_.readonly != 0;
  return true;
}

void Operand::read_capsule(nb::handle source, const char* name) {
  if (!nb::hasattr(source, "__dlpack__")) not_a_tensor(source, name, "");
  // Not consumed: the capsule releases the tensor when it goes.
  try {
    try {
      capsule_ = source
                     .attr("__dlpack__")(nb::arg("max_version") =
                                             nb::make_tuple(dlpack::kVersion.major, dlpack::kVersion.minor))
                     .release()
                     .ptr();
    } catch (nb::python_error& error) {
      if (!error.matches(PyExc_TypeError)) throw;
      capsule_ = source.attr("__dlpack__")().release().ptr();  // older than DLPack 1.0
    }
  } catch (nb::python_error& error) {
    not_a_tensor(source, name, nb::cast<std::string>(nb::str(error.value())));
  }
  if (PyCapsule_IsValid(capsule_, "dltensor_versioned")) {
    const auto* t = static_cast<dlpack::Versioned*>(PyCapsule_GetPointer(capsule_, "dltensor_versioned"));
    if (t->version.major != dlpack::kVersion.major)
      throw Error(ATTNRT_INVALID, sdk::say(name, " comes in DLPack ", t->version.major, ", wanted 1"));
    set(t->tensor, name);
    read_only_ = t->flags & dlpack::kReadOnly;
  } else if (PyCapsule_IsValid(capsule_, "dltensor")) {
    set(static_cast<dlpack::Managed*>(PyCapsule_GetPointer(capsule_, "dltensor"))->tensor, name);
  } else {
    not_a_tensor(source, name, "__dlpack__ gave no capsule of DLPack");
  }
}

}  // namespace attnrt::python
