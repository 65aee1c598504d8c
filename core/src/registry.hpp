// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "attnrt/plugin.h"
#include "device.hpp"
#include "inspect.hpp"
#include "judge.hpp"
#include "loader.hpp"
#include "log.hpp"
#include "search.hpp"

namespace attnrt::core {

/// One file of a plugin folder: exactly one state and one sentence.
struct PluginFile {
  std::filesystem::path path;
  State state = State::loaded;
  std::string sentence;
  Inspection inspection;
  const attnrt_plugin* plugin = nullptr;
  std::vector<std::string> shadowed;  ///< what a shadowed plugin would have offered
  std::string remedy;                 ///< what to do about it; "" = what its state always asks for
  /// What `available` said of the real devices, for each type that its variants are for: "" = it can be used. A type
  /// without a device has one entry, of id 0.
  std::vector<std::pair<attnrt_device, std::string>> devices;

  /// Why a real device cannot be used, with id -1 why none of its type can; NULL = it can.
  const std::string* unavailable_on(int32_t device_type, int32_t id = -1) const;
};

/// A backend that may be chosen.
struct BackendEntry {
  std::string name;  ///< as the plugin spells it
  const attnrt_backend* table = nullptr;
  std::size_t file = 0;  ///< index in Registry::files
};

/// What lies in the plugin folders and was loaded: immutable once built.
struct Registry {
  std::vector<Folder> folders;
  std::vector<PluginFile> files;
  std::vector<BackendEntry> backends;  ///< in name order

  /// Case-insensitive; NULL where there is none.
  const BackendEntry* find(std::string_view name) const;
  const PluginFile& file_of(const BackendEntry& backend) const { return files[backend.file]; }
};

/// Takes judged files before they are loaded, all of a scan at once; an answer for each, `loaded` to go on. The place of
/// the out-of-process probe.
using Probe = std::function<std::vector<Loaded>(const std::vector<Judged>&)>;

/// search, judge, probe, load, available: all folders, every file one state. `before`: what the last scan found, from
/// which a loaded plugin is kept where this process lacks the descriptors or memory to look at its file again.
std::shared_ptr<const Registry> scan(const Options& options, const std::vector<DeviceReport>& machine, const Log& log,
                                     const Probe& probe = {}, const Pins& pins = {}, const Registry* before = nullptr);

}  // namespace attnrt::core
