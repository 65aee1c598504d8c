// SPDX-License-Identifier: Apache-2.0
//
// One backend of one plugin against the whole kit. The environment says which: ATTNRT_TEST_PLUGIN (a file),
// ATTNRT_TEST_BACKEND, ATTNRT_TEST_DTYPE (of q), ATTNRT_TEST_ALL (set = the dense grid).
#include <dlfcn.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <string>

#include "attnrt/check.hpp"
#include "attnrt/cpu_isa.hpp"
#include "conformance/availability.hpp"
#include "conformance/invariance.hpp"
#include "conformance/merge.hpp"
#include "conformance/numerics.hpp"

using namespace attnrt::conformance;

namespace {

std::string setting(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

uint32_t dtype_named(const std::string& name) {
  for (uint32_t d = 0; d < ATTNRT_DTYPE_COUNT_; ++d)
    if (name == attnrt::sdk::dtype_name(d)) return d;
  return ATTNRT_DTYPE_COUNT_;
}

const attnrt_backend* backend_of(const attnrt_plugin& plugin, const std::string& name) {
  for (uint32_t b = 0; b < plugin.num_backends; ++b)
    if (name == plugin.backends[b]->name) return plugin.backends[b];
  return nullptr;
}

// Shows what failed, no more than a screen of it.
std::size_t require_passed(const char* part, const attnrt_variant& variant, const Findings& findings) {
  const Findings failed = failures(findings);
  for (std::size_t i = 0; i < failed.size() && i < 12; ++i)
    UNSCOPED_INFO(part << " of " << variant.name << ": " << failed[i].check << ": " << failed[i].sentence << "\n  "
                       << failed[i].where);
  CHECK(failed.size() == 0);
  return findings.size();
}

}  // namespace

TEST_CASE("a backend computes what its sheet claims") {
  const std::string path = setting("ATTNRT_TEST_PLUGIN"), name = setting("ATTNRT_TEST_BACKEND");
  const uint32_t dtype = dtype_named(setting("ATTNRT_TEST_DTYPE"));
  REQUIRE(dtype < ATTNRT_DTYPE_COUNT_);
  void* file = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);  // stays open: plugins are never unloaded
  INFO(path);
  REQUIRE(file != nullptr);
  attnrt_plugin_query_fn query = nullptr;
  void* symbol = dlsym(file, ATTNRT_PLUGIN_QUERY);
  std::memcpy(&query, &symbol, sizeof(query));
  REQUIRE(query != nullptr);
  const attnrt_plugin* plugin = query(ATTNRT_ABI_MAJOR, ATTNRT_ABI_MINOR);
  REQUIRE(plugin != nullptr);
  const attnrt_backend* backend = backend_of(*plugin, name);
  INFO(name);
  REQUIRE(backend != nullptr);

  HostMemory memory;
  std::size_t checked = 0;
  for (uint32_t v = 0; v < backend->num_variants; ++v) {
    const attnrt_variant& variant = *backend->variants[v];
    const uint64_t isa = attnrt::sdk::cpu_isa();
    if (variant.caps->isa & ~isa) continue;  // not for this machine
    if (!(variant.caps->q_dtypes >> dtype & 1u)) continue;
    NumericsOptions numerics;
    numerics.grid.isa = isa;
    numerics.grid.all = !setting("ATTNRT_TEST_ALL").empty();
    numerics.q_dtypes = 1u << dtype;
    if (const std::string why = unavailable_here(variant, memory, numerics.grid); !why.empty()) {
      WARN(variant.name << " is skipped: " << why);
      continue;
    }
    checked += require_passed("numerics", variant, check_numerics(variant, memory, numerics));
    checked += require_passed("merge_states", variant, check_merge_states(variant, memory, numerics));
    InvarianceOptions invariance;
    invariance.isa = isa;
    invariance.q_dtypes = 1u << dtype;
    if (numerics.grid.all) invariance.rounds = 14;
    checked += require_passed("invariance", variant, check_invariance(variant, memory, invariance));
  }
  CHECK(checked > 0);
}
