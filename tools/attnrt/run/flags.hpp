// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_CLI_RUN_FLAGS_HPP
#define ATTNRT_CLI_RUN_FLAGS_HPP
#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <utility>

#include "flex/program.hpp"
#include "problem_flags.hpp"
#include "run/names.hpp"

namespace attnrt::cli {

/// The flags of `attnrt run`.
struct RunFlags {
  ProblemFlags problem;
  FlexFlags flex;
  std::string file, output, model, emulate;
  MaybeSetting layer, scale, layout, chunk, threads, repeat, tolerance;
  bool as_json = false;

  /// Whether the cache's layout was asked for on the command line rather than in the file.
  bool kv_layout_flag = false;

  // What only the file's metadata say.
  bool top_left = false;  ///< causal counts positions from the first key, as PyTorch's is_causal does
  std::optional<std::pair<int32_t, int32_t>> window_size;  ///< visible keys left and right of a position, -1 = all
  MaybeSetting enable_gqa;
  MaybeSetting flash_attn;  ///< a key that only flash_attn has, whose four dimensions are [B, S, H, D]
};

void add_run_flags(CLI::App& verb, RunFlags& flags);

/// Throws Failure for flags that ask for what no run file holds, or for a tensor that this one lacks.
void check_operands(const RunFlags& flags, const std::string& path, const RunNames& names);

}  // namespace attnrt::cli
#endif
