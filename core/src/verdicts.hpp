// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "inspect.hpp"
#include "loader.hpp"
#include "options.hpp"

namespace attnrt::core {

/// What probing a file told, remembered across processes by the file's build id and size and by this library's own
/// build. Only success, crash and timeout are kept: a missing library is looked for again each time. [thread-safe]
class Verdicts {
 public:
  /// The folder of the file `verdicts.json`; empty = nothing is remembered.
  explicit Verdicts(std::filesystem::path folder);
  /// The folder by option, else XDG_CACHE_HOME or HOME, else none; none when AT_SECURE.
  static std::filesystem::path folder_for(const Options& options);

  /// The remembered verdict: `loaded`, or `quarantined` with what happened and when.
  std::optional<Loaded> recall(const std::filesystem::path& file, const Inspection& inspection) const;
  void remember(const std::filesystem::path& file, const Inspection& inspection, const Loaded& verdict) const;
  /// Forgets the crashes and timeouts of a plugin, by its name or file name; how many there were.
  std::size_t forgive(const std::string& name) const;

 private:
  std::string key_of(const std::filesystem::path& file, const Inspection& inspection) const;

  std::filesystem::path path_;
  std::string host_;  ///< the build id of this library
};

}  // namespace attnrt::core
