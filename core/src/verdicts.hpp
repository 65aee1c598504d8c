// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cache_folder.hpp"
#include "judged.hpp"
#include "loader.hpp"

namespace attnrt::core {

/// What probing files told, remembered across processes. A verdict holds for one state of the file, one build of this
/// library and one machine: whatever may change the answer (the file, a library that the plugin brought in, a device, a
/// driver) makes the file be probed again. Only success, crash and timeout are kept: a missing library is looked for again
/// each time. One object serves one scan: the memory is read when it is made and written by save(). [one thread]
class Verdicts {
 public:
  /// `machine`: a text that differs where devices or drivers do.
  Verdicts(CacheFolder folder, std::string machine);

  /// The remembered verdict: `loaded`, or `quarantined` with what happened and when.
  std::optional<Loaded> recall(const Judged& file) const;
  void remember(const Judged& file, const Loaded& verdict);
  /// Writes what was remembered since; without a usable folder each scan probes again, nothing else happens.
  void save();
  /// Forgets the crashes and timeouts of a plugin, by its name or file name, at once; how many there were.
  std::size_t forgive(const std::string& name);

 private:
  struct Entry {
    std::string name, path, state, sentence, date;
    std::map<std::string, std::string> libraries;  ///< those it brought in, each with FileIdentity::text()
  };
  using Entries = std::map<std::string, Entry>;
  std::string key_of(const Judged& file) const;
  static Entries parse(const std::optional<std::string>& text);
  static std::string print(const Entries& entries);

  CacheFolder folder_;
  std::string machine_, host_;
  Entries known_, fresh_;
};

}  // namespace attnrt::core
