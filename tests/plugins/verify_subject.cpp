// SPDX-License-Identifier: Apache-2.0
//
// A plugin whose backends are right, wrong and deadly, for the tests of `attnrt verify`.
#include "attnrt/plugin.hpp"
#include "naive_plugin.hpp"

namespace {

namespace sdk = attnrt::sdk;

const attnrt_plugin* table() {
  static const attnrt_variant* const right[] = {naive_correct()->backends[0]->variants[0]};
  static const attnrt_variant* const wrong[] = {naive_scale_twice()->backends[0]->variants[0]};
  static const attnrt_variant* const deadly[] = {naive_reads_past_q()->backends[0]->variants[0]};
  static const attnrt_backend backends[] = {sdk::make_backend("RIGHT", "fp32 loops", right),
                                            sdk::make_backend("WRONG", "applies the scale twice", wrong),
                                            sdk::make_backend("DEADLY", "reads behind q", deadly)};
  static const attnrt_backend* const list[] = {&backends[0], &backends[1], &backends[2]};
  static const attnrt_plugin plugin =
      sdk::make_plugin(ATTNRT_PLUGIN_NAME, ATTNRT_PLUGIN_VERSION, "test", list);
  return &plugin;
}

}  // namespace

ATTNRT_PLUGIN_NOTE(ATTNRT_PLUGIN_NAME, ATTNRT_PLUGIN_VERSION);
extern "C" ATTNRT_EXPORT const attnrt_plugin* attnrt_plugin_query(uint32_t host_abi_major, uint32_t) {
  return host_abi_major == ATTNRT_ABI_MAJOR ? table() : nullptr;
}
