// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "attnrt/plugin.h"
#include "cache_folder.hpp"
#include "device.hpp"
#include "inspect.hpp"
#include "result.hpp"

namespace attnrt::core {

/// What the conformance kit found of a kernel on a kind of device, or on the SDK's emulator in the place of one. An
/// emulator proves neither the assembler nor the device: such an entry makes nothing verified.
struct LedgerEntry {
  std::string plugin, build_id, backend, variant;
  std::string device;  ///< kind: "cpu:avx512", "cuda:9.0", "rocm:gfx942"
  std::string date, result;  ///< "2026-11-21", "pass 214 of 214"
  bool passed = false;
  bool local = false;     ///< from this user's cache folder, not shipped with the library
  bool emulated = false;  ///< on an emulator that played the device
};

/// The date in UTC, "2026-11-21".
std::string today();

/// "cpu:avx512", "cuda:9.0", "rocm:gfx942"; and back to type, architecture and, of a CPU, the instruction sets of its
/// level: kernels pick their way by more than what they need, so that CPUs of two levels are two kinds.
std::string device_kind(int32_t device_type, uint32_t arch, uint64_t isa);
std::optional<Device> parse_device_kind(const std::string& kind);

/// Which kernels, by the build id of their plugin, passed on which kind of device: what shipped with the library and what
/// was verified here, which counts more. A file that is missing or broken is an empty one. What passed on devices stands
/// in its list "verified", what passed on emulators in a list of its own, which readers of the first never see.
class Ledger {
 public:
  static Ledger read(const std::filesystem::path& shipped, const CacheFolder& cache);
  /// The entry that counts, where it says passed; NULL = not verified, or not `emulated`.
  const LedgerEntry* find(const std::string& build_id, const std::string& backend, const std::string& variant,
                          const std::string& device, bool emulated = false) const;
  const std::vector<LedgerEntry>& entries() const noexcept { return entries_; }
  /// Adds or replaces the entries for the same kernels and device in the cache folder.
  static Status record(const CacheFolder& cache, const std::vector<LedgerEntry>& entries);

 private:
  std::vector<LedgerEntry> entries_;
};

}  // namespace attnrt::core
