// SPDX-License-Identifier: Apache-2.0
//
// A plugin whose kernels write without an end to descriptor 3, the pipe on which `attnrt verify` hears its helper.
#include <unistd.h>

#include <string_view>

#include "attnrt/plugin.hpp"
#include "naive_plugin.hpp"

namespace {

namespace sdk = attnrt::sdk;

attnrt_status flood(std::string_view noise) {
  static char block[1 << 16];
  for (std::size_t i = 0; i < sizeof block; ++i) block[i] = noise[i % noise.size()];
  while (write(3, block, sizeof block) > 0) continue;
  return ATTNRT_FAILED;
}
attnrt_status without_line_end(const attnrt_kernel_plan*, const attnrt_run_args*, attnrt_stream, const attnrt_diag*) {
  return flood("x");
}
attnrt_status in_lines(const attnrt_kernel_plan*, const attnrt_run_args*, attnrt_stream, const attnrt_diag*) {
  return flood("noise\n");
}
attnrt_status as_findings(const attnrt_kernel_plan*, const attnrt_run_args*, attnrt_stream, const attnrt_diag*) {
  return flood("{\"next\": \"one more case\", \"done\": \"1\", \"total\": \"2\"}\n");
}

const attnrt_plugin* table() {
  static const auto spoilt = [](const char* name, decltype(&without_line_end) run) {
    attnrt_variant variant = *naive_correct()->backends[0]->variants[0];
    variant.name = name;
    variant.run = run;
    return variant;
  };
  static const attnrt_variant variants[] = {spoilt("without_line_end", &without_line_end),
                                            spoilt("in_lines", &in_lines), spoilt("as_findings", &as_findings)};
  static const attnrt_variant* const list[] = {&variants[0], &variants[1], &variants[2]};
  static const attnrt_backend backend = sdk::make_backend("FLOOD", "writes where it opened nothing", list);
  static const attnrt_backend* const backends[] = {&backend};
  static const attnrt_plugin plugin = sdk::make_plugin(ATTNRT_PLUGIN_NAME, ATTNRT_PLUGIN_VERSION, "test", backends);
  return &plugin;
}

}  // namespace

ATTNRT_PLUGIN_NOTE(ATTNRT_PLUGIN_NAME, ATTNRT_PLUGIN_VERSION);
extern "C" ATTNRT_EXPORT const attnrt_plugin* attnrt_plugin_query(uint32_t host_abi_major, uint32_t) {
  return host_abi_major == ATTNRT_ABI_MAJOR ? table() : nullptr;
}
