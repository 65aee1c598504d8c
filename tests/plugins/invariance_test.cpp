// SPDX-License-Identifier: Apache-2.0
//
// The bit-by-bit proofs pass a plugin that keeps its claims and fail ones that break them.
#include <catch2/catch.hpp>
#include <map>
#include <string>

#include "conformance/invariance.hpp"
#include "naive_plugin.hpp"

using namespace attnrt::conformance;

namespace {

struct Tally {
  std::map<std::string, int> passed, failed;
};

Tally prove(const attnrt_plugin* plugin) {
  InvarianceOptions options;
  options.q_dtypes = 1u << ATTNRT_FP32 | 1u << ATTNRT_BF16;
  options.rounds = 4;
  options.problems = 2;
  HostMemory memory;
  Tally tally;
  for (const Finding& finding : check_invariance(*plugin->backends[0]->variants[0], memory, options)) {
    ++(finding.pass ? tally.passed : tally.failed)[finding.check];
    if (!finding.pass) UNSCOPED_INFO(finding.check << ": " << finding.sentence << " " << finding.where);
  }
  return tally;
}

}  // namespace

TEST_CASE("a plugin that keeps its claims of determinism passes") {
  Tally tally = prove(naive_correct());
  CHECK(tally.failed.empty());
  CHECK(tally.passed["control"] >= 2);
  CHECK(tally.passed["repeatable"] >= 2);
  CHECK(tally.passed["batch_invariant"] >= 8);
  CHECK(tally.passed["schedule_invariant"] >= 4);
}

TEST_CASE("a plugin whose sums depend on the batch fails") {
  Tally tally = prove(naive_batch_dependent());
  CHECK(tally.failed["batch_invariant"] >= 1);
  CHECK(tally.passed["control"] >= 2);
}

TEST_CASE("a plugin whose sums depend on the chunk fails") {
  Tally tally = prove(naive_chunk_dependent());
  CHECK(tally.failed["schedule_invariant"] >= 1);
  CHECK(tally.failed["batch_invariant"] == 0);
}
