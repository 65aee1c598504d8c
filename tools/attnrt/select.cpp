// SPDX-License-Identifier: Apache-2.0
#include <spdlog/fmt/fmt.h>

#include <memory>

#include "document.hpp"
#include "failure.hpp"
#include "model_problem.hpp"
#include "verbs.hpp"

namespace attnrt::cli {
namespace {

namespace json = boost::json;

struct SelectFlags {
  ProblemFlags problem;
  std::string model;
  bool explain = false, as_json = false;
};

void print_choice(const Choice& choice, const json::value& document, bool explain) {
  if (explain) {
    fmt::print("{}", choice.explain());
  } else if (choice) {
    fmt::print("{}\n", text_at(document, "log"));
    const json::value& prefill = document.at("prefill");
    if (!text_at(prefill, "log").empty()) fmt::print("Prefill: {}\n", text_at(prefill, "log"));
  }
}

int select(const GlobalFlags& global, const SelectFlags& flags) {
  const Runtime runtime = open_runtime(global);
  const Choice choice = runtime.try_select(to_problem(runtime, flags.problem));
  const json::value document = json::parse(choice.json());
  flags.as_json ? print_json(document) : print_choice(choice, document, flags.explain);
  if (choice) return kDone;
  throw Failure(text_at(document, "error"), kCheckFailed);
}

/// A choice for each kind of layer of a model.
int select_model(const GlobalFlags& global, const SelectFlags& flags) {
  const ModelConfig model = read_model_config(flags.model);
  if (!global.quiet) tell_assumed(model);
  const Runtime runtime = open_runtime(global);
  json::array choices;
  std::string refused;
  for (const LayerKind& kind : model.kinds) {
    ProblemFlags problem = flags.problem;
    fill_from_model(problem, model, kind);
    const Choice choice = runtime.try_select(to_problem(runtime, problem));
    const json::value document = json::parse(choice.json());
    if (!flags.as_json && model.kinds.size() > 1) fmt::print("{}, {} layers:\n", kind.name, kind.num_layers);
    if (!flags.as_json) print_choice(choice, document, flags.explain);
    choices.push_back(json::object{{"layers", kind.name}, {"num_layers", kind.num_layers}, {"choice", document}});
    if (!choice && refused.empty()) refused = fmt::format("{}: {}", kind.name, text_at(document, "error"));
  }
  if (flags.as_json)
    print_json(json::object{{"model_type", model.model_type},
                            {"assumed", json::array(model.assumed.begin(), model.assumed.end())},
                            {"kinds", std::move(choices)}});
  if (refused.empty()) return kDone;
  throw Failure(refused, kCheckFailed);
}

}  // namespace

void add_select(CLI::App& app, Action& action) {
  const auto flags = std::make_shared<SelectFlags>();
  CLI::App* verb = app.add_subcommand("select", "The backend that would be chosen for a problem, and why");
  verb->add_flag("--explain", flags->explain, "Every candidate, and every reason why it was refused");
  verb->add_flag("--json", flags->as_json, "All of it as JSON");
  add_model_flag(*verb, flags->model);
  add_problem_flags(*verb, flags->problem);
  verb->callback([flags, &action] {
    action = [flags](const GlobalFlags& global) {
      return flags->model.empty() ? select(global, *flags) : select_model(global, *flags);
    };
  });
}

}  // namespace attnrt::cli
