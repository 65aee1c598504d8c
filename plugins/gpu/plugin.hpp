// SPDX-License-Identifier: Apache-2.0
//
// plugin.hpp: what the table of every GPU plugin has: whether its driver is here, and the hook by which a test puts
// another driver in its place.
#ifndef ATTNRT_GPU_PLUGIN_HPP
#define ATTNRT_GPU_PLUGIN_HPP
#include <cstring>

#include "driver.hpp"
#include "kernel_table.hpp"

namespace attnrt::gpu {

/// `available` of a plugin for one type of device: OK where its driver can be loaded. Which architectures a device must
/// have say the sheets. [thread-safe]
inline attnrt_status available_on(int32_t device_type, attnrt_device device, const attnrt_diag* sink) {
  return sdk::detail::guarded(sink, [&] {
    if (device.type != device_type)
      throw sdk::Error(ATTNRT_UNAVAILABLE, sdk::say("device type is ", device.type, ", wanted ", device_type, " (",
                                                    sdk::words::devices.name(static_cast<uint64_t>(device_type)), ")"));
    driver(device_type);
    return ATTNRT_OK;
  });
}

/// `extension` of a plugin that has no drafts: the hook sdk::kTestDriver, else NULL. [thread-safe]
template <int32_t device_type>
const void* test_driver_extension(const char* id, const KernelImage* images, unsigned num_images) {
  static const sdk::TestDriverHook hook{sizeof(hook), num_images, images,
                                        [](const GpuDriver* given) { driver_slot(device_type).use(given); }};
  return std::strcmp(id, sdk::kTestDriver) == 0 ? &hook : nullptr;
}

}  // namespace attnrt::gpu
#endif
