// SPDX-License-Identifier: Apache-2.0
//
// What `attnrt doctor` says of measurements: which are used, which are stale, and what they ask to be proved.
#pragma once
#include <boost/json.hpp>
#include <functional>
#include <string>

#include "catalog.hpp"

namespace attnrt::core {

/// Adds a finding: severity, text, what to do.
using Find = std::function<void(const char*, std::string, std::string)>;

/// Each table with its state: "in use"; "stale", of another build of a loaded plugin; "elsewhere", of another CPU than
/// `cpu`; "not loaded". Finds a file that is not used, plugins of which only stale tables are known, and variants that
/// would be chosen for their times but are not verified on this kind of CPU.
boost::json::array tuned_json(const Catalog& catalog, const Tuned& tuned, const DeviceReport& cpu, const Find& find);

}  // namespace attnrt::core
