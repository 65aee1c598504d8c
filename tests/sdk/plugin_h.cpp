// SPDX-License-Identifier: Apache-2.0
//
// The contract as C++ sees it: plain data that may be copied by bytes, laid out as DLPack where it says so, struct_size
// in front everywhere else.
#include "attnrt/plugin.h"

#include <cstddef>
#include <type_traits>

#include "dlpack.h"

static_assert(sizeof(attnrt_device) == sizeof(DLDevice) && sizeof(attnrt_dtype) == sizeof(DLDataType), "DLPack");
static_assert(sizeof(attnrt_tensor) == sizeof(DLTensor) && alignof(attnrt_tensor) == alignof(DLTensor), "DLPack");
static_assert(offsetof(attnrt_device, type) == offsetof(DLDevice, device_type), "DLPack");
static_assert(offsetof(attnrt_device, id) == offsetof(DLDevice, device_id), "DLPack");
static_assert(offsetof(attnrt_dtype, code) == offsetof(DLDataType, code), "DLPack");
static_assert(offsetof(attnrt_dtype, bits) == offsetof(DLDataType, bits), "DLPack");
static_assert(offsetof(attnrt_dtype, lanes) == offsetof(DLDataType, lanes), "DLPack");
static_assert(offsetof(attnrt_tensor, device) == offsetof(DLTensor, device), "DLPack");
static_assert(offsetof(attnrt_tensor, ndim) == offsetof(DLTensor, ndim), "DLPack");
static_assert(offsetof(attnrt_tensor, dtype) == offsetof(DLTensor, dtype), "DLPack");
static_assert(offsetof(attnrt_tensor, shape) == offsetof(DLTensor, shape), "DLPack");
static_assert(offsetof(attnrt_tensor, strides) == offsetof(DLTensor, strides), "DLPack");
static_assert(offsetof(attnrt_tensor, byte_offset) == offsetof(DLTensor, byte_offset), "DLPack");

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
