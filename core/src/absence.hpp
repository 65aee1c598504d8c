// SPDX-License-Identifier: Apache-2.0
//
// Why a backend that a table or a user names is not loaded. A file that could not be loaded tells nobody what it would
// offer, so the priority table may say it (`plugins`); of any other file only its own state can be told.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "priority.hpp"
#include "registry.hpp"

namespace attnrt::core {

/// The file that would offer a backend, had it been loaded; NULL where none is known to. Pure.
const PluginFile* would_offer(const Registry& registry, const PriorityTable& table, std::string_view backend);

/// "attn.so: unresolved: undefined symbol: f": the file, its state and its sentence; "not installed" for NULL.
std::string absence(const PluginFile* file);

/// Plugins that did not load and of which nobody knows what they would offer, each as `absence` tells it: four of them,
/// then how many more there are. Files that are no attnrt plugin are left out.
std::vector<std::string> unknown_plugins(const Registry& registry, const PriorityTable& table);

/// The same as the end of a sentence that says that a backend is missing: ". Not loaded: ...", "" where there is none.
std::string not_loaded(const Registry& registry, const PriorityTable& table);

}  // namespace attnrt::core
