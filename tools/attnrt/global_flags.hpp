// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_CLI_GLOBAL_FLAGS_HPP
#define ATTNRT_CLI_GLOBAL_FLAGS_HPP
#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "attnrt/runtime.hpp"

namespace attnrt::cli {

/// What holds for every verb.
struct GlobalFlags {
  std::string plugin_path, priority_file, attention_backend;
  std::string attention_config;  ///< a JSON object, "" = none
  bool trust_any = false, verbose = false, quiet = false;
  bool pinned_only = false;
  bool emulated = false;  ///< an emulator plays a device: too slow for the helper that tries plugins first
};

/// Takes the attention-config words out of the arguments, whose spelling no option parser knows: `-ac.KEY VALUE`,
/// `--attention-config.KEY VALUE`, `-ac '{...}'`, `--attention-config '{...}'`, each also with `=`. Returns them as one
/// JSON object, "" where there are none; later ones win, pins add up. Throws Failure.
std::string take_attention_config(std::vector<std::string>& arguments);

void add_global_flags(CLI::App& app, GlobalFlags& flags);

/// A runtime that logs to standard error. Throws Failure where flags contradict each other, Error where the library
/// refuses them.
Runtime open_runtime(const GlobalFlags& flags);

}  // namespace attnrt::cli
#endif
