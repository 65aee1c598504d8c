// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_CLI_BENCH_FLAGS_HPP
#define ATTNRT_CLI_BENCH_FLAGS_HPP
#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "bench/case.hpp"
#include "bench/setup.hpp"
#include "bench/timing.hpp"
#include "model_config.hpp"
#include "setting.hpp"

namespace attnrt::cli {

/// The flags of `attnrt bench`, as they were written.
struct BenchFlags {
  std::string model, cases, grid, seqs, dtypes, threads, variants, layouts = "auto", kv_dtypes = "auto", plot,
                                                                   device = "cpu", emulate;
  MaybeSetting format;
  MaybeSetting num_heads, num_kv_heads, head_size, shared_prefix, block_size, min_time, max_time, min_reps, rounds;
  bool non_causal = false, mla = false, no_hint = false, no_limits = false, as_json = false, serve = false;
};

enum class BenchFormat : uint32_t { table, csv, markdown, json };

void add_bench_flags(CLI::App& verb, BenchFlags& flags);

/// What the flags ask for; each throws Failure where one is not understood.
std::optional<ModelConfig> wanted_model(const BenchFlags& flags);
std::vector<BenchCase> wanted_cases(const BenchFlags& flags, const std::optional<ModelConfig>& model);
std::vector<uint32_t> wanted_dtypes(const BenchFlags& flags, const std::optional<ModelConfig>& model);
/// Empty: as many as there are CPUs.
std::vector<uint32_t> wanted_threads(const BenchFlags& flags);
/// One for each layout and type of the cache; without --layout one that leaves the layout open.
std::vector<BenchWish> wanted_layouts(const BenchFlags& flags);
/// Empty: every variant that serves the case.
std::vector<std::string> wanted_variants(const BenchFlags& flags);
BenchFormat wanted_format(const BenchFlags& flags);
BenchEffort wanted_effort(const BenchFlags& flags);

}  // namespace attnrt::cli
#endif
