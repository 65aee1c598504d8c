// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "attnrt/attnrt.h"
#include "catalog.hpp"

namespace attnrt::core {

/// What an engine or a tool measured, as tables of the loaded plugins, dated today. Error: INVALID for a name that is
/// not loaded, times out of order or a problem that no class holds; UNSUPPORTED for a plugin without a build id.
Result<std::vector<TunedTable>> recorded_timings(const Catalog& catalog, const std::string& cpu,
                                                 const attnrt_timing* timings, uint32_t count);

}  // namespace attnrt::core
