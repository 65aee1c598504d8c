/* SPDX-License-Identifier: Apache-2.0
 *
 * The contract is C99: a C compiler takes the header and can write a plugin with it. */
#include "attnrt/plugin.h"

#include "dlpack.h"

#define SAME(name, condition) typedef char name[(condition) ? 1 : -1]
#define SAME_FIELD(field, other)                                                                             \
  SAME(same_place_of_##field, offsetof(attnrt_tensor, field) == offsetof(DLTensor, other)); \
  SAME(same_size_of_##field, sizeof(((attnrt_tensor*)0)->field) == sizeof(((DLTensor*)0)->other))

SAME(same_size_of_tensor, sizeof(attnrt_tensor) == sizeof(DLTensor));
SAME_FIELD(data, data);
SAME_FIELD(device, device);
SAME_FIELD(ndim, ndim);
SAME_FIELD(dtype, dtype);
SAME_FIELD(shape, shape);
SAME_FIELD(strides, strides);
SAME_FIELD(byte_offset, byte_offset);

ATTNRT_PLUGIN_NOTE("c_plugin", "0.1.0");

static const attnrt_plugin plugin = {sizeof(attnrt_plugin), ATTNRT_ABI_MAJOR, ATTNRT_ABI_MINOR, 0, "c_plugin", "0.1.0", "c99",
                                     NULL, NULL, NULL};

ATTNRT_EXPORT const attnrt_plugin* attnrt_plugin_query(uint32_t host_abi_major, uint32_t host_abi_minor);
const attnrt_plugin* attnrt_plugin_query(uint32_t host_abi_major, uint32_t host_abi_minor) {
  (void)host_abi_minor;
  return host_abi_major == ATTNRT_ABI_MAJOR ? &plugin : NULL;
}
