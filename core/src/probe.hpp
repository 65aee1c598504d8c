// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <chrono>
#include <filesystem>

#include "loader.hpp"

namespace attnrt::core {

/// The helper program that loads a plugin in a process of its own; empty where it is not installed.
std::filesystem::path probe_program();

/// Lets the helper load the file, walk its tables and call available, supports and create once a variant, with nothing
/// of this process but its environment. `loaded`, or what became of it: crashed, timeout, or the state the helper told;
/// unprobed with the system's words where the helper is not there or could not be started.
Loaded probe(const std::filesystem::path& program, const std::filesystem::path& file,
             std::chrono::milliseconds limit = std::chrono::seconds(10));

}  // namespace attnrt::core
