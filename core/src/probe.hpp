// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "loader.hpp"
#include "verdicts.hpp"

namespace attnrt::core {

/// The helper program that loads plugins in a process of its own, or why there is none: it is trusted by the same
/// questions as a plugin.
struct ProbeProgram {
  std::filesystem::path path;
  std::string why;  ///< "" = it can be started
};
ProbeProgram probe_program();

/// How long probes may take. Time counts only while this process runs: where both it and the helper are halted together
/// nobody is late.
struct ProbeLimits {
  std::chrono::milliseconds each = std::chrono::seconds(10);
  std::chrono::milliseconds all = std::chrono::seconds(30);
  unsigned at_once = 4;
};

/// Lets the helper load each file, walk its tables, call available, supports and create once a variant and run its
/// destructors, with nothing of this process but its environment. A verdict for each file: `loaded` with the libraries
/// that it brought in, or what became of it: crashed, timeout, or the state that the helper told. `unprobed`, which says
/// nothing of the plugin: the helper could not be started, was ended from outside, or no time was left. No helper that the
/// system cannot end holds this process. [thread-safe]
std::vector<Loaded> probe(const ProbeProgram& program, const std::vector<Judged>& files, const ProbeLimits& limits = {});

}  // namespace attnrt::core
