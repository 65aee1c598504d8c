// SPDX-License-Identifier: Apache-2.0
// Any text as a priority table. What is refused has a sentence; what is taken means what its JSON says, read here a
// second time without the reader's own code.
#include "priority.hpp"

#include <boost/json.hpp>

#include "target.hpp"

namespace core = attnrt::core;
namespace json = boost::json;
using fuzz::promise;

namespace {

/// `*` is anything; the table of prefixes that match, filled row by row.
bool fits_by_table(std::string_view pattern, std::string_view name) {
  const auto low = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  std::vector<bool> row(name.size() + 1);
  row[0] = true;
  for (const char p : pattern) {
    std::vector<bool> next(name.size() + 1);
    if (p == '*') {
      bool any = false;
      for (std::size_t i = 0; i <= name.size(); ++i) next[i] = any = any || row[i];
    } else {
      for (std::size_t i = 0; i < name.size(); ++i) next[i + 1] = row[i] && low(p) == low(name[i]);
    }
    row = next;
  }
  return row[name.size()];
}

std::string_view text(const json::value& v) { return {v.as_string().data(), v.as_string().size()}; }

/// The architecture as a number that grows with it: 9.0 is 90, gfx942 is 0x942.
uint64_t arch_number(std::string_view arch) {
  if (arch.starts_with("gfx")) return std::stoull(std::string(arch.substr(3)), nullptr, 16);
  const std::size_t dot = arch.find('.');
  return std::stoull(std::string(arch.substr(0, dot))) * 10 + std::stoull(std::string(arch.substr(dot + 1)));
}

struct Case {
  const char *device, *family, *phase, *kv;
  attnrt_problem problem;
};

std::vector<Case> make_cases() {
  std::vector<Case> out;
  const struct { const char* name; int32_t type; uint32_t archs[3];
  } devices[] = {{"cpu", ATTNRT_DEVICE_CPU, {0, 0, 0}},
                 {"cuda", ATTNRT_DEVICE_CUDA, {80, 90, 103}},
                 {"rocm", ATTNRT_DEVICE_ROCM, {0x90a, 0x942, 0x1100}}};
  const struct {
    const char* name;
    uint32_t bit;
  } phases[] = {{"prefill", ATTNRT_PHASE_PREFILL}, {"decode", ATTNRT_PHASE_DECODE}, {"mixed", ATTNRT_PHASE_MIXED}};
  const struct {
    const char* name;
    uint32_t dtype;
  } caches[] = {{"bf16", ATTNRT_BF16}, {"fp8_e4m3", ATTNRT_FP8_E4M3}, {"fp32", ATTNRT_FP32}};
  uint32_t n = 0;
  for (const auto& device : devices)
    for (const uint32_t arch : device.archs)
      for (const char* family : {"standard", "mla", "mla_prefill"}) {
        Case c{device.name, family, phases[n % 3].name, caches[n / 2 % 3].name, {}};
        c.problem.struct_size = sizeof c.problem;
        c.problem.device_type = device.type;
        c.problem.arch = arch;
        c.problem.family = std::string_view(family) == "mla" ? ATTNRT_FAMILY_MLA : ATTNRT_FAMILY_STANDARD;
        c.problem.mla_kv_lora = std::string_view(family) == "standard" ? 0 : 512;
        c.problem.phase = phases[n % 3].bit;
        c.problem.kv_dtype = caches[n / 2 % 3].dtype;
        c.problem.causal = n % 2 ? ATTNRT_CAUSAL_ALWAYS : ATTNRT_CAUSAL_NEVER;
        c.problem.num_heads = 8u << n % 5;
        if (device.type == ATTNRT_DEVICE_CPU) c.problem.isa = n % 2 ? ATTNRT_ISA_AVX2 | ATTNRT_ISA_AVX512 : 0;
        c.problem.features =
            n % 4 ? ATTNRT_FEATURE_CAUSAL | ATTNRT_FEATURE_SINKS : ATTNRT_FEATURE_TREE_MASK | ATTNRT_FEATURE_DIFF_KV;
        ++n;
        out.push_back(c);
      }
  return out;
}

bool holds(const json::object& when, const Case& c) {
  const auto is = [&](const char* key, std::string_view value) {
    return !when.contains(key) || text(when.at(key)) == value;
  };
  if (!is("device", c.device) || !is("family", c.family) || !is("phase", c.phase)) return false;
  if (const json::value* arch = when.if_contains("arch")) {
    const std::string_view range = text(*arch);
    const std::size_t dash = range.find('-');
    if (c.problem.arch < arch_number(range.substr(0, dash))) return false;
    if (c.problem.arch > arch_number(dash == std::string_view::npos ? range : range.substr(dash + 1))) return false;
  }
  if (const json::value* causal = when.if_contains("causal");
      causal && causal->as_bool() != (c.problem.causal != ATTNRT_CAUSAL_NEVER))
    return false;
  if (const json::value* heads = when.if_contains("num_heads")) {
    const json::object& range = heads->as_object();
    if (range.contains("min") && c.problem.num_heads < range.at("min").to_number<double>()) return false;
    if (range.contains("max") && c.problem.num_heads > range.at("max").to_number<double>()) return false;
  }
  if (const json::value* list = when.if_contains("kv_cache_dtype")) {
    bool any = false;
    for (const json::value& v : list->as_array()) any |= text(v) == c.kv;
    if (!any) return false;
  }
  if (when.contains("cpu_vendor")) return false;  // nobody is asked about this machine
  if (const json::value* list = when.if_contains("isa"))
    for (const json::value& v : list->as_array()) {
      const uint64_t bit = text(v) == "avx2" ? ATTNRT_ISA_AVX2 : text(v) == "avx512" ? ATTNRT_ISA_AVX512 : 0;
      if (!(c.problem.isa & bit)) return false;
    }
  if (const json::value* list = when.if_contains("features"))
    for (const json::value& v : list->as_array()) {
      const std::string_view name = text(v);
      const uint64_t bit = name == "causal"      ? ATTNRT_FEATURE_CAUSAL
                           : name == "sinks"     ? ATTNRT_FEATURE_SINKS
                           : name == "tree_mask" ? ATTNRT_FEATURE_TREE_MASK
                           : name == "diff_kv"   ? ATTNRT_FEATURE_DIFF_KV
                                                 : 0;
      if (!(c.problem.features & bit)) return false;
    }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto table = core::parse_priority(input, "table.json");
  if (!table) {
    promise(table.error().code == ATTNRT_INVALID, "a broken table is INVALID");
    promise(table.error().text.starts_with("priority table ") || table.error().text.starts_with("table.json:"),
            "a refusal names the file", table.error().text);
    fuzz::promise_sentence(table.error().text);
    return 0;
  }

  // The kept document reads the same again, and means what it says.
  const auto again = core::parse_priority(table->json, "table.json");
  promise(static_cast<bool>(again), "the kept document is a table too");
  promise(again->json == table->json, "the kept document does not change when it is read again");
  const json::value document = json::parse(table->json);
  const json::array& rules = document.at("rules").as_array();
  promise(rules.size() == table->rules.size() && rules.size() == again->rules.size(), "every rule is kept");
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const core::Rule& rule = table->rules[i];
    promise(text(rules[i].at("name")) == rule.name && again->rules[i].name == rule.name,
            "rules keep their names and order");
    promise(again->rules[i].when == rule.when && again->rules[i].order == rule.order, "rules read the same again");
    promise(rule.when.arch_min <= rule.when.arch_max && rule.when.heads_min <= rule.when.heads_max, "ranges ascend");
    const json::array& order = rules[i].at("order").as_array();
    promise(order.size() == rule.order.size(), "every name is kept");
    for (std::size_t j = 0; j < order.size(); ++j) promise(text(order[j]) == rule.order[j], "names keep their order");
  }
  static const std::vector<Case> cases = make_cases();
  for (const Case& c : cases) {
    const core::Rule* rule = table->rule_for(c.problem);
    std::size_t first = 0;
    while (first < rules.size() && rules[first].as_object().contains("when") &&
           !holds(rules[first].at("when").as_object(), c))
      ++first;
    promise(rule == (first < rules.size() ? &table->rules[first] : nullptr),
            "the first rule whose conditions hold wins");
  }

  const json::object& root = document.as_object();
  const std::size_t orders = root.contains("variants") ? root.at("variants").as_array().size() : 0;
  promise(orders == table->variants.size() && orders == again->variants.size(), "every order of variants is kept");
  for (std::size_t i = 0; i < orders; ++i) {
    const core::VariantRule& rule = table->variants[i];
    promise(again->variants[i].when == rule.when && again->variants[i].order == rule.order,
            "orders of variants read the same again");
    const json::object& said = root.at("variants").as_array()[i].at("order").as_object();
    promise(!rule.order.empty() && said.size() == rule.order.size(), "every backend of an order is kept");
    for (const auto& [backend, variants] : rule.order) {
      const json::array& wanted = said.at(backend).as_array();
      promise(wanted.size() == variants.size(), "every variant of an order is kept", backend);
      for (std::size_t j = 0; j < variants.size(); ++j)
        promise(text(wanted[j]) == variants[j], "variants keep their order", backend);
    }
  }
  const std::size_t count = root.contains("switches") ? root.at("switches").as_array().size() : 0;
  promise(count == table->switches.size(), "every switch is kept");
  for (std::size_t i = 0; i < count; ++i) {
    const core::Switch& s = table->switches[i];
    promise(!s.env.empty() || !s.config.empty(), "a switch has a name");
    promise(!s.exclude.empty() || s.before || !s.only.empty(), "a switch does something");
    for (const std::string& pattern : s.exclude)
      for (const std::string& name :
           {std::string("FLASH_ATTN_MLA_SPARSE"), std::string("A"), std::string(), pattern, pattern + "C"})
        promise(core::fits(pattern, name) == fits_by_table(pattern, name), "a pattern fits what it says", pattern);
    const json::object& said = root.at("switches").as_array()[i].as_object();
    for (const auto& [backend, variants] : s.only) {
      const json::array& wanted = said.at("only").as_object().at(backend).as_array();
      promise(wanted.size() == variants.size(), "every variant is kept", backend);
      for (std::size_t j = 0; j < variants.size(); ++j)
        promise(text(wanted[j]) == variants[j], "variants are those of their backend", backend);
    }
  }
  return 0;
}
