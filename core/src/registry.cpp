// SPDX-License-Identifier: Apache-2.0
#include "registry.hpp"

#include <algorithm>
#include <set>

#include "attnrt/diag.hpp"
#include "digest.hpp"
#include "loader.hpp"
#include "trust.hpp"
#include "words.hpp"

namespace attnrt::core {
namespace {

/// Why a plugin cannot use a device; "" = it can.
std::string why_not(const attnrt_plugin& plugin, attnrt_device device) {
  sdk::DiagSink said;
  if (!plugin.available || plugin.available(device, said.get()) == ATTNRT_OK) return "";
  const std::string text = said.text();
  return text.empty() ? "the plugin cannot use this device and gave no reason" : text;
}

/// Asks the plugin about this machine's devices of each type that its variants are for.
void ask_available(PluginFile& file, const std::vector<DeviceReport>& machine) {
  std::set<int32_t> types;
  for (uint32_t b = 0; b < file.plugin->num_backends; ++b)
    for (uint32_t v = 0; v < file.plugin->backends[b]->num_variants; ++v)
      types.insert(file.plugin->backends[b]->variants[v]->caps->device_type);
  for (const int32_t type : types) {
    std::vector<std::pair<attnrt_device, std::string>> of_type;
    for (const DeviceReport& r : machine)
      if (r.present && r.device.type == type)
        of_type.emplace_back(attnrt_device{type, r.device.id}, why_not(*file.plugin, {type, r.device.id}));
    if (of_type.empty()) {
      const auto report =
          std::find_if(machine.begin(), machine.end(), [type](const DeviceReport& r) { return r.device.type == type; });
      std::string why = why_not(*file.plugin, {type, 0});
      if (why.empty()) why = report == machine.end() ? "no such device in this machine" : report->sentence;
      of_type.emplace_back(attnrt_device{type, 0}, std::move(why));
    }
    file.devices.insert(file.devices.end(), of_type.begin(), of_type.end());
  }
  const bool usable =
      std::any_of(file.devices.begin(), file.devices.end(), [](const auto& d) { return d.second.empty(); });
  if (usable || file.devices.empty()) return;
  file.state = State::unavailable;
  file.sentence = file.devices.front().second;
}

PluginFile examine(const std::filesystem::path& path, const Options& options, const std::vector<DeviceReport>& machine,
                   const Log& log, const Probe& probe, const Pins& pins) {
  PluginFile file;
  file.path = path;
  const auto settle = [&file](State state, std::string sentence) {
    file.state = state;
    file.sentence = std::move(sentence);
    return file;
  };
  if (std::string why = distrust(path); !why.empty()) {
    std::error_code error;
    if (!std::filesystem::exists(path, error)) file.remedy = "remove the link, or mend where it leads";
    if (!options.trust_any) return settle(State::untrusted, std::move(why));
    log.write(ATTNRT_LOG_WARNING, "loading " + path.string() + " although " + why + " (trust: any)");
  }
  file.inspection = inspect(path);
  if (file.inspection.state != State::loaded) return settle(file.inspection.state, file.inspection.sentence);
  if (const auto pin = pins.find(file.inspection.name); pin != pins.end())
    if (const std::string digest = sha256_of(path); digest != pin->second) {
      file.remedy = "install the file that was pinned, or pin this digest in the attention config";
      return settle(State::untrusted, "its digest is " + digest + ", pinned is " + pin->second);
    }
  if (probe)
    if (const Loaded verdict = probe(path, file.inspection); verdict.state != State::loaded)
      return settle(verdict.state, verdict.sentence);
  const Loaded loaded = load(path, file.inspection);
  settle(loaded.state, loaded.sentence);
  if (!loaded.build_id.empty()) file.inspection.build_id = loaded.build_id;  // what was verified is the code that runs
  if (!loaded.plugin) return file;
  file.plugin = loaded.plugin;
  ask_available(file, machine);
  return file;
}

}  // namespace

const std::string* PluginFile::unavailable_on(int32_t device_type, int32_t id) const {
  const std::string* first = nullptr;
  bool usable = false;
  for (const auto& [device, why] : devices) {
    if (device.type != device_type) continue;
    if (device.id == id) return why.empty() ? nullptr : &why;
    usable |= why.empty();
    if (!first) first = &why;
  }
  return usable ? nullptr : first;
}

const BackendEntry* Registry::find(std::string_view name) const {
  for (const BackendEntry& b : backends)
    if (equal_ignoring_case(b.name, name)) return &b;
  return nullptr;
}

std::shared_ptr<const Registry> scan(const Options& options, const std::vector<DeviceReport>& machine, const Log& log,
                                     const Probe& probe, const Pins& pins) {
  auto registry = std::make_shared<Registry>();
  SearchResult found = search(options);
  registry->folders = std::move(found.folders);
  for (const Folder& folder : registry->folders)
    if (!folder.sentence.empty() && folder.origin != "default")
      log.write(ATTNRT_LOG_WARNING, "plugins of " + folder.path.string() + " are not seen: " + folder.sentence);
  for (const auto& path : found.files) {
    PluginFile file = examine(path, options, machine, log, probe, pins);
    if (file.plugin) {
      // All or nothing: a plugin half shadowed would be a puzzle.
      for (uint32_t b = 0; file.plugin && b < file.plugin->num_backends; ++b)
        if (const BackendEntry* taken = registry->find(file.plugin->backends[b]->name)) {
          file.state = State::shadowed;
          file.sentence =
              "shadowed by " + registry->file_of(*taken).path.string() + ", which offers " + taken->name + " too";
          for (uint32_t s = 0; s < file.plugin->num_backends; ++s)
            file.shadowed.emplace_back(file.plugin->backends[s]->name);
          file.plugin = nullptr;
        }
    }
    if (file.plugin)
      for (uint32_t b = 0; b < file.plugin->num_backends; ++b)
        registry->backends.push_back(
            {file.plugin->backends[b]->name, file.plugin->backends[b], registry->files.size()});
    log.write(ATTNRT_LOG_DEBUG,
              path.string() + ": " + state_name(file.state) + (file.sentence.empty() ? "" : ": " + file.sentence));
    registry->files.push_back(std::move(file));
  }
  std::sort(registry->backends.begin(), registry->backends.end(),
            [](const BackendEntry& a, const BackendEntry& b) { return a.name < b.name; });
  return registry;
}

}  // namespace attnrt::core
