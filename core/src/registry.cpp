// SPDX-License-Identifier: Apache-2.0
#include "registry.hpp"

#include <algorithm>
#include <set>

#include "attnrt/diag.hpp"
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

/// Why one of the libraries that a plugin brought in must not be; "" = all are trusted.
std::string distrust_libraries(const std::vector<std::string>& libraries) {
  for (const std::string& library : libraries)
    if (std::string why = distrust(library); !why.empty()) return "it brings in " + printable(library) + ", but " + why;
  return "";
}

/// The plugin that the last scan loaded from this path; NULL = none.
const PluginFile* loaded_before(const Registry* before, const std::filesystem::path& path) {
  if (!before) return nullptr;
  const auto at = std::find_if(before->files.begin(), before->files.end(),
                               [&path](const PluginFile& f) { return f.path == path && f.plugin; });
  return at == before->files.end() ? nullptr : &*at;
}

/// Loads what the probe let pass, and asks it for this machine's devices.
void load_into(PluginFile& file, const Judged& judged, const std::vector<DeviceReport>& machine) {
  const Loaded loaded = load(judged);
  file.state = loaded.state;
  file.sentence = loaded.sentence;
  if (!loaded.build_id.empty()) file.inspection.build_id = loaded.build_id;  // what was verified is the code that runs
  if (!loaded.plugin) return;
  file.plugin = loaded.plugin;
  ask_available(file, machine);
}

/// Every file with its state, in the order of the paths.
std::vector<PluginFile> examine(const std::vector<std::filesystem::path>& paths, const Options& options,
                                const std::vector<DeviceReport>& machine, const Log& log, const Probe& probe,
                                const Pins& pins, const Registry* before) {
  std::vector<PluginFile> files;
  std::vector<Judged> going_on;
  std::vector<std::size_t> of;  // their places in `files`
  for (const auto& path : paths) {
    Judgement told = judge(path, options, pins, log);
    const PluginFile* kept = told.passing ? loaded_before(before, path) : nullptr;
    if (kept) {
      log.write(ATTNRT_LOG_WARNING, path.string() + " goes on as it is: " + told.sentence);
      files.push_back(*kept);
      continue;
    }
    files.push_back({path, told.state, told.sentence, told.file.inspection, nullptr, {}, told.remedy, {}});
    if (told.state != State::loaded) continue;
    of.push_back(files.size() - 1);
    going_on.push_back(std::move(told.file));
  }
  std::vector<Loaded> verdicts(going_on.size());
  if (probe) {
    std::vector<Judged> unknown;  // what runs in this process already is asked again only on demand
    std::vector<std::size_t> place;
    for (std::size_t i = 0; i < going_on.size(); ++i)
      if (options.probe == ATTNRT_PROBE_ALWAYS || !is_resident(going_on[i])) {
        unknown.push_back(going_on[i]);
        place.push_back(i);
      }
    std::vector<Loaded> told = probe(unknown);
    for (std::size_t i = 0; i < told.size(); ++i) verdicts[place[i]] = std::move(told[i]);
  }
  for (std::size_t i = 0; i < going_on.size(); ++i) {
    PluginFile& file = files[of[i]];
    if (verdicts[i].state == State::loaded && !options.trust_any)
      if (std::string why = distrust_libraries(verdicts[i].libraries); !why.empty())
        verdicts[i] = {State::untrusted, std::move(why)};
    if (verdicts[i].state == State::loaded) {
      load_into(file, going_on[i], machine);
    } else {
      file.state = verdicts[i].state;
      file.sentence = verdicts[i].sentence;
    }
  }
  return files;
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
                                     const Probe& probe, const Pins& pins, const Registry* before) {
  auto registry = std::make_shared<Registry>();
  SearchResult found = search(options);
  registry->folders = std::move(found.folders);
  for (const Folder& folder : registry->folders)
    if (!folder.sentence.empty() && folder.origin != "default")
      log.write(ATTNRT_LOG_WARNING, "plugins of " + folder.path.string() + " are not seen: " + folder.sentence);
  for (PluginFile& file : examine(found.files, options, machine, log, probe, pins, before)) {
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
              file.path.string() + ": " + state_name(file.state) + (file.sentence.empty() ? "" : ": " + file.sentence));
    registry->files.push_back(std::move(file));
  }
  for (const auto& pin : pins)
    if (std::none_of(registry->files.begin(), registry->files.end(),
                     [&pin](const PluginFile& f) { return f.inspection.name == pin.first; }))
      log.write(ATTNRT_LOG_WARNING, "the pin of '" + printable(pin.first, 64) +
                                        "' holds nothing: no plugin of that name (a plugin's, not a backend's) was found");
  std::sort(registry->backends.begin(), registry->backends.end(),
            [](const BackendEntry& a, const BackendEntry& b) { return a.name < b.name; });
  return registry;
}

}  // namespace attnrt::core
