// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "attnrt/plugin.h"
#include "result.hpp"
#include "when.hpp"

namespace attnrt::core {

/// An ordered list of backend names for the problems that `when` fits.
struct Rule {
  std::string name;
  When when;
  std::vector<std::string> order;
};

/// The order of some backends' variants for the problems that `when` fits, where it is not that of their plugin: what is
/// fast depends on whose processor it is.
struct VariantRule {
  std::string name;
  When when;
  std::vector<std::pair<std::string, std::vector<std::string>>> order;  ///< backend -> variants, best first
};

/// A variable or an attention-config key that speaks of certain backends. Active when the value is `is`.
struct Switch {
  std::string env, config;            ///< at least one; the environment wins
  std::optional<std::string> preset;  ///< the value where nobody set one
  std::string is;
  std::vector<std::string> exclude;   ///< patterns with `*`
  std::optional<std::pair<std::string, std::string>> before;       ///< the first ranks right before the second
  std::vector<std::pair<std::string, std::vector<std::string>>> only; ///< backend -> variants left
};

/// A plugin by its name (the one in its ELF note, or the file's without .so) and the backends that it offers. Asked
/// only where a file could not be loaded, so that its backends are not said to be missing.
struct KnownPlugin {
  std::string name;
  std::vector<std::string> offers;
};

/// configs/priority.json: rules in order, first match wins. Lists only, no scores.
struct PriorityTable {
  std::string file;
  std::vector<Rule> rules;
  std::vector<VariantRule> variants;
  std::vector<Switch> switches;
  std::vector<KnownPlugin> plugins;
  std::string json;  ///< the document as it was read, for reports

  /// The first rule that fits, NULL where none does; `machine` as for When.
  const Rule* rule_for(const attnrt_problem& problem, CpuVendor machine = CpuVendor::any) const;
  /// The plugin of this name, case-insensitive; NULL where the table says nothing of it.
  const KnownPlugin* plugin(std::string_view name) const;
};

/// Error: syntax by line and column, unknown keys, wrong types, unknown values and rules that stand twice by JSON
/// Pointer.
Result<PriorityTable> parse_priority(std::string_view text, const std::string& file);
Result<PriorityTable> read_priority(const std::filesystem::path& file);

/// Does a name fit a pattern in which `*` stands for anything? Case-insensitive.
bool fits(std::string_view pattern, std::string_view name);

}  // namespace attnrt::core
