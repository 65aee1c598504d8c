// SPDX-License-Identifier: Apache-2.0
#include <spdlog/fmt/fmt.h>

#include <filesystem>
#include <memory>

#include "document.hpp"
#include "failure.hpp"
#include "verbs.hpp"

namespace attnrt::cli {
namespace {

namespace json = boost::json;

bool holds(const json::value& variant, const char* list, const char* word) {
  for (const json::value& item : array_at(variant, list))
    if (item == word) return true;
  return false;
}

std::string tick(const json::value& variant, const char* feature) {
  return holds(variant, "features", feature) ? "yes" : "no";
}

std::string row(const std::string& backend, const json::value& v) {
  const auto list = [&v](const char* key) { return list_at(v, key); };
  const auto text = [&v](const char* key) { return text_at(v, key); };
  const std::string determinism = text("determinism");
  const bool invariant = determinism == "batch-invariant" || determinism == "schedule-invariant";
  std::string device = text("device");
  if (!list("archs").empty()) device += " " + list("archs");
  if (!list("isa").empty()) device += " " + list("isa");
  std::string head_sizes = text("head_sizes");
  if (text("head_sizes_v") != head_sizes) head_sizes += " (v " + text("head_sizes_v") + ")";
  return fmt::format("| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |\n", backend,
                     text("name"), list("q_dtypes"), list("kv_dtypes"), text("block_sizes"), head_sizes,
                     tick(v, "sinks"), tick(v, "sparse_topk"), tick(v, "mm_prefix"), tick(v, "context_parallel"),
                     list("attn_types"), device, invariant ? determinism : "no", text("impl"),
                     text("verified").empty() ? "no" : text("verified"),
                     text("emulated").empty() ? "no" : text("emulated"));
}

void print_matrix(const std::vector<json::value>& sheets, const char* family, const char* title) {
  std::string rows;
  for (const json::value& sheet : sheets)
    for (const json::value& variant : array_at(sheet, "variants"))
      if (holds(variant, "families", family)) rows += row(text_at(sheet, "backend"), variant);
  if (rows.empty()) return;
  fmt::print(
      "## {}\n\n| Backend | Variant | Dtypes | KV dtypes | Block sizes | Head sizes | Sink | Sparse | MM prefix | DCP "
      "| Attention types "
      "| Compute cap. or ISA | Batch-invariant | Implementation | Verified | Emulated |\n"
      "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n{}\n",
      title, rows);
}

/// {"device": "cuda", "arch": "9.0"} as "device cuda, arch 9.0".
std::string conditions(const json::value& rule) {
  std::string out;
  const json::value* when = rule.as_object().if_contains("when");
  if (!when) return "always";
  for (const auto& member : when->as_object()) {
    const std::string key(member.key().data(), member.key().size());
    const std::string value = member.value().is_array() ? list_at(*when, key.c_str()) : text_at(*when, key.c_str());
    out += (out.empty() ? "" : ", ") + key + " " + value;
  }
  return out;
}

void print_docs(const Runtime& runtime) {
  const json::value list = json::parse(runtime.list());
  std::vector<json::value> sheets;
  for (const json::value& plugin : array_at(list, "plugins"))
    for (const json::value& backend : array_at(plugin, "backends"))
      sheets.push_back(json::parse(runtime.show(text_at(backend, "name"))));
  fmt::print(
      "# Support matrix\n\n"
      "Made by `attnrt docs` from the manifests of the plugins that are loaded or wait for a device.\n\n"
      "Verified: the conformance kit passed on a device of that kind. Emulated: it passed on the SDK's emulator, which "
      "plays the device and proves neither the assembler nor the hardware.\n\n");
  print_matrix(sheets, "standard", "Standard attention, and MLA prefill");
  print_matrix(sheets, "mla", "MLA decode");

  const json::value priority = json::parse(runtime.priority());
  fmt::print(
      "## Priority\n\nThe first rule of `{}` that fits decides; the first valid backend of its list is chosen.\n"
      "Loaded backends that a list does not name rank after it, in name order.\n\n| rule | when | order |\n| --- | --- "
      "| --- |\n",
      std::filesystem::path(text_at(priority, "file")).filename().string());
  for (const json::value& rule : array_at(priority, "rules"))
    fmt::print("| {} | {} | {} |\n", text_at(rule, "name"), conditions(rule), list_at(rule, "order"));
  fmt::print(
      "\n## Switches\n\n| variable | attention-config key | value | default | effect |\n| --- | --- | --- | --- | --- "
      "|\n");
  for (const json::value& s : array_at(priority, "switches")) {
    std::string effect;
    if (s.as_object().contains("exclude")) effect = "without " + list_at(s, "exclude");
    if (s.as_object().contains("before"))
      effect += (effect.empty() ? "" : "; ") + list_at(s, "before") + ": the first ranks right before the second";
    if (const json::value* only = s.as_object().if_contains("only"))
      for (const auto& member : only->as_object()) {
        const std::string backend(member.key().data(), member.key().size());
        effect += (effect.empty() ? "" : "; ") + backend + " only as " + list_at(*only, backend.c_str());
      }
    fmt::print("| {} | {} | {} | {} | {} |\n", text_at(s, "env"), text_at(s, "config"), text_at(s, "is"),
               text_at(s, "default"), effect);
  }
}

}  // namespace

void add_docs(CLI::App& app, Action& action) {
  const auto as_json = std::make_shared<bool>(false);
  CLI::App* verb = app.add_subcommand(
      "docs", "The support matrix and the priority lists as Markdown, from the plugins that are here");
  verb->add_flag("--json", *as_json, "The sheets and the table behind it, as JSON");
  verb->callback([as_json, &action] {
    action = [as_json](const GlobalFlags& flags) -> int {
      const Runtime runtime = open_runtime(flags);
      if (!*as_json) {
        print_docs(runtime);
        return kDone;
      }
      json::array sheets;
      const json::value list = json::parse(runtime.list());
      for (const json::value& plugin : array_at(list, "plugins"))
        for (const json::value& backend : array_at(plugin, "backends"))
          sheets.push_back(json::parse(runtime.show(text_at(backend, "name"))));
      print_json(json::object{{"backends", std::move(sheets)}, {"priority", json::parse(runtime.priority())}});
      return kDone;
    };
  });
}

}  // namespace attnrt::cli
