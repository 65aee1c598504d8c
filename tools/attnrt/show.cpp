// SPDX-License-Identifier: Apache-2.0
#include <spdlog/fmt/fmt.h>

#include <memory>

#include "document.hpp"
#include "failure.hpp"
#include "verbs.hpp"

namespace attnrt::cli {
namespace {

namespace json = boost::json;

/// One line of the sheet; left out where the sheet says nothing.
void print_row(const char* title, const std::string& text) {
  if (!text.empty()) print_wrapped(fmt::format("  {:<18} ", title), 21, text);
}

void print_variant(const json::value& variant) {
  const auto text = [&variant](const char* key) { return text_at(variant, key); };
  const auto list = [&variant](const char* key) { return list_at(variant, key); };
  const bool usable = text("usable") == "true";
  fmt::print("\n{}{}\n", text("name"), usable ? "" : "  (not usable on this machine)");
  print_row("why not", list("why_not"));
  print_row("verified", text("verified").empty() ? "no entry in the ledger" : text("verified"));
  if (!text("emulated").empty()) print_row("emulated", text("emulated") + " (no device)");
  print_row("made by", text("impl"));
  print_row("device", text("device") + (list("archs").empty() ? "" : " " + list("archs")));
  print_row("instruction sets", list("isa"));
  print_row("families", list("families"));
  print_row("attention types", list("attn_types"));
  print_row("phases", list("phases"));
  print_row("q dtypes", list("q_dtypes"));
  print_row("cache dtypes", list("kv_dtypes"));
  print_row("output dtypes", list("out_dtypes"));
  print_row("KV layouts", list("kv_layouts"));
  print_row("block sizes", text("block_sizes"));
  print_row("head sizes", text("head_sizes"));
  print_row("head sizes of v", text("head_sizes_v"));
  print_row("GQA group", text("gqa_group_max") == "0" ? "any" : "at most " + text("gqa_group_max"));
  print_row("decode queries", text("decode_query_max") == "0" ? "any length" : "at most " + text("decode_query_max"));
  print_row("features", list("features"));
  print_row("needs", list("needs"));
  print_row("determinism", text("determinism"));
  print_row("graph capture", text("graph_level"));
}

void print_sheet(const json::value& sheet) {
  print_wrapped(text_at(sheet, "backend") + ": ", 2, text_at(sheet, "summary"));
  const json::value& plugin = sheet.at("plugin");
  print_wrapped(
      "", 2, fmt::format("{} {}, {}", text_at(plugin, "name"), text_at(plugin, "version"), text_at(plugin, "build")));
  print_wrapped(
      "", 2, fmt::format("{}: {} {}", text_at(plugin, "path"), text_at(plugin, "state"), text_at(plugin, "sentence")));
  for (const json::value& variant : array_at(sheet, "variants")) print_variant(variant);
}

}  // namespace

void add_show(CLI::App& app, Action& action) {
  const auto backend = std::make_shared<std::string>();
  const auto as_json = std::make_shared<bool>(false);
  CLI::App* verb = app.add_subcommand("show", "The capability sheet of one backend, variant by variant");
  verb->add_option("BACKEND", *backend, "Its name, as attnrt list shows it")->required();
  verb->add_flag("--json", *as_json, "The same as JSON");
  verb->callback([backend, as_json, &action] {
    action = [backend, as_json](const GlobalFlags& flags) -> int {
      const json::value sheet = json::parse(open_runtime(flags).show(*backend));
      *as_json ? print_json(sheet) : print_sheet(sheet);
      return kDone;
    };
  });
}

}  // namespace attnrt::cli
