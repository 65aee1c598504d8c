// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_CLI_RUN_FLAGS_HPP
#define ATTNRT_CLI_RUN_FLAGS_HPP
#include <CLI/CLI.hpp>
#include <string>

#include "problem_flags.hpp"
#include "safetensors.hpp"

namespace attnrt::cli {

/// The flags of `attnrt run`.
struct RunFlags {
  ProblemFlags problem;
  std::string file, output;
  MaybeSetting scale, layout, chunk, threads, repeat, tolerance;
  bool as_json = false;

  /// Whether the cache's layout was asked for on the command line rather than in the file.
  bool kv_layout_flag = false;
};

void add_run_flags(CLI::App& verb, RunFlags& flags);

/// Fills what no flag said from the file's metadata. Throws Failure for flags that ask for what no run file holds.
void add_metadata(RunFlags& flags, const Safetensors& file);

}  // namespace attnrt::cli
#endif
