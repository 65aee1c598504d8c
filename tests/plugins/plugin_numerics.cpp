// SPDX-License-Identifier: Apache-2.0
//
// One backend of one plugin against the whole kit; subject.hpp says which.
#include <catch2/catch.hpp>

#include "conformance/availability.hpp"
#include "conformance/invariance.hpp"
#include "conformance/merge.hpp"
#include "conformance/numerics.hpp"
#include "subject.hpp"

using namespace attnrt::conformance;

namespace {

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
  const uint32_t dtype = subject_dtype();
  const uint64_t isa = attnrt::sdk::cpu_isa();
  REQUIRE(dtype < ATTNRT_DTYPE_COUNT_);
  HostMemory memory;
  std::size_t checked = 0;
  for (const attnrt_variant* subject : subject_variants()) {
    const attnrt_variant& variant = *subject;
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
  CHECK(why_no_variant() == "");
  CHECK(checked > 0);
}
