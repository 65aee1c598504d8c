// SPDX-License-Identifier: Apache-2.0
//
// Every check passes a correct plugin, and each planted fault is caught by the check that is meant for it.
#include "conformance/checks.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <set>
#include <sstream>
#include <string>

#include "conformance/availability.hpp"
#include "conformance/fenced_memory.hpp"
#include "naive_plugin.hpp"

using namespace attnrt::conformance;

namespace {

const attnrt_variant& variant_of(const attnrt_plugin* plugin, uint32_t backend) {
  return *plugin->backends[backend]->variants[0];
}

Findings run_check(const char* name, const attnrt_variant& variant) {
  CheckOptions options;
  options.depth = Depth::quick;
  FencedMemory memory;
  for (const Check& check : variant_checks())
    if (std::strcmp(check.name, name) == 0) return check.run(variant, memory, options);
  FAIL("there is no check " << name);
  return {};
}

// Names of the findings that failed, or "died": a fault may run into a fence, so it is checked in a process of its own.
std::set<std::string> caught(const char* check, const attnrt_variant& variant) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    signal(SIGSEGV, SIG_DFL);
    std::string names;
    for (const Finding& finding : failures(run_check(check, variant))) names += finding.check + "\n";
    names.resize(std::min<std::size_t>(names.size(), 4000));
    [[maybe_unused]] const ssize_t written = write(ends[1], names.data(), names.size());
    _exit(0);
  }
  close(ends[1]);
  std::set<std::string> out;
  std::string names(4096, '\0');
  const ssize_t size = read(ends[0], names.data(), names.size());
  close(ends[0]);
  std::istringstream lines(names.substr(0, static_cast<std::size_t>(std::max<ssize_t>(size, 0))));
  for (std::string name; std::getline(lines, name);) out.insert(name);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) out.insert("died");
  return out;
}

}  // namespace

TEST_CASE("a correct plugin passes every check") {
  for (const uint32_t backend : {0u, 1u})
    for (const Check& check : variant_checks()) {
      const Findings findings = run_check(check.name, variant_of(naive_correct(), backend));
      CAPTURE(check.name, backend);
      CHECK(!findings.empty());
      for (const Finding& finding : failures(findings))
        FAIL_CHECK(finding.check << ": " << finding.sentence << "\n" << finding.where);
    }
}

TEST_CASE("each fault is caught by its check") {
  const struct {
    const attnrt_plugin* (*plugin)();
    const char* check;
    const char* finding;
  } mutants[] = {
      {naive_causal_off_by_one, "numerics", "out"},
      {naive_softcap_ignored, "features", "feature"},
      {naive_block_too_far, "numerics", "died"},
      {naive_reads_past_q, "numerics", "died"},
      {naive_lse_base, "features", "feature"},
      {naive_window_off_by_one, "numerics", "out"},
      {naive_sink_twice, "features", "feature"},
      {naive_alibi_sign, "features", "feature"},
      {naive_slot_minus_one, "numerics", "cache_write"},
      {naive_scale_twice, "numerics", "lse"},
      {naive_reads_tail, "numerics", "finite"},
      {naive_batch_dependent, "determinism", "batch_invariant"},
      {naive_chunk_dependent, "determinism", "schedule_invariant"},
      {naive_unrepeatable, "determinism", "repeatable"},
      {naive_merge_nan, "merge", "merge_lse"},
      {naive_shared_plans, "plans", "died"},
      {naive_head_size, "supports", "served"},
      {naive_create_refuses, "supports", "supports"},
      {naive_refuses_silently, "supports", "supports"},
      {naive_workspace_grows, "workspace", "workspace"},
      {naive_spoils_cache, "numerics", "cache_read_only"},
      {naive_first_mask, "features", "feature"},
      {naive_rank_ignored, "features", "feature"},
      {naive_gather_start, "numerics", "cache_gather"},
      {naive_k_scale_ignored, "features", "feature"},
      {naive_first_scale, "numerics", "out"},
      {naive_other_token, "features", "feature"},
      {naive_wraps, "numerics", "cache_write"},
      {naive_truncates, "numerics", "cache_write"},
      {naive_gathers_stored, "numerics", "cache_gather"},
      {naive_unknown_bits, "refusals", "refusals"},
      {naive_keeps_batch, "refusals", "refusals"},
      {naive_wordless, "refusals", "refusals"},
      {naive_no_write_kv, "sheet", "sheet"},
      {naive_claims_sparse, "features", "feature"},
      {naive_claims_quant, "sheet", "sheet"},
#if !ATTNRT_SANITIZERS
      {naive_allocates, "quiet", "allocation"},
      {naive_system_call, "quiet", "system_call"},
#endif
  };
  for (const auto& mutant : mutants) {
    const std::set<std::string> names = caught(mutant.check, variant_of(mutant.plugin(), 0));
    CAPTURE(&mutant - mutants, mutant.check, mutant.finding, names);
    CHECK(names.count(mutant.finding) == 1);
  }
  // What four threads make of one batch is no two times the same, and never good.
  CHECK_FALSE(caught("concurrency", variant_of(naive_shared_plans(), 0)).empty());
}

TEST_CASE("a variant for other architectures than the device's is told apart from one that admits nothing") {
  constexpr uint32_t ranges[] = {80, 89, 100, 100, 120, UINT32_MAX};
  attnrt_caps caps = *variant_of(naive_correct(), 0).caps;
  caps.device_type = ATTNRT_DEVICE_CUDA;
  caps.arch_ranges = ranges;
  caps.num_arch_ranges = 3;
  attnrt_variant variant = variant_of(naive_correct(), 0);
  variant.caps = &caps;
  HostMemory memory;
  const auto why = [&](uint32_t arch) {
    GridOptions options;
    options.arch = arch;
    return unavailable_here(variant, memory, options);
  };
  CHECK(why(90) ==
        "the device is cuda:9.0, the variant's sheet wants cuda:8.0 to cuda:8.9, cuda:10.0, cuda:12.0 and above");
  for (const uint32_t arch : {80u, 86u, 89u, 100u, 120u, 121u}) CHECK(why(arch) == "");
  caps.num_arch_ranges = 0;
  CHECK(why(90) == "");
}
