// SPDX-License-Identifier: Apache-2.0
//
// The conformance kit on the backends of triton_attn, on the fake driver.
#include <dlfcn.h>

#include <catch2/catch.hpp>

#include "conformance/checks.hpp"
#include "conformance/cuda_memory.hpp"
#include "conformance/image.hpp"
#include "fake_plugin.hpp"

using namespace attnrt;

namespace {

void check_backend(const char* backend, const char* variant) {
  fake::Plugin plugin;
  const attnrt_variant& v = plugin.variant(backend, variant);
  conformance::CudaMemory memory(*fake::driver(), 0, true);
  conformance::CheckOptions options;
  options.depth = conformance::Depth::quick;
  options.arch = memory.arch();
  for (const conformance::Check& check : conformance::variant_checks()) {
    const conformance::Findings findings = check.run(v, memory, options);
    const conformance::Findings failed = conformance::failures(findings);
    INFO(backend << " " << check.name << ": " << findings.size() << " findings");
    for (const conformance::Finding& f : failed)
      UNSCOPED_INFO(f.check << ": " << f.sentence << "\n  " << f.where << "\n  " << fake::complaint());
    CHECK(failed.empty());
  }
}

}  // namespace

TEST_CASE("TRITON_ATTN passes the kit") { check_backend("TRITON_ATTN", "aot"); }
TEST_CASE("TREE_ATTN passes the kit") { check_backend("TREE_ATTN", "aot"); }
TEST_CASE("TRITON_MLA passes the kit") { check_backend("TRITON_MLA", "aot"); }
