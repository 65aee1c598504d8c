// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "cache_folder.hpp"
#include "device.hpp"
#include "result.hpp"
#include "timing.hpp"
#include "tuned_class.hpp"

namespace attnrt::core {

/// How fast one variant is on the problems of a class, with the cache's layout that it was measured with.
struct TunedEntry {
  TunedClass problem_class;
  std::string variant;
  uint32_t layout = 0;  ///< one ATTNRT_KV_*
  Timing timing;
};

/// What was measured of a backend: of one build of its plugin, on one CPU.
struct TunedTable {
  std::string backend, plugin, build_id;
  std::string cpu;  ///< cpu_text() of the machine
  std::string date;
  uint32_t num_workers = 0;  ///< threads that computed
  std::vector<TunedEntry> entries;
};

/// The CPU by which measurements are told apart: its name and its instruction sets.
std::string cpu_text(const DeviceReport& cpu);

/// tuned.json of the cache folder: what `attnrt tune` measured. A file that cannot be used as a whole is not used at
/// all, and its fault is a sentence.
struct Tuned {
  std::vector<TunedTable> tables;
  std::string fault;  ///< why the file is not used; "" = it is, or there is none

  static Tuned read(const CacheFolder& cache);
  /// Error: not JSON, of a later version, or anything else than expected, by line and column or JSON Pointer. Pure.
  static Result<std::vector<TunedTable>> parse(std::string_view text, const std::string& file);
  static std::string print(const std::vector<TunedTable>& tables);
  /// The tables of one CPU, those that selection may read.
  std::vector<TunedTable> on(const std::string& cpu) const;
  /// Puts tables in the place of those for the same backend, build and CPU. A broken file is replaced. UNAVAILABLE: a
  /// later attnrt wrote it, FAILED: it cannot be written.
  static Status record(const CacheFolder& cache, const std::vector<TunedTable>& tables);
};

}  // namespace attnrt::core
