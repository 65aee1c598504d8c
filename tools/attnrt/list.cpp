// SPDX-License-Identifier: Apache-2.0
#include <spdlog/fmt/fmt.h>

#include <memory>

#include "document.hpp"
#include "failure.hpp"
#include "verbs.hpp"

namespace attnrt::cli {
namespace {

namespace json = boost::json;

/// "avx2 on cpu:avx2, FA2 on cuda:8.0 and cuda:9.0"
std::string kinds_of(const json::value& backend, const char* key, const char* on) {
  std::string out;
  const json::value* const variants = backend.as_object().if_contains(key);
  if (!variants || !variants->is_object()) return out;
  for (const auto& member : variants->get_object()) {
    const std::string name(member.key().data(), member.key().size());
    out += (out.empty() ? "" : ", ") + fmt::format("{} {} {}", name, on, list_at(*variants, name.c_str()));
  }
  return out;
}

void print_plugin(const json::value& plugin) {
  const std::string name = text_at(plugin, "name");
  fmt::print("\n{}  {}{}\n", text_at(plugin, "file"), text_at(plugin, "state"),
             name.empty() ? "" : fmt::format("  {} {}", name, text_at(plugin, "version")));
  if (const std::string sentence = text_at(plugin, "sentence"); !sentence.empty()) print_wrapped("  ", 2, sentence);
  for (const json::value& backend : array_at(plugin, "backends")) {
    print_wrapped(fmt::format("  {:<20} ", text_at(backend, "name")), 23, text_at(backend, "summary"));
    print_wrapped(fmt::format("  {:<20} ", ""), 33, "variants: " + list_at(backend, "variants"));
    for (const auto& [key, on] : {std::pair("verified", "on"), {"emulated", "as"}})
      if (const std::string kinds = kinds_of(backend, key, on); !kinds.empty())
        print_wrapped(fmt::format("  {:<20} ", ""), 33, fmt::format("{}: {}", key, kinds));
  }
}

void print_list(const json::value& list) {
  const json::value& core = list.at("core");
  fmt::print("attnrt {}, plugin ABI {}\n", text_at(core, "version"), text_at(core, "abi"));
  for (const json::value& folder : array_at(list, "folders"))
    print_wrapped(fmt::format("{}\n  ", text_at(folder, "path")), 2,
                  join_said(text_at(folder, "origin"), text_at(folder, "sentence")));
  if (array_at(list, "plugins").empty()) fmt::print("\nNo plugins.\n");
  for (const json::value& plugin : array_at(list, "plugins")) print_plugin(plugin);
}

}  // namespace

void add_list(CLI::App& app, Action& action) {
  const auto as_json = std::make_shared<bool>(false);
  CLI::App* verb =
      app.add_subcommand("list", "Every file in the plugin folders: its state and why, its backends and variants");
  verb->add_flag("--json", *as_json, "The same as JSON");
  verb->callback([as_json, &action] {
    action = [as_json](const GlobalFlags& flags) -> int {
      const json::value list = json::parse(open_runtime(flags).list());
      *as_json ? print_json(list) : print_list(list);
      return kDone;
    };
  });
}

}  // namespace attnrt::cli
