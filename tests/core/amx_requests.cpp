// SPDX-License-Identifier: Apache-2.0
// Opening a runtime and choosing change nothing in the host: AMX's tile data, after which the system refuses small signal
// stacks, is asked for by the op that needs it.
#include "../sdk/amx_requests.hpp"

#include "engine.hpp"

TEST_CASE("opening a runtime, choosing and explaining ask for no tile data") {
  using namespace attnrt::tests;
  const int opened = end_under_filter(kKills, [] {
    const attnrt::Runtime runtime(only_plugins());
    const attnrt_problem p = small_problem(runtime, ATTNRT_KV_CONTIGUOUS);
    return !std::string(runtime.select(p).explain()).empty() && !runtime.doctor().empty();
  });
  if (opened == kNoFilters)
    WARN("the system takes no filters");
  else
    CHECK(opened == 0);
}
