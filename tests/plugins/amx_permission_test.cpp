// SPDX-License-Identifier: Apache-2.0
//
// CPU_ATTN/amx_bf16 asks the system for AMX tile data when an op is created, and is UNAVAILABLE where it is
// refused.
#include <dlfcn.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>

#include "../sdk/amx_requests.hpp"
#include "conformance/availability.hpp"

using namespace attnrt::conformance;
using namespace attnrt::tests;

namespace {

const attnrt_plugin& plugin_of(const char* path) {
  void* file = dlopen(path, RTLD_NOW | RTLD_LOCAL);  // stays open: plugins are never unloaded
  REQUIRE(file != nullptr);
  attnrt_plugin_query_fn query = nullptr;
  void* symbol = dlsym(file, ATTNRT_PLUGIN_QUERY);
  std::memcpy(&query, &symbol, sizeof query);
  return *query(ATTNRT_ABI_MAJOR, ATTNRT_ABI_MINOR);
}

const attnrt_variant& amx_of(const attnrt_plugin& plugin) {
  const attnrt_backend& backend = *plugin.backends[0];
  for (uint32_t v = 0; v < backend.num_variants; ++v)
    if (backend.variants[v]->name == std::string("amx_bf16")) return *backend.variants[v];
  FAIL("no variant amx_bf16");
  return *backend.variants[0];
}

/// What create says on a processor that has what the sheet needs, "" = it makes an op.
std::string refusal(const attnrt_variant& variant) {
  HostMemory memory;
  GridOptions options;
  options.isa = variant.caps->isa;
  return unavailable_here(variant, memory, options);
}

}  // namespace

TEST_CASE("an op that needs AMX asks for it, and is unavailable where it is refused") {
  const attnrt_variant& variant = amx_of(plugin_of(ATTNRT_TEST_PLUGINS "/cpu_attn.so"));
  const int refused = end_under_filter(EPERM, [&] {
    const std::string why = refusal(variant);
    return why.find("AMX tile data") != std::string::npos && why.find("Operation not permitted") != std::string::npos;
  });
  if (refused == kNoFilters) {
    WARN("the system takes no filters");
    return;
  }
  CHECK(refused == 0);
  CHECK(end_under_filter(kKills, [&] { return refusal(variant).empty(); }) == 1000 + SIGSYS);
}

TEST_CASE("loading a plugin asks for nothing") {
  const int loaded =
      end_under_filter(kKills, [] { return plugin_of(ATTNRT_TEST_PLUGINS "/cpu_attn.so").num_backends > 0; });
  CHECK((loaded == 0 || loaded == kNoFilters));
}
