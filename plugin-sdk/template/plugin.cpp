// SPDX-License-Identifier: Apache-2.0
//
// The list of what this plugin holds. A new kernel is one file beside plain.hpp and one line in `variants`, best first.
#include <attnrt/plugin.hpp>

#include "caps.hpp"
#include "kernels/plain.hpp"

namespace example_attn {
namespace {

constexpr attnrt_variant plain = attnrt::sdk::make_variant<PlainKernel>("plain", &plain_caps);

constexpr const attnrt_variant* variants[] = {&plain};
constexpr attnrt_backend backend =
    attnrt::sdk::make_backend("EXAMPLE_ATTN", "fp32 attention on the CPU, written to be read and copied", variants);

constexpr const attnrt_backend* backends[] = {&backend};
constexpr attnrt_plugin plugin =
    attnrt::sdk::make_plugin(ATTNRT_PLUGIN_NAME, ATTNRT_PLUGIN_VERSION, __VERSION__, backends);

}  // namespace
}  // namespace example_attn

ATTNRT_EXPORT_PLUGIN(example_attn::plugin, ATTNRT_PLUGIN_NAME, ATTNRT_PLUGIN_VERSION)
