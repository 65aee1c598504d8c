// SPDX-License-Identifier: Apache-2.0
#include "priority.hpp"

#include <algorithm>
#include <set>

#include "json_reader.hpp"
#include "regular_file.hpp"
#include "words.hpp"

namespace attnrt::core {
namespace {

constexpr std::size_t kMaxOrder = 1024;
constexpr uint64_t kMaxTableBytes = 4 << 20;

/// Names in an order, each once.
std::vector<std::string> read_order(const JsonReader& in) {
  if (const std::size_t n = in.size(); n > kMaxOrder)
    in.fail("has " + std::to_string(n) + " names, wanted at most " + std::to_string(kMaxOrder));
  if (!in.ok()) return {};
  const std::vector<std::string> order = in.texts();
  std::set<std::string> seen;
  for (std::size_t i = 0; i < order.size(); ++i)
    if (!seen.insert(upper(order[i])).second) in.at(i).fail("'" + order[i] + "' stands twice in this list");
  return order;
}

/// What rules of both kinds have.
template <class AnyRule>
AnyRule read_head(const JsonReader& in) {
  AnyRule rule;
  in.allow({"name", "when", "order", "comment"});
  rule.name = in.at("name").text();
  if (in.has("when")) rule.when = read_when(in.at("when"));
  return rule;
}

Rule read_rule(const JsonReader& in) {
  Rule rule = read_head<Rule>(in);
  rule.order = read_order(in.at("order"));
  return rule;
}

VariantRule read_variant_rule(const JsonReader& in) {
  VariantRule rule = read_head<VariantRule>(in);
  const JsonReader order = in.at("order");
  for (const auto& member : order.object()) {
    const std::string backend(member.key().data(), member.key().size());
    rule.order.emplace_back(backend, read_order(order.at(backend)));
  }
  if (in.ok() && rule.order.empty()) order.fail("is empty, wanted at least one backend with the order of its variants");
  return rule;
}

/// Rules of one kind, each name and each condition once.
template <class AnyRule>
std::vector<AnyRule> read_rules(const JsonReader& in, AnyRule (*read)(const JsonReader&)) {
  std::vector<AnyRule> rules;
  for (std::size_t i = 0, n = in.size(); i < n && in.ok(); ++i) {
    rules.push_back(read(in.at(i)));
    for (std::size_t j = 0; j < i; ++j) {
      if (rules[i].name == rules[j].name) in.at(i).fail("the name '" + rules[i].name + "' stands twice");
      if (rules[i].when == rules[j].when)
        in.at(i).fail("the conditions are those of rule '" + rules[j].name + "', which always wins");
    }
  }
  return rules;
}

Switch read_switch(const JsonReader& in) {
  Switch s;
  in.allow({"env", "config", "default", "is", "exclude", "before", "only", "comment"});
  if (in.has("env")) s.env = in.at("env").text();
  if (in.has("config")) s.config = in.at("config").text();
  if (s.env.empty() && s.config.empty()) in.fail("names neither env nor config, wanted at least one");
  if (in.has("default")) s.preset = in.at("default").scalar();
  s.is = in.at("is").scalar();
  if (in.has("exclude")) s.exclude = in.at("exclude").texts();
  if (in.has("before")) {
    const auto pair = in.at("before").texts();
    if (pair.size() != 2) in.at("before").fail("has " + std::to_string(pair.size()) + " names, wanted 2");
    else s.before = {pair[0], pair[1]};
  }
  if (in.has("only")) {
    const JsonReader only = in.at("only");
    for (const auto& member : only.object()) {
      const std::string backend(member.key().data(), member.key().size());
      s.only.emplace_back(backend, only.at(backend).texts());
    }
  }
  if (in.ok() && s.exclude.empty() && !s.before && s.only.empty())
    in.fail("does nothing, wanted exclude, before or only");
  return s;
}

}  // namespace

const Rule* PriorityTable::rule_for(const attnrt_problem& problem, CpuVendor machine) const {
  for (const Rule& rule : rules)
    if (rule.when.holds(problem, machine)) return &rule;
  return nullptr;
}

const KnownPlugin* PriorityTable::plugin(std::string_view wanted) const {
  for (const KnownPlugin& p : plugins)
    if (equal_ignoring_case(p.name, wanted)) return &p;
  return nullptr;
}

Result<PriorityTable> parse_priority(std::string_view text, const std::string& file) {
  const auto value = parse_json(text, file);
  if (!value) return value.error();
  PriorityTable table;
  table.file = file;
  std::string error;
  const JsonReader root(*value, file, error);
  root.allow({"$schema", "version", "comment", "rules", "variants", "switches", "plugins"});
  root.at("version").integer(1, 1);
  table.rules = read_rules(root.at("rules"), &read_rule);
  if (root.has("variants")) table.variants = read_rules(root.at("variants"), &read_variant_rule);
  if (root.has("switches")) {
    const JsonReader switches = root.at("switches");
    for (std::size_t i = 0, n = switches.size(); i < n && root.ok(); ++i)
      table.switches.push_back(read_switch(switches.at(i)));
  }
  if (root.has("plugins")) {
    const JsonReader plugins = root.at("plugins");
    for (const auto& member : plugins.object()) {
      const std::string name(member.key().data(), member.key().size());
      table.plugins.push_back({name, plugins.at(name).texts()});
    }
  }
  if (!error.empty()) return invalid("priority table " + error);
  table.json = boost::json::serialize(*value);
  return table;
}

Result<PriorityTable> read_priority(const std::filesystem::path& file) {
  const auto text = read_regular_file(file, kMaxTableBytes);
  if (!text) return invalid("priority table " + text.error().text + ", wanted a JSON file");
  return parse_priority(*text, file.string());
}

bool fits(std::string_view pattern, std::string_view name) {
  // The last `*` takes one more character whenever what follows it fails; going further back would find nothing new.
  std::size_t p = 0, n = 0, star = std::string_view::npos, taken = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      taken = n;
    } else if (p < pattern.size() && equal_ignoring_case(pattern.substr(p, 1), name.substr(n, 1))) {
      ++p, ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++taken;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

}  // namespace attnrt::core
