// SPDX-License-Identifier: Apache-2.0
//
// The contract as C++ sees it: plain data that may be copied by bytes, laid out as DLPack where it says so, struct_size
// in front everywhere else.
#include "attnrt/plugin.h"

#include <cstddef>
#include <type_traits>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpadded"  // the promise is plugin.h's
#include "attnrt/check.hpp"
#pragma GCC diagnostic pop
#include "dlpack.h"

// Field for field in plugin_h.c; here the alignment and the codes that the SDK writes into dtype.
static_assert(alignof(attnrt_tensor) == alignof(DLTensor) && alignof(attnrt_device) == alignof(DLDevice) &&
                  alignof(attnrt_dtype) == alignof(DLDataType),
              "DLPack");

constexpr bool is_dlpack(uint32_t dtype, DLDataTypeCode code, uint8_t bits) {
  const attnrt_dtype t = attnrt::sdk::to_dlpack(dtype);
  return t.code == code && t.bits == bits && t.lanes == 1 && attnrt::sdk::dtype_of(t) == static_cast<int>(dtype);
}
static_assert(is_dlpack(ATTNRT_FP32, kDLFloat, 32) && is_dlpack(ATTNRT_FP16, kDLFloat, 16), "DLPack");
static_assert(is_dlpack(ATTNRT_BF16, kDLBfloat, 16) && is_dlpack(ATTNRT_INT8, kDLInt, 8), "DLPack");
static_assert(is_dlpack(ATTNRT_FP8_E4M3, kDLFloat8_e4m3fn, 8), "DLPack");
static_assert(is_dlpack(ATTNRT_FP8_E4M3FNUZ, kDLFloat8_e4m3fnuz, 8), "DLPack");
static_assert(is_dlpack(ATTNRT_FP8_E5M2, kDLFloat8_e5m2, 8) && ATTNRT_DTYPE_COUNT_ == 7, "DLPack");

template <class T>
constexpr bool plain = std::is_standard_layout<T>::value && std::is_trivial<T>::value &&
                           std::is_same<decltype(T::struct_size), uint32_t>::value && offsetof(T, struct_size) == 0;

static_assert(plain<attnrt_diag> && plain<attnrt_problem> && plain<attnrt_sizes> && plain<attnrt_caps>, "law 1");
static_assert(plain<attnrt_kv_layout> && plain<attnrt_executor> && plain<attnrt_host> && plain<attnrt_limits>, "law 1");
static_assert(plain<attnrt_workspace> && plain<attnrt_memory> && plain<attnrt_batch> && plain<attnrt_run_args>,
              "law 1");
static_assert(plain<attnrt_block_sparse> && plain<attnrt_write_args> && plain<attnrt_gather_args>, "law 1");
static_assert(plain<attnrt_merge_args> && plain<attnrt_variant> && plain<attnrt_backend> && plain<attnrt_plugin>,
              "law 1");

// Readers of the ELF note rely on these without loading the plugin.
static_assert(offsetof(attnrt_note, owner) == 12 && offsetof(attnrt_note, struct_size) == 20,
              "the note's header is ELF's");
static_assert(offsetof(attnrt_note, name) == 36 && sizeof(attnrt_note) == 84, "the note's fields");
