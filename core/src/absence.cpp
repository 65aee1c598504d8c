// SPDX-License-Identifier: Apache-2.0
#include "absence.hpp"

#include <algorithm>

#include "words.hpp"

namespace attnrt::core {
namespace {

bool holds(const std::vector<std::string>& names, std::string_view name) {
  return std::any_of(names.begin(), names.end(), [name](const std::string& n) { return equal_ignoring_case(n, name); });
}

/// What the table knows of a file: by the name in its note, or by the file's own where the note was not read.
const KnownPlugin* known(const PluginFile& file, const PriorityTable& table) {
  return table.plugin(file.inspection.name.empty() ? file.path.stem().string() : file.inspection.name);
}

}  // namespace

const PluginFile* would_offer(const Registry& registry, const PriorityTable& table, std::string_view backend) {
  for (const PluginFile& file : registry.files) {
    if (file.plugin) continue;
    if (holds(file.shadowed, backend)) return &file;
    if (const KnownPlugin* plugin = known(file, table); plugin && holds(plugin->offers, backend)) return &file;
  }
  return nullptr;
}

std::string absence(const PluginFile* file) {
  if (!file) return "not installed";
  return printable(file->path.filename().string() + ": " + state_name(file->state) +
                   (file->sentence.empty() ? "" : ": " + file->sentence));
}

std::vector<std::string> unknown_plugins(const Registry& registry, const PriorityTable& table) {
  constexpr std::size_t kShown = 4;
  std::vector<std::string> out;
  for (const PluginFile& file : registry.files)
    if (!file.plugin && file.shadowed.empty() && file.state != State::foreign && !known(file, table))
      out.push_back(absence(&file));
  if (const std::size_t all = out.size(); all > kShown) {
    out.resize(kShown);
    out.push_back("and " + std::to_string(all - kShown) + " more");
  }
  return out;
}

std::string not_loaded(const Registry& registry, const PriorityTable& table) {
  const std::vector<std::string> files = unknown_plugins(registry, table);
  return files.empty() ? "" : ". Not loaded: " + join(files, "; ");
}

}  // namespace attnrt::core
