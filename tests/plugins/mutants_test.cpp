// SPDX-License-Identifier: Apache-2.0
//
// The kit passes a correct plugin and catches each planted fault, by the check that is meant for it.
#include <catch2/catch.hpp>
#include <set>
#include <string>

#include "conformance/merge.hpp"
#include "conformance/numerics.hpp"
#include "naive_plugin.hpp"

using namespace attnrt::conformance;

namespace {

NumericsOptions quick() {
  NumericsOptions options;
  options.grid.max_multiply_adds = 3e7;
  options.grid.max_cases = 120;
  options.reference_pairs = 2e5;
  return options;
}

// The checks that fail in the first faulty case, or, where one is named, in the cases up to the first that it fails in.
// Going on past the first faulty case proves no less: a correct plugin fails no check in any case, so that the fault alone
// makes the named check fail, wherever it does. Which check sees a fault first depends on the order of the grid, since a
// fault of the mask may read a key that is NaN (finite) in one case and a wrong key (out) in another.
std::set<std::string> first_failure(const attnrt_variant& variant, const std::string& wanted = "") {
  std::set<std::string> checks;
  NumericsOptions options = quick();
  options.progress = [&](std::size_t, std::size_t, const Findings& last) {
    for (const Finding& finding : failures(last)) checks.insert(finding.check);
    return wanted.empty() ? checks.empty() : checks.count(wanted) == 0;
  };
  HostMemory memory;
  check_numerics(variant, memory, options);
  return checks;
}

std::set<std::string> merge_failures(const attnrt_variant& variant) {
  HostMemory memory;
  std::set<std::string> checks;
  for (const Finding& finding : failures(check_merge_states(variant, memory, quick()))) checks.insert(finding.check);
  return checks;
}

const attnrt_variant& variant_of(const attnrt_plugin* plugin, uint32_t backend) {
  return *plugin->backends[backend]->variants[0];
}

}  // namespace

TEST_CASE("a correct plugin passes the grid and the merge") {
  for (const uint32_t backend : {0u, 1u}) {
    HostMemory memory;
    const attnrt_variant& variant = variant_of(naive_correct(), backend);
    const Findings grid = check_numerics(variant, memory, quick());
    CHECK(grid.size() > 50);
    for (const Finding& finding : failures(grid))
      FAIL_CHECK(finding.check << ": " << finding.sentence << "\n" << finding.where);
    const Findings merge = check_merge_states(variant, memory, quick());
    CHECK(merge.size() >= 9);
    for (const Finding& finding : failures(merge))
      FAIL_CHECK(finding.check << ": " << finding.sentence << "\n" << finding.where);
  }
}

TEST_CASE("each planted fault is caught by its check") {
  const struct {
    const attnrt_plugin* (*plugin)();
    const char* check;
  } mutants[] = {
      {naive_causal_off_by_one, "out"}, {naive_softcap_ignored, "lse"},        {naive_block_too_far, "finite"},
      {naive_lse_base, "lse"},          {naive_window_off_by_one, "out"},      {naive_sink_twice, "out"},
      {naive_alibi_sign, "out"},        {naive_slot_minus_one, "cache_write"}, {naive_scale_twice, "lse"},
      {naive_reads_tail, "finite"},     {naive_prefix_skipped, "out"},         {naive_prefix_twice, "common_prefix"},
      {naive_prefix_too_far, "out"},
  };
  for (std::size_t i = 0; i < std::size(mutants); ++i) {
    const std::set<std::string> checks = first_failure(variant_of(mutants[i].plugin(), 0), mutants[i].check);
    CAPTURE(i, mutants[i].check, checks);
    CHECK(checks.count(mutants[i].check) == 1);
    CHECK_FALSE(first_failure(variant_of(mutants[i].plugin(), 1)).empty());
  }
}

namespace {

// What the failures of a check are compared with, "as if ..."; "" for one that is not. Of the first few such failures, and
// of some more until one is named.
std::set<std::string> names_of_faults(const attnrt_variant& variant, const std::string& check) {
  std::set<std::string> names;
  std::size_t failed = 0;
  constexpr std::size_t kFew = 4, kMore = 40;
  NumericsOptions options = quick();
  options.progress = [&](std::size_t, std::size_t, const Findings& last) {
    for (const Finding& finding : failures(last)) {
      if (finding.check != check) continue;
      const std::size_t at = finding.sentence.find("as if ");
      names.insert(at == std::string::npos ? "" : finding.sentence.substr(at));
      ++failed;
    }
    const bool named = names.size() > names.count("");
    return failed < (named ? kFew : kMore);
  };
  HostMemory memory;
  check_numerics(variant, memory, options);
  return names;
}

}  // namespace

TEST_CASE("a fault of a known kind is named by what it does") {
  const struct {
    const attnrt_plugin* (*plugin)();
    const char *check, *name;
  } mutants[] = {
      {naive_lse_base, "lse", "as if it were in base 2"},
      {naive_scale_missing, "out", "as if the scale were missing"},
      {naive_scale_twice, "out", "as if the scale were applied twice"},
      {naive_causal_off_by_one, "out", "as if the causal mask showed one key too many"},
      {naive_causal_too_few, "out", "as if the causal mask hid each query's own key"},
      {naive_window_off_by_one, "out", "as if the window reached one key too far to the left"},
      {naive_first_table, "out", "as if the first row of the block table were used for all requests"},
      {naive_softcap_ignored, "lse", "as if the softcap were left out"},
      {naive_alibi_sign, "out", "as if the ALiBi slopes had the wrong sign"},
  };
  for (const auto& mutant : mutants) {
    std::set<std::string> names = names_of_faults(variant_of(mutant.plugin(), 0), mutant.check);
    CAPTURE(mutant.name, names);
    CHECK(names.erase(mutant.name) == 1);
    names.erase("");  // where masks of several kinds meet, not all can be told
    CHECK(names.empty());
  }
  CHECK(names_of_faults(variant_of(naive_sink_twice(), 0), "out") == std::set<std::string>{""});
}

TEST_CASE("one element too many is seen behind the last row or between rows") {
  const std::set<std::string> checks = first_failure(variant_of(naive_writes_past(), 0));
  CAPTURE(checks);
  CHECK((checks.count("canary") || checks.count("guard")));
}

TEST_CASE("a merge that drops a NaN is caught") {
  CHECK(first_failure(variant_of(naive_merge_nan(), 0)).empty());
  const std::set<std::string> checks = merge_failures(variant_of(naive_merge_nan(), 0));
  CHECK((checks.count("merge_lse") || checks.count("merge_rules")));
}

TEST_CASE("a wrong base of the LSE spoils the merge too") {
  CHECK(merge_failures(variant_of(naive_lse_base(), 0)).count("merge_out") == 1);
}
