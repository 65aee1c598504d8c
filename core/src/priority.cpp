// SPDX-License-Identifier: Apache-2.0
#include "priority.hpp"

#include <charconv>

#include "file_text.hpp"
#include "json_reader.hpp"
#include "spelling/nearest.hpp"
#include "problem.hpp"
#include "words.hpp"

namespace attnrt::core {
namespace {

uint64_t word(const JsonReader& at, std::span<const Word> words) {
  const std::string name = at.text();
  if (!at.ok()) return 0;
  if (const auto value = value_of(words, name); value && name == name_of(words, *value)) return *value;
  std::vector<std::string> wanted;
  for (const Word& w : words) wanted.emplace_back(w.name);
  at.fail("is '" + name + "', wanted one of " + join(wanted) + did_you_mean(name, wanted));
  return 0;
}

/// "9.0" for CUDA, "gfx942" for ROCm.
std::optional<uint32_t> parse_arch(std::string_view text, int32_t device_type) {
  uint32_t major = 0, minor = 0;
  const char *begin = text.data(), *end = begin + text.size();
  if (device_type == ATTNRT_DEVICE_ROCM && text.starts_with("gfx")) {
    const auto [at, error] = std::from_chars(begin + 3, end, major, 16);
    return error == std::errc{} && at == end ? std::optional(major) : std::nullopt;
  }
  if (device_type != ATTNRT_DEVICE_CUDA) return std::nullopt;
  const auto [dot, error] = std::from_chars(begin, end, major);
  if (error != std::errc{} || dot == end || *dot != '.' || major > 99) return std::nullopt;
  const auto [at, error2] = std::from_chars(dot + 1, end, minor);
  if (error2 != std::errc{} || at != end || minor > 9) return std::nullopt;
  return major * 10 + minor;
}

void read_arch(const JsonReader& at, When& when) {
  const std::string text = at.text();
  const std::size_t dash = text.find('-');
  const auto low = parse_arch(std::string_view(text).substr(0, dash), *when.device_type);
  const auto high =
      dash == std::string::npos ? low : parse_arch(std::string_view(text).substr(dash + 1), *when.device_type);
  if (!low || !high || *low > *high)
    return at.fail("is '" + text + "', wanted an architecture or a range such as 8.0-9.9 or gfx900-gfx9ff");
  when.arch_min = *low;
  when.arch_max = *high;
}

When read_when(const JsonReader& in) {
  When when;
  in.allow({"device", "arch", "family", "phase", "causal", "kv_cache_dtype", "num_heads", "features"});
  if (in.has("device")) when.device_type = static_cast<int32_t>(word(in.at("device"), words::devices));
  if (in.has("arch")) {
    if (when.device_type) read_arch(in.at("arch"), when);
    else in.at("arch").fail("needs a device beside it");
  }
  if (in.has("family")) {
    constexpr Word families[] = {{static_cast<uint64_t>(When::Family::standard), "standard"},
                                 {static_cast<uint64_t>(When::Family::mla), "mla"},
                                 {static_cast<uint64_t>(When::Family::mla_prefill), "mla_prefill"}};
    when.family = static_cast<When::Family>(word(in.at("family"), families));
  }
  if (in.has("phase")) when.phase = static_cast<uint32_t>(word(in.at("phase"), words::phases));
  if (in.has("causal")) when.causal = in.at("causal").boolean();
  if (in.has("kv_cache_dtype")) {
    const JsonReader list = in.at("kv_cache_dtype");
    for (std::size_t i = 0, n = list.size(); i < n; ++i) when.kv_dtypes |= 1u << word(list.at(i), words::dtypes);
    if (list.ok() && !when.kv_dtypes) list.fail("is empty, wanted at least one dtype");
  }
  if (in.has("num_heads")) {
    const JsonReader range = in.at("num_heads");
    range.allow({"min", "max"});
    if (range.has("min")) when.heads_min = static_cast<uint32_t>(range.at("min").integer(0, 65536));
    if (range.has("max")) when.heads_max = static_cast<uint32_t>(range.at("max").integer(when.heads_min, 65536));
  }
  if (in.has("features")) {
    const JsonReader list = in.at("features");
    for (std::size_t i = 0, n = list.size(); i < n; ++i) when.features |= word(list.at(i), words::features);
  }
  return when;
}

Rule read_rule(const JsonReader& in) {
  Rule rule;
  in.allow({"name", "when", "order", "comment"});
  rule.name = in.at("name").text();
  if (in.has("when")) rule.when = read_when(in.at("when"));
  rule.order = in.at("order").texts();
  for (std::size_t i = 0; i < rule.order.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (equal_ignoring_case(rule.order[i], rule.order[j]))
        in.at("order").at(i).fail("'" + rule.order[i] + "' stands twice in this list");
  return rule;
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

bool When::holds(const attnrt_problem& p) const {
  if (device_type && *device_type != p.device_type) return false;
  if (p.arch < arch_min || p.arch > arch_max) return false;
  const Family actual = p.family == ATTNRT_FAMILY_MLA ? Family::mla
                        : is_mla_prefill(p)           ? Family::mla_prefill
                                                      : Family::standard;
  if (family != Family::any && family != actual) return false;
  if (phase && *phase != p.phase) return false;
  if (causal && *causal != (p.causal != ATTNRT_CAUSAL_NEVER)) return false;
  if (kv_dtypes && !(kv_dtypes >> p.kv_dtype & 1)) return false;
  if (p.num_heads < heads_min || p.num_heads > heads_max) return false;
  return (features & ~p.features) == 0;
}

const Rule* PriorityTable::rule_for(const attnrt_problem& problem) const {
  for (const Rule& rule : rules)
    if (rule.when.holds(problem)) return &rule;
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
  root.allow({"$schema", "version", "comment", "rules", "switches", "plugins"});
  root.at("version").integer(1, 1);
  const JsonReader rules = root.at("rules");
  for (std::size_t i = 0, n = rules.size(); i < n && root.ok(); ++i) {
    table.rules.push_back(read_rule(rules.at(i)));
    for (std::size_t j = 0; j < i; ++j) {
      if (table.rules[i].name == table.rules[j].name)
        rules.at(i).fail("the name '" + table.rules[i].name + "' stands twice");
      if (table.rules[i].when == table.rules[j].when)
        rules.at(i).fail("the conditions are those of rule '" + table.rules[j].name + "', which always wins");
    }
  }
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
  const auto text = read_text(file);
  if (!text) return invalid("priority table " + file.string() + " cannot be read, wanted a JSON file");
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
