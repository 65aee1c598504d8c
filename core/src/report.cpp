// SPDX-License-Identifier: Apache-2.0
#include "report.hpp"

#include <algorithm>

#include "absence.hpp"
#include "attnrt/attnrt.h"
#include "remedy.hpp"
#include "tuned_findings.hpp"
#include "words.hpp"

namespace attnrt::core {
namespace json = boost::json;
namespace {

json::array strings(const std::vector<std::string>& items) { return json::array(items.begin(), items.end()); }

json::object core_json() {
  return {{"version", ATTNRT_VERSION},
          {"abi", std::to_string(ATTNRT_ABI_MAJOR) + "." + std::to_string(ATTNRT_ABI_MINOR)},
          {"library", core_folder().string()}};
}

json::array folders_json(const Registry& registry) {
  json::array out;
  for (const Folder& f : registry.folders)
    out.push_back({{"path", f.path.string()}, {"origin", f.origin}, {"sentence", f.sentence}});
  return out;
}

json::object plugin_json(const PluginFile& f) {
  json::array backends;
  for (uint32_t b = 0; f.plugin && b < f.plugin->num_backends; ++b) {
    json::array variants;
    for (uint32_t v = 0; v < f.plugin->backends[b]->num_variants; ++v)
      variants.emplace_back(f.plugin->backends[b]->variants[v]->name);
    backends.push_back({{"name", f.plugin->backends[b]->name},
                        {"summary", f.plugin->backends[b]->summary},
                        {"variants", std::move(variants)}});
  }
  const Inspection& i = f.inspection;
  return {{"path", f.path.string()},
          {"file", f.path.filename().string()},
          {"state", state_name(f.state)},
          {"sentence", f.sentence},
          {"name", i.name},
          {"version", i.version},
          {"build", f.plugin ? f.plugin->build : ""},
          {"abi", i.name.empty() ? "" : std::to_string(i.abi_major) + "." + std::to_string(i.abi_minor)},
          {"build_id", i.build_id},
          {"sanitizers", strings(names_of(words::sanitizers, i.sanitizers))},
          {"backends", std::move(backends)}};
}

json::array plugins_json(const Registry& registry) {
  json::array out;
  for (const PluginFile& f : registry.files) out.push_back(plugin_json(f));
  return out;
}

/// Why a variant cannot run on any device of this machine; empty = it can.
std::vector<std::string> unusable(const PluginFile& file, const attnrt_caps& caps,
                                  const std::vector<DeviceReport>& machine) {
  if (const std::string* why = file.unavailable_on(caps.device_type)) return {*why};
  std::vector<std::string> why;
  for (const DeviceReport& r : machine) {
    if (!r.present || r.device.type != caps.device_type) continue;
    bool arch = caps.num_arch_ranges == 0;
    for (uint32_t i = 0; i < caps.num_arch_ranges; ++i)
      arch |= r.device.arch >= caps.arch_ranges[2 * i] && r.device.arch <= caps.arch_ranges[2 * i + 1];
    const uint64_t missing = caps.isa & ~r.device.isa;
    if (arch && !missing) return {};
    why.push_back(arch ? r.name + " lacks " + join(names_of(words::isa, missing))
                       : r.name + " is " + arch_name(r.device.type, r.device.arch) + ", not one of the architectures");
  }
  if (why.empty()) why.emplace_back("no such device in this machine");
  return why;
}

/// The entries that count for a variant, one for each kind of device, real ones or emulated ones.
std::vector<const LedgerEntry*> passed(const Ledger& ledger, const PluginFile& file, const std::string& backend,
                                       const std::string& variant, bool emulated) {
  std::vector<const LedgerEntry*> out;
  for (const LedgerEntry& e : ledger.entries())
    if (e.emulated == emulated && ledger.find(file.inspection.build_id, backend, variant, e.device, e.emulated) == &e)
      out.push_back(&e);
  return out;
}

/// "2026-11-21 on cpu: pass 214 of 214; ...", of an emulator "2026-11-21 as cuda:9.0: ..."; null = nowhere.
json::value passed_json(const std::vector<const LedgerEntry*>& entries) {
  std::vector<std::string> out;
  for (const LedgerEntry* e : entries)
    out.push_back(e->date + (e->emulated ? " as " : " on ") + e->device + ": " + e->result);
  return out.empty() ? json::value(nullptr) : json::value(join(out, "; "));
}

/// {"avx2": ["cpu:avx2"]}: the variants of a backend that passed, and where.
json::object passed_kinds(const Ledger& ledger, const PluginFile& file, const attnrt_backend& backend, bool emulated) {
  json::object out;
  for (uint32_t v = 0; v < backend.num_variants; ++v) {
    json::array kinds;
    for (const LedgerEntry* e : passed(ledger, file, backend.name, backend.variants[v]->name, emulated))
      kinds.emplace_back(e->device);
    if (!kinds.empty()) out[backend.variants[v]->name] = std::move(kinds);
  }
  return out;
}

json::object variant_json(const PluginFile& file, const Ledger& ledger, const std::string& backend,
                          const attnrt_variant& v, const std::vector<DeviceReport>& machine) {
  const attnrt_caps& c = *v.caps;
  json::array archs;
  for (uint32_t i = 0; i < c.num_arch_ranges; ++i) {
    const std::string low = arch_name(c.device_type, c.arch_ranges[2 * i]);
    const uint32_t high = c.arch_ranges[2 * i + 1];
    archs.emplace_back(high == UINT32_MAX             ? low + "+"
                       : high == c.arch_ranges[2 * i] ? low
                                                      : low + "-" + arch_name(c.device_type, high));
  }
  const auto why_not = unusable(file, c, machine);
  return {{"name", v.name},
          {"impl", c.impl},
          {"verified", passed_json(passed(ledger, file, backend, v.name, false))},
          {"emulated", passed_json(passed(ledger, file, backend, v.name, true))},
          {"device", name_of(words::devices, static_cast<uint64_t>(c.device_type))},
          {"archs", std::move(archs)},
          {"isa", strings(names_of(words::isa, c.isa))},
          {"families", strings(names_of(words::families, c.families))},
          {"features", strings(names_of(words::features, c.features))},
          {"needs", strings(names_of(words::provides, c.needs))},
          {"q_dtypes", strings(dtype_names(c.q_dtypes))},
          {"kv_dtypes", strings(dtype_names(c.kv_dtypes))},
          {"out_dtypes", strings(dtype_names(c.out_dtypes))},
          {"attn_types", strings(names_of(words::attn_types, c.attn_types))},
          {"phases", strings(names_of(words::phases, c.phases))},
          {"kv_layouts", strings(names_of(words::kv_layouts, c.kv_layouts))},
          {"block_sizes", sizes_text(*c.block_sizes)},
          {"head_sizes", sizes_text(*c.head_sizes)},
          {"head_sizes_v", sizes_text(c.head_sizes_v ? *c.head_sizes_v : *c.head_sizes)},
          {"gqa_group_max", c.gqa_group_max},
          {"decode_query_max", c.decode_query_max},
          {"determinism", name_of(words::determinism, c.determinism)},
          {"graph_level", name_of(words::graph_levels, c.graph_level)},
          {"usable", why_not.empty()},
          {"why_not", strings(why_not)}};
}

}  // namespace

json::object list_json(const Registry& registry, const Ledger& ledger) {
  json::array plugins = plugins_json(registry);
  for (std::size_t i = 0; i < registry.files.size(); ++i) {
    const PluginFile& file = registry.files[i];
    json::array& backends = plugins[i].as_object()["backends"].as_array();
    for (std::size_t b = 0; b < backends.size(); ++b) {
      json::object& backend = backends[b].as_object();
      backend["verified"] = passed_kinds(ledger, file, *file.plugin->backends[b], false);
      backend["emulated"] = passed_kinds(ledger, file, *file.plugin->backends[b], true);
    }
  }
  return {{"core", core_json()}, {"folders", folders_json(registry)}, {"plugins", std::move(plugins)}};
}

json::object show_json(const Registry& registry, const Ledger& ledger, const BackendEntry& backend,
                       const std::vector<DeviceReport>& machine) {
  const PluginFile& file = registry.file_of(backend);
  json::array variants;
  for (uint32_t v = 0; v < backend.table->num_variants; ++v)
    variants.push_back(variant_json(file, ledger, backend.name, *backend.table->variants[v], machine));
  return {{"backend", backend.name},
          {"summary", backend.table->summary},
          {"plugin", plugin_json(file)},
          {"variants", std::move(variants)}};
}

json::object doctor_json(const Catalog& catalog, const Options& options, const std::vector<DeviceReport>& machine,
                         const CacheFolder& cache) {
  const Registry& registry = *catalog.registry;
  json::array findings, environment, devices;
  const auto find = [&findings](const char* severity, std::string text, std::string what_to_do) {
    findings.push_back({{"severity", severity}, {"text", std::move(text)}, {"remedy", std::move(what_to_do)}});
  };

  std::vector<std::pair<std::string, std::string>> variables;
  for (const Variable& v : known_variables) variables.emplace_back(v.name, v.meaning);
  for (const Switch& s : catalog.table->switches)
    if (!s.env.empty() &&
        std::none_of(variables.begin(), variables.end(), [&s](const auto& v) { return v.first == s.env; }))
      variables.emplace_back(s.env, "a switch of the priority table");
  for (const auto& [name, meaning] : variables) {
    const auto value = options.env(name.c_str());
    environment.push_back(
        {{"name", name}, {"value", value ? json::value(*value) : json::value(nullptr)}, {"meaning", meaning}});
  }
  if (!options.read_environment)
    find("note", "the environment is not read", "the engine asked for that");
  else if (Options::is_secure())
    find("note",
         "ATTNRT_PLUGIN_PATH, ATTNRT_PRIORITY, XDG_CACHE_HOME and HOME are not read: this program has rights that its "
         "user lacks",
         "name folders and table by options");
  for (const auto& [origin, wish] : {std::pair{"VLLM_ATTENTION_BACKEND", options.name_in("VLLM_ATTENTION_BACKEND")},
                                     std::pair{"--attention-backend", options.attention_backend}}) {
    if (!wish || wish->empty() || equal_ignoring_case(*wish, "auto")) continue;
    const Status unknown = catalog.known(*wish);
    if (unknown.ok()) continue;
    const std::string name = wish->substr(0, wish->find('/'));
    const PluginFile* file = registry.find(name) ? nullptr : would_offer(registry, *catalog.table, name);
    find("error", origin + ("=" + *wish) + " cannot be honoured: " + unknown.text,
         file                  ? remedy(*file) + ", or name another backend"
         : registry.find(name) ? "name one of its variants, or none"
                               : "unset it, or install the plugin that offers " + name);
  }

  for (const DeviceReport& r : machine)
    devices.push_back({{"device", std::string(name_of(words::devices, static_cast<uint64_t>(r.device.type))) +
                                      (r.present ? ":" + std::to_string(r.device.id) : "")},
                       {"name", r.name},
                       {"state", r.present ? "present" : "absent"},
                       {"sentence", r.sentence},
                       {"isa", strings(names_of(words::isa, r.device.isa))}});

  if (!cache.refusal().empty())
    find("warning", "nothing is remembered between processes: " + cache.refusal(),
         "let the folder belong to its user and be writable by nobody else, or name another by XDG_CACHE_HOME");
  else if (cache.path().empty() && options.probe != ATTNRT_PROBE_NEVER)
    find("note", "nothing is remembered between processes: there is no cache folder", "set XDG_CACHE_HOME or HOME");

  for (const Folder& f : registry.folders)
    if (!f.sentence.empty())
      find("error", f.path.string() + " (" + f.origin + "): " + f.sentence,
           "name an existing folder by its absolute path");
  for (const PluginFile& f : registry.files) {
    if (f.state == State::loaded) continue;
    const bool harmless = f.state == State::unavailable || f.state == State::shadowed || f.state == State::replaced;
    find(harmless ? "note" : "warning", f.path.string() + " is " + state_name(f.state) + ": " + f.sentence, remedy(f));
  }
  json::array tuned = tuned_json(catalog, Tuned::read(cache), machine.front(), find);
  if (registry.backends.empty())
    find("error", "no backend is loaded",
         "put a plugin such as cpu_attn.so into one of the folders above, or set ATTNRT_PLUGIN_PATH");
  return {{"core", core_json()},
          {"priority",
           {{"file", catalog.table->file},
            {"rules", catalog.table->rules.size()},
            {"switches", catalog.table->switches.size()}}},
          {"folders", folders_json(registry)},
          {"environment", std::move(environment)},
          {"devices", std::move(devices)},
          {"plugins", plugins_json(registry)},
          {"tuned", std::move(tuned)},
          {"findings", std::move(findings)}};
}

}  // namespace attnrt::core
