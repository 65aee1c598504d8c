// SPDX-License-Identifier: Apache-2.0
//
// The list of what this plugin holds. A new kernel is one file beside attention.hpp and one line in `variants`, best
// first.
#include <attnrt/plugin.hpp>

#include "caps.hpp"
#include "kernels/attention.hpp"

namespace example_gpu_attn {
namespace {

constexpr attnrt_variant attention = attnrt::sdk::make_variant<AttentionKernel>("warp", &caps);

constexpr const attnrt_variant* variants[] = {&attention};
constexpr attnrt_backend backend = attnrt::sdk::make_backend(
    "EXAMPLE_GPU_ATTN", "fp16 attention in CUDA C++, written to be read and copied", variants);

/// Is there a driver? Which architectures it must have says the sheet.
attnrt_status available(attnrt_device device, const attnrt_diag* sink) {
  return attnrt::sdk::detail::guarded(sink, [&] {
    if (device.type != ATTNRT_DEVICE_CUDA)
      throw attnrt::sdk::Error(ATTNRT_UNAVAILABLE, attnrt::sdk::say("device type is ", device.type, ", wanted ",
                                                                    ATTNRT_DEVICE_CUDA, " (cuda)"));
    driver();
    return ATTNRT_OK;
  });
}

constexpr const attnrt_backend* backends[] = {&backend};
constexpr attnrt_plugin plugin =
    attnrt::sdk::make_plugin(ATTNRT_PLUGIN_NAME, ATTNRT_PLUGIN_VERSION, __VERSION__, backends, available);

}  // namespace
}  // namespace example_gpu_attn

ATTNRT_EXPORT_PLUGIN(example_gpu_attn::plugin, ATTNRT_PLUGIN_NAME, ATTNRT_PLUGIN_VERSION)
