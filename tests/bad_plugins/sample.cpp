// SPDX-License-Identifier: Apache-2.0
#include "sample.hpp"

#include <dlfcn.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <string>

#include "attnrt/cpu_isa.hpp"
#include "attnrt/match.hpp"
#include "op.hpp"

namespace {

void remember(void* context, attnrt_why, const char* sentence) { *static_cast<std::string*>(context) += sentence; }

}  // namespace

TEST_CASE("the probe's sample problem is one that every variant of a right plugin creates") {
  void* file = dlopen(ATTNRT_BUILD "/lib/attnrt/plugins/cpu_attn.so", RTLD_NOW | RTLD_LOCAL);
  REQUIRE(file != nullptr);
  attnrt_plugin_query_fn query = nullptr;
  void* symbol = dlsym(file, ATTNRT_PLUGIN_QUERY);
  REQUIRE(symbol != nullptr);
  std::memcpy(&query, &symbol, sizeof query);
  const attnrt_plugin& plugin = *query(ATTNRT_ABI_MAJOR, ATTNRT_ABI_MINOR);
  const attnrt::core::Host host(nullptr, nullptr);
  const uint64_t isa = attnrt::sdk::cpu_isa();
  int created = 0;
  for (uint32_t b = 0; b < plugin.num_backends; ++b)
    for (uint32_t v = 0; v < plugin.backends[b]->num_variants; ++v) {
      const attnrt_variant& variant = *plugin.backends[b]->variants[v];
      if (variant.caps->isa & ~isa) continue;
      attnrt_problem problem = attnrt::probe::sample_problem(*variant.caps);
      problem.isa = isa;
      std::string said;
      const attnrt_diag diag{sizeof(attnrt_diag), 0, &said, &remember};
      CAPTURE(plugin.backends[b]->name, variant.name);
      CHECK(attnrt::sdk::refusals(*variant.caps, problem) == 0);
      attnrt_kernel_op* op = nullptr;
      const attnrt_status status = variant.create(&variant, &host.face(), &problem, {ATTNRT_DEVICE_CPU, 0}, &op, &diag);
      INFO(said);
      REQUIRE(status == ATTNRT_OK);
      variant.destroy(op);
      ++created;
    }
  CHECK(created >= 2);
}
