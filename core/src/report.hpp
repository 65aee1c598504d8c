// SPDX-License-Identifier: Apache-2.0
//
// The documents behind `attnrt list`, `show` and `doctor`.
#pragma once
#include <boost/json.hpp>

#include "cache_folder.hpp"
#include "catalog.hpp"
#include "device.hpp"
#include "options.hpp"

namespace attnrt::core {

/// Every file in the plugin folders with its state and sentence, and which of its variants passed on which device or
/// emulator.
boost::json::object list_json(const Registry& registry, const Ledger& ledger);
/// The capability sheet of one backend, judged for these devices, and where its variants were verified.
boost::json::object show_json(const Registry& registry, const Ledger& ledger, const BackendEntry& backend,
                              const std::vector<DeviceReport>& machine);
/// Paths, environment, devices, plugins, and what is wrong with them and what to do. `cache`: where what is kept between
/// processes lies.
boost::json::object doctor_json(const Catalog& catalog, const Options& options,
                                const std::vector<DeviceReport>& machine, const CacheFolder& cache);

}  // namespace attnrt::core
