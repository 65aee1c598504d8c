// SPDX-License-Identifier: Apache-2.0
#include "catalog.hpp"

#include <algorithm>

#include "absence.hpp"
#include "spelling/nearest.hpp"
#include "words.hpp"

namespace attnrt::core {
namespace {

std::vector<Slot> rank(const std::vector<std::string>& listed, const Registry& registry, const PriorityTable& table) {
  std::vector<Slot> out;
  for (const std::string& name : listed) {
    const BackendEntry* backend = registry.find(name);
    out.push_back({name, backend, backend ? nullptr : would_offer(registry, table, name)});
  }
  for (const BackendEntry& b : registry.backends)
    if (std::none_of(out.begin(), out.end(), [&b](const Slot& s) { return s.backend == &b; }))
      out.push_back({b.name, &b});
  return out;
}

/// How the table or a shadowed plugin spells a name; "" where neither speaks of it.
std::string spelled(const Registry& registry, const PriorityTable& table, std::string_view name) {
  const auto in = [name](const std::vector<std::string>& names) -> const std::string* {
    for (const std::string& n : names)
      if (equal_ignoring_case(n, name)) return &n;
    return nullptr;
  };
  for (const Rule& rule : table.rules)
    if (const std::string* found = in(rule.order)) return *found;
  for (const KnownPlugin& plugin : table.plugins)
    if (const std::string* found = in(plugin.offers)) return *found;
  for (const PluginFile& file : registry.files)
    if (const std::string* found = in(file.shadowed)) return *found;
  return "";
}

ResolvedSwitch resolve(const Switch& s, const Registry& registry) {
  ResolvedSwitch out;
  out.source = &s;
  for (const BackendEntry& b : registry.backends)
    if (std::any_of(s.exclude.begin(), s.exclude.end(),
                    [&b](const std::string& pattern) { return fits(pattern, b.name); }))
      out.exclude.push_back(&b);
  if (s.before) {
    out.first = registry.find(s.before->first);
    out.second = registry.find(s.before->second);
  }
  for (const auto& [name, variants] : s.only) {
    const BackendEntry* backend = registry.find(name);
    if (!backend) continue;
    ResolvedSwitch::Only only{backend, {}};
    for (uint32_t v = 0; v < backend->table->num_variants; ++v)
      for (const std::string& pattern : variants)
        if (fits(pattern, backend->table->variants[v]->name)) only.variants.push_back(backend->table->variants[v]);
    out.only.push_back(std::move(only));
  }
  return out;
}

/// The times of a table, where it is of the build that is loaded.
void add_times(const TunedTable& table, const Registry& registry, std::vector<TunedTimes>& out) {
  const BackendEntry* backend = registry.find(table.backend);
  if (!backend || registry.file_of(*backend).inspection.build_id != table.build_id) return;
  for (const TunedEntry& e : table.entries)
    for (uint32_t v = 0; v < backend->table->num_variants; ++v) {
      const attnrt_variant* variant = backend->table->variants[v];
      if (e.variant != variant->name) continue;
      auto of_class = std::find_if(out.begin(), out.end(),
                                   [&e](const TunedTimes& t) { return t.problem_class == e.problem_class; });
      if (of_class == out.end()) of_class = out.insert(out.end(), TunedTimes{e.problem_class, {}});
      of_class->times.push_back({variant, e.layout, e.timing, table.date});
    }
}

}  // namespace

const Timing* TunedTimes::find(const attnrt_variant* variant, uint32_t layout) const {
  for (const Time& t : times)
    if (t.variant == variant && t.layout == layout) return &t.timing;
  return nullptr;
}

std::string TunedTimes::date_of(const attnrt_variant* variant) const {
  for (const Time& t : times)
    if (t.variant == variant) return t.date;
  return "";
}

const TunedTimes* Catalog::tuned_for(const attnrt_problem& problem) const {
  if (tuned.empty()) return nullptr;
  const auto wanted = tuned_class(problem);
  for (const TunedTimes& t : tuned)
    if (wanted && t.problem_class == *wanted) return &t;
  return nullptr;
}

bool ResolvedSwitch::touches(const BackendEntry* backend) const {
  return std::find(exclude.begin(), exclude.end(), backend) != exclude.end() ||
         std::any_of(only.begin(), only.end(), [backend](const Only& o) { return o.backend == backend; });
}

const std::vector<Slot>& Catalog::ranking_for(const attnrt_problem& problem, const Rule*& rule) const {
  rule = table->rule_for(problem, cpu_vendor);
  return rule ? rankings[static_cast<std::size_t>(rule - table->rules.data())] : rankings.back();
}

const VariantOrder& Catalog::variants_of(const BackendEntry& backend, const attnrt_problem& problem) const {
  return order_for(orders[static_cast<std::size_t>(&backend - registry->backends.data())], problem, cpu_vendor);
}

Status Catalog::known(std::string_view wish) const {
  const std::string_view name = wish.substr(0, wish.find('/'));
  if (const BackendEntry* backend = registry->find(name)) {
    if (name.size() == wish.size()) return {};
    const std::string_view variant = wish.substr(name.size() + 1);
    std::vector<std::string> variants;
    for (uint32_t v = 0; v < backend->table->num_variants; ++v) {
      variants.emplace_back(backend->table->variants[v]->name);
      if (equal_ignoring_case(variants.back(), variant)) return {};
    }
    return invalid("Unknown variant '" + std::string(variant) + "' of attention backend " + backend->name +
                   ". Valid options are: " + join(variants) + did_you_mean(variant, variants));
  }
  if (const std::string listed = spelled(*registry, *table, name); !listed.empty()) {
    const PluginFile* file = would_offer(*registry, *table, listed);
    return {ATTNRT_UNSUPPORTED, "Selected backend " + listed + " is not valid for this configuration. Reason: ['" +
                                    absence(file) + "']" + (file ? "" : not_loaded(*registry, *table))};
  }
  std::vector<std::string> names;
  for (const BackendEntry& b : registry->backends) names.push_back(b.name);
  std::string text = "Unknown attention backend: '" + std::string(name) + "'. Valid options are: " + join(names);
  for (const Rule& rule : table->rules) names.insert(names.end(), rule.order.begin(), rule.order.end());
  return invalid(text + not_loaded(*registry, *table) + did_you_mean(name, names));
}

bool Catalog::is_verified(const attnrt_variant* variant, const attnrt_problem& p) const {
  return std::any_of(verified.begin(), verified.end(), [&](const Verified& v) {
    return v.variant == variant && v.device_type == p.device_type && v.arch == p.arch &&
           (p.device_type != ATTNRT_DEVICE_CPU || v.isa == cpu_level(p.isa).isa);
  });
}

std::shared_ptr<const Catalog> make_catalog(std::shared_ptr<const Registry> registry,
                                            std::shared_ptr<const PriorityTable> table, const Ledger& ledger,
                                            CpuVendor cpu_vendor, const std::vector<TunedTable>& tuned) {
  auto catalog = std::make_shared<Catalog>();
  catalog->cpu_vendor = cpu_vendor;
  for (const Rule& rule : table->rules) catalog->rankings.push_back(rank(rule.order, *registry, *table));
  catalog->rankings.push_back(rank({}, *registry, *table));
  for (const Switch& s : table->switches) catalog->switches.push_back(resolve(s, *registry));
  for (const BackendEntry& b : registry->backends) catalog->orders.push_back(variant_orders(b, *table));
  for (const BackendEntry& b : registry->backends)
    for (uint32_t v = 0; v < b.table->num_variants; ++v)
      for (const LedgerEntry& e : ledger.entries()) {
        const attnrt_variant* variant = b.table->variants[v];
        const auto device = parse_device_kind(e.device);
        if (device && ledger.find(registry->file_of(b).inspection.build_id, b.name, variant->name, e.device) == &e)
          catalog->verified.push_back({variant, device->type, device->arch, device->isa});
      }
  for (const TunedTable& t : tuned) add_times(t, *registry, catalog->tuned);
  catalog->registry = std::move(registry);
  catalog->table = std::move(table);
  return catalog;
}

}  // namespace attnrt::core
