// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "cache_folder.hpp"
#include "device.hpp"
#include "judged.hpp"
#include "loader.hpp"
#include "log.hpp"
#include "options.hpp"

namespace attnrt::core {

/// A text that differs where what a plugin may find here does: a device, a driver, an instruction set.
std::string machine_text(const std::vector<DeviceReport>& machine);

/// The step between judge and load: the remembered verdict, else a helper process, whose verdict is remembered. Where that
/// cannot be started only the folder that was installed with this library is believed. A verdict for each file.
/// [thread-safe]
std::vector<Loaded> recall_or_probe(const std::vector<Judged>& files, const Options& options, const std::string& machine,
                                    const CacheFolder& cache, const Log& log);

}  // namespace attnrt::core
