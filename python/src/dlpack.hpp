// SPDX-License-Identifier: Apache-2.0
//
// dlpack.hpp: what DLPack has beside the tensor, which plugin.h lays out: who releases one, and the table by which a
// type of tensors gives a view without a capsule. After DLPack 1.3, include/dlpack/dlpack.h of
// https://github.com/dmlc/dlpack (Apache-2.0).
#pragma once
#include <cstdint>

#include "attnrt/plugin.h"

namespace attnrt::python::dlpack {

/// Of a capsule named "dltensor".
struct Managed {
  attnrt_tensor tensor;
  void* context;
  void (*deleter)(Managed* self);
};

struct Version {
  uint32_t major, minor;
};
constexpr Version kVersion{1, 1};
constexpr uint64_t kReadOnly = 1;

/// Of a capsule named "dltensor_versioned".
struct Versioned {
  Version version;
  void* context;
  void (*deleter)(Versioned* self);
  uint64_t flags;
  attnrt_tensor tensor;
};

/// Of the capsule "dlpack_exchange_api" in the attribute __dlpack_c_exchange_api__ of a type.
struct ExchangeApi {
  Version version;
  ExchangeApi* previous;
  void* allocate;
  void* from_object;
  void* to_object;
  /// A view that lives as long as the object is kept and left as it is; 0, or -1 with a Python exception set. May be
  /// NULL.
  int (*view)(void* object, attnrt_tensor* view);
  void* current_stream;
};

}  // namespace attnrt::python::dlpack
