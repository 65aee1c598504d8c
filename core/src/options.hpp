// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "attnrt/attnrt.h"
#include "result.hpp"

namespace attnrt::core {

/// What an engine passed to attnrt_open, as values.
struct Options {
  bool read_environment = true;
  bool trust_any = false;
  bool pinned_only = false;
  uint32_t probe = ATTNRT_PROBE_AUTO;
  std::optional<std::string> plugin_path, priority_file, attention_backend, attention_config, cache_folder;

  /// Error: a struct too short, unknown flags.
  static Result<Options> from(const attnrt_options* options);

  /// The environment variable as it is now; nothing where the engine forbade reading or it is not set. The one place
  /// that reads the environment. [thread-safe while nobody calls setenv]
  std::optional<std::string> env(const char* name) const;
  /// The same, but nothing in a set-user-ID program (AT_SECURE): for variables that name code to load.
  std::optional<std::string> trusted_env(const char* name) const;
  /// A variable that names something, without what stands around a name by mistake: blanks, line ends and quotes, which
  /// `docker run --env-file` keeps. Where that is not what the variable holds, a note says what was read.
  std::optional<std::string> name_in(const char* name, std::vector<std::string>* notes = nullptr) const;
  /// The same, but nothing in a set-user-ID program.
  std::optional<std::string> trusted_name_in(const char* name) const;
  /// Does this program run with rights that its user lacks (AT_SECURE)?
  static bool is_secure();
};

/// A variable that attnrt listens to, for `doctor`.
struct Variable {
  const char* name;
  const char* meaning;
};
extern const std::vector<Variable> known_variables;

}  // namespace attnrt::core
