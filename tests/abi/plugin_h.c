/* SPDX-License-Identifier: Apache-2.0
 *
 * The contract is C99: a C compiler takes the header, lays its tensor out as DLPack's and can write a plugin with it.
 */
#include "attnrt/plugin.h"

#include "dlpack.h"

#define SAME(name, condition) typedef char name[(condition) ? 1 : -1]
#define SAME_STRUCT(ours, theirs) SAME(same_size_of_##ours, sizeof(ours) == sizeof(theirs))
#define SAME_FIELD(ours, field, theirs, other)                                              \
  SAME(same_place_of_##ours##_##field, offsetof(ours, field) == offsetof(theirs, other)); \
  SAME(same_size_of_##ours##_##field, sizeof(((ours*)0)->field) == sizeof(((theirs*)0)->other))

SAME_STRUCT(attnrt_device, DLDevice);
SAME_FIELD(attnrt_device, type, DLDevice, device_type);
SAME_FIELD(attnrt_device, id, DLDevice, device_id);
SAME_STRUCT(attnrt_dtype, DLDataType);
SAME_FIELD(attnrt_dtype, code, DLDataType, code);
SAME_FIELD(attnrt_dtype, bits, DLDataType, bits);
SAME_FIELD(attnrt_dtype, lanes, DLDataType, lanes);
SAME_STRUCT(attnrt_tensor, DLTensor);
SAME_FIELD(attnrt_tensor, data, DLTensor, data);
SAME_FIELD(attnrt_tensor, device, DLTensor, device);
SAME_FIELD(attnrt_tensor, ndim, DLTensor, ndim);
SAME_FIELD(attnrt_tensor, dtype, DLTensor, dtype);
SAME_FIELD(attnrt_tensor, shape, DLTensor, shape);
SAME_FIELD(attnrt_tensor, strides, DLTensor, strides);
SAME_FIELD(attnrt_tensor, byte_offset, DLTensor, byte_offset);
SAME(same_cpu, ATTNRT_DEVICE_CPU == kDLCPU);
SAME(same_cuda, ATTNRT_DEVICE_CUDA == kDLCUDA);
SAME(same_rocm, ATTNRT_DEVICE_ROCM == kDLROCM);

ATTNRT_PLUGIN_NOTE("c_plugin", "0.1.0");

static const attnrt_plugin plugin = {
    sizeof(attnrt_plugin), ATTNRT_ABI_MAJOR, ATTNRT_ABI_MINOR, 0, "c_plugin", "0.1.0", "c99", NULL, NULL, NULL};

ATTNRT_EXPORT const attnrt_plugin* attnrt_plugin_query(uint32_t host_abi_major, uint32_t host_abi_minor);
const attnrt_plugin* attnrt_plugin_query(uint32_t host_abi_major, uint32_t host_abi_minor) {
  (void)host_abi_minor;
  return host_abi_major == ATTNRT_ABI_MAJOR ? &plugin : NULL;
}
