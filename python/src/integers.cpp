// SPDX-License-Identifier: Apache-2.0
#include "integers.hpp"

#include "attnrt/error.hpp"
#include "attnrt/say.hpp"

namespace attnrt::python {
namespace {

int32_t narrowed(int64_t value, const char* name) {
  if (value < INT32_MIN || value > INT32_MAX)
    throw Error(ATTNRT_INVALID, sdk::say(name, " holds ", value, ", wanted numbers of 32 bits"));
  return static_cast<int32_t>(value);
}

bool is_sequence(nb::handle source) {
  return nb::isinstance<nb::list>(source) || nb::isinstance<nb::tuple>(source) || PyRange_Check(source.ptr());
}

void append(std::vector<int32_t>& to, nb::handle source, const char* name) {
  for (nb::handle item : nb::iter(source)) {
    const int64_t value = PyLong_AsLongLong(item.ptr());
    if (value == -1 && PyErr_Occurred()) throw nb::python_error();
    to.push_back(narrowed(value, name));
  }
}

}  // namespace

Integers::Integers(nb::handle source, const char* name, int32_t ndim) {
  if (source.is_none()) return;
  if (is_sequence(source)) {
    if (ndim == 2) {
      for (nb::handle row : nb::iter(source)) {
        const std::size_t before = copied_.size();
        append(copied_, row, name);
        const auto columns = static_cast<int64_t>(copied_.size() - before);
        if (rows_++ > 0 && columns != columns_)
          throw Error(ATTNRT_INVALID, sdk::say(name, " has rows of ", columns_, " and ", columns,
                                               " numbers, wanted rows of one length"));
        columns_ = columns;
      }
    } else {
      append(copied_, source, name);
      columns_ = static_cast<int64_t>(copied_.size());
    }
    span_ = copied_;
    return;
  }
  operand_ = Operand(source, name);
  const attnrt_tensor& t = *operand_.get();
  if (t.dtype.code != 0 || t.dtype.lanes != 1 || (t.dtype.bits != 32 && t.dtype.bits != 64) || t.ndim != ndim ||
      t.device.type != ATTNRT_DEVICE_CPU)
    throw Error(ATTNRT_INVALID,
                sdk::say(name, " is another tensor, wanted int32 or int64 of ", ndim, " dimensions on the CPU"));
  int64_t count = 1, step = 1;
  bool dense = true;
  for (int i = t.ndim; i-- > 0; step *= t.shape[i]) {
    dense &= t.shape[i] <= 1 || t.strides[i] == step;
    count *= t.shape[i];
  }
  if (!dense && count > 0)
    throw Error(ATTNRT_INVALID, sdk::say(name, " has gaps between its numbers, wanted a dense tensor"));
  columns_ = t.shape[ndim - 1];
  rows_ = ndim == 2 ? t.shape[0] : 0;
  const void* data = static_cast<const char*>(t.data) + t.byte_offset;
  const auto size = static_cast<std::size_t>(count);
  if (t.dtype.bits == 32) {
    span_ = {static_cast<const int32_t*>(data), size};
    return;
  }
  copied_.reserve(size);
  for (std::size_t i = 0; i < size; ++i) copied_.push_back(narrowed(static_cast<const int64_t*>(data)[i], name));
  span_ = copied_;
}

}  // namespace attnrt::python
