// SPDX-License-Identifier: Apache-2.0
#include <spdlog/fmt/fmt.h>

#include <memory>

#include "document.hpp"
#include "failure.hpp"
#include "verbs.hpp"

namespace attnrt::cli {
namespace {

namespace json = boost::json;

void print_report(const json::value& report) {
  fmt::print("attnrt {}, plugin ABI {}\n\nFolders\n", text_at(report.at("core"), "version"),
             text_at(report.at("core"), "abi"));
  for (const json::value& folder : array_at(report, "folders"))
    print_wrapped(fmt::format("  {}\n    ", text_at(folder, "path")), 4,
                  join_said(text_at(folder, "origin"), text_at(folder, "sentence")));
  fmt::print("\nEnvironment\n");
  for (const json::value& variable : array_at(report, "environment"))
    print_wrapped(fmt::format("  {} {}\n    ", text_at(variable, "name"),
                              variable.at("value").is_null() ? "is not set" : "= " + text_at(variable, "value")),
                  4, text_at(variable, "meaning"));
  fmt::print("\nDevices\n");
  for (const json::value& device : array_at(report, "devices")) {
    print_wrapped(fmt::format("  {}  {}  ", text_at(device, "device"), text_at(device, "state")), 4,
                  join_said(text_at(device, "name"), text_at(device, "sentence")));
    const std::string isa = list_at(device, "isa");
    if (text_at(device, "sentence").find(isa) == std::string::npos) print_wrapped("    ", 4, isa);
  }
  fmt::print("\nPlugins\n");
  for (const json::value& plugin : array_at(report, "plugins"))
    print_wrapped(fmt::format("  {}  {}  ", text_at(plugin, "file"), text_at(plugin, "state")), 4,
                  text_at(plugin, "sentence"));
  if (!array_at(report, "tuned").empty()) fmt::print("\nTuned\n");
  for (const json::value& table : array_at(report, "tuned"))
    print_wrapped(fmt::format("  {}  {}  ", text_at(table, "backend"), text_at(table, "state")), 4,
                  fmt::format("{}, build {}, {} timings, {} threads, {}", text_at(table, "date"),
                              text_at(table, "build_id").substr(0, 12), text_at(table, "timings"),
                              text_at(table, "workers"), text_at(table, "cpu")));
  fmt::print("\nFindings\n");
  if (array_at(report, "findings").empty()) fmt::print("  Nothing is wrong.\n");
  for (const json::value& finding : array_at(report, "findings")) {
    print_wrapped(fmt::format("  {}: ", text_at(finding, "severity")), 4, text_at(finding, "text"));
    if (const std::string remedy = text_at(finding, "remedy"); !remedy.empty()) print_wrapped("    ", 4, remedy);
  }
}

}  // namespace

void add_doctor(CLI::App& app, Action& action) {
  const auto as_json = std::make_shared<bool>(false);
  CLI::App* verb = app.add_subcommand("doctor", "Folders, environment, devices, plugins: what is wrong and what to do");
  verb->add_flag("--json", *as_json, "The same as JSON");
  verb->callback([as_json, &action] {
    action = [as_json](const GlobalFlags& flags) -> int {
      const json::value report = json::parse(open_runtime(flags).doctor());
      *as_json ? print_json(report) : print_report(report);
      for (const json::value& finding : array_at(report, "findings"))
        if (text_at(finding, "severity") == "error") return kCheckFailed;
      return kDone;
    };
  });
}

}  // namespace attnrt::cli
