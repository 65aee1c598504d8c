// SPDX-License-Identifier: Apache-2.0
#include <spdlog/fmt/fmt.h>

#include <memory>

#include "document.hpp"
#include "failure.hpp"
#include "problem_flags.hpp"
#include "verbs.hpp"

namespace attnrt::cli {
namespace {

namespace json = boost::json;

struct SelectFlags {
  ProblemFlags problem;
  bool explain = false, as_json = false;
};

int select(const GlobalFlags& global, const SelectFlags& flags) {
  const Runtime runtime = open_runtime(global);
  const Choice choice = runtime.try_select(to_problem(runtime, flags.problem));
  const json::value document = json::parse(choice.json());
  if (flags.as_json) {
    print_json(document);
  } else if (flags.explain) {
    fmt::print("{}", choice.explain());
  } else if (choice) {
    fmt::print("{}\n", text_at(document, "log"));
    const json::value& prefill = document.at("prefill");
    if (!text_at(prefill, "log").empty()) fmt::print("Prefill: {}\n", text_at(prefill, "log"));
  }
  if (choice) return kDone;
  throw Failure(text_at(document, "error"), kCheckFailed);
}

}  // namespace

void add_select(CLI::App& app, Action& action) {
  const auto flags = std::make_shared<SelectFlags>();
  CLI::App* verb = app.add_subcommand("select", "The backend that would be chosen for a problem, and why");
  verb->add_flag("--explain", flags->explain, "Every candidate, and every reason why it was refused");
  verb->add_flag("--json", flags->as_json, "All of it as JSON");
  add_problem_flags(*verb, flags->problem);
  verb->callback([flags, &action] { action = [flags](const GlobalFlags& global) { return select(global, *flags); }; });
}

}  // namespace attnrt::cli
