// SPDX-License-Identifier: Apache-2.0
//
// attnrt/check/tensor.hpp: one tensor of a call, and two that are written. Header-only, C++17. [thread-safe]
#ifndef ATTNRT_CHECK_TENSOR_HPP
#define ATTNRT_CHECK_TENSOR_HPP
#include <cstdint>
#include <string>

#include "attnrt/diag.hpp"
#include "attnrt/dtype.hpp"
#include "attnrt/overlap.hpp"
#include "attnrt/plugin.h"
#include "attnrt/say.hpp"

namespace attnrt::sdk {
namespace detail {

/// A tensor on the problem's device with these dimensions: -1 = any size, ~n = at least n.
struct TensorWant {
  const char* name;
  const attnrt_tensor* tensor;
  int64_t dtypes;  ///< mask of (1 << ATTNRT_FP32 ...); 0 = not one of ours, checked by the caller
  int32_t ndim;
  int64_t shape[5];
};

inline bool check_tensor(const Diag& diag, int32_t device_type, const TensorWant& want) {
  const attnrt_tensor* t = want.tensor;
  if (!t) return diag.fail(say(want.name, " is NULL, wanted a tensor of ", want.ndim, " dimensions"));
  if (t->device.type != device_type)
    return diag.fail(say(want.name, " lies on device type ", t->device.type, ", wanted ", device_type));
  if (t->ndim != want.ndim) return diag.fail(say(want.name, " has ", t->ndim, " dimensions, wanted ", want.ndim));
  if (!t->shape || !t->strides) return diag.fail(say(want.name, " has no shape or strides, wanted both"));
  bool empty = false;
  for (int32_t i = 0; i < want.ndim; ++i) {
    const int64_t w = want.shape[i], got = t->shape[i];
    if (got < 0) return diag.fail(say(want.name, ".shape[", i, "] is ", got, ", wanted 0 or more"));
    if (w >= 0 && got != w) return diag.fail(say(want.name, ".shape[", i, "] is ", got, ", wanted ", w));
    if (w < -1 && got < ~w) return diag.fail(say(want.name, ".shape[", i, "] is ", got, ", wanted at least ", ~w));
    if (t->strides[i] < 0)
      return diag.fail(say(want.name, ".strides[", i, "] is ", t->strides[i], ", wanted 0 or more"));
    empty |= got == 0;
  }
  if (!empty && !t->data) return diag.fail(say(want.name, " has no data, wanted memory"));
  const uint64_t element = t->dtype.bits / 8u;
  if (!empty && element > 1 && (reinterpret_cast<uintptr_t>(t->data) + t->byte_offset) % element)
    return diag.fail(say(want.name, " is not aligned to its element size ", element));
  if (want.dtypes) {
    const int dtype = dtype_of(t->dtype);
    if (dtype < 0 || !(want.dtypes >> dtype & 1)) {
      std::string names;
      for (uint32_t d = 0; d < ATTNRT_DTYPE_COUNT_; ++d)
        if (want.dtypes >> d & 1) names += say(names.empty() ? "" : " or ", dtype_name(d));
      return diag.fail(say(want.name, " is ", dtype < 0 ? "of another type" : dtype_name(static_cast<uint32_t>(dtype)),
                           ", wanted ", names));
    }
  }
  return true;
}

constexpr int64_t only(uint32_t dtype) { return int64_t{1} << dtype; }

inline bool check_int(const Diag& diag, const char* name, const attnrt_tensor* t, int bits) {
  if (t->dtype.code == 0 && t->dtype.bits == bits && t->dtype.lanes == 1) return true;
  return diag.fail(say(name, " is of another type, wanted int", bits));
}

/// Rows are read as vectors: the last dimension of q, k, v, caches and out is dense.
inline bool check_dense_rows(const Diag& diag, const char* name, const attnrt_tensor* t) {
  const int32_t last = t->ndim - 1;
  if (t->shape[last] <= 1 || t->strides[last] == 1) return true;
  return diag.fail(say(name, ".strides[", last, "] is ", t->strides[last], ", wanted 1"));
}

inline bool check_rows(const Diag& diag, int32_t device_type, const TensorWant& want) {
  return check_tensor(diag, device_type, want) && check_dense_rows(diag, want.name, want.tensor);
}

/// A tensor that is written: no two of its elements may be one. `row_bytes` as in Footprint.
inline bool check_written(const Diag& diag, const char* name, const attnrt_tensor& t, int64_t row_bytes = 0) {
  if (Footprint(t, row_bytes).nested()) return true;
  std::string shape, strides;
  for (int32_t i = 0; i < t.ndim; ++i) {
    shape += say(i ? ", " : "", t.shape[i]);
    strides += say(i ? ", " : "", t.strides[i]);
  }
  return diag.fail(say(name, " overlaps itself: its strides are [", strides, "] for the shape [", shape,
                       "], wanted each to be at least what the dimensions of smaller strides take"));
}

/// Two tensors that one call writes.
inline bool check_apart(const Diag& diag, const char* name, const attnrt_tensor& t, const char* other_name,
                        const attnrt_tensor& other) {
  if (!Footprint(t).shares(Footprint(other))) return true;
  return diag.fail(say(name, " and ", other_name, " share memory, wanted two tensors that do not overlap"));
}

}  // namespace detail
}  // namespace attnrt::sdk
#endif
