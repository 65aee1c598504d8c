// SPDX-License-Identifier: Apache-2.0
#include <spdlog/fmt/fmt.h>

#include <memory>

#include "document.hpp"
#include "failure.hpp"
#include "flex/program.hpp"
#include "model_problem.hpp"
#include "verbs.hpp"

namespace attnrt::cli {
namespace {

namespace json = boost::json;

struct SelectFlags {
  ProblemFlags problem;
  FlexFlags flex;
  std::string model;
  bool explain = false, all = false, as_json = false;
};

/// A line with the variant and the cache that it wants: "CPU_ATTN/avx2, KV layout nhd, block size 16"; none where there
/// is nothing to run.
std::string outcome(const json::value& choice) {
  const std::string variant = text_at(choice, "variant"), block = text_at(choice, "block_size"),
                    kernel_block = text_at(choice, "kernel_block_size");
  if (variant.empty()) return "";
  std::string out = text_at(choice, "backend") + "/" + variant + ", KV layout ";
  if (block.empty()) return out + list_at(choice.at("problem"), "kv_layouts") + ", no cache\n";
  const json::value& layout = choice.at("kv_layout");
  const std::string kind = text_at(layout, "kind"), id = text_at(layout, "id");
  out += (id == kind ? kind : kind + " (" + id + ")") + ", block size " + block;
  return out + (kernel_block == block ? "" : " in kernel blocks of " + kernel_block) + "\n";
}

void print_choice(const Choice& choice, const json::value& document, const SelectFlags& flags) {
  if (flags.explain) {
    fmt::print("{}", flags.all ? choice.explain_all() : choice.explain());
  } else if (choice) {
    fmt::print("{}\n{}", text_at(document, "log"), outcome(document));
    const json::value& prefill = document.at("prefill");
    if (!text_at(prefill, "log").empty()) fmt::print("Prefill: {}\n{}", text_at(prefill, "log"), outcome(prefill));
  }
}

int select(const GlobalFlags& global, const SelectFlags& flags) {
  const Runtime runtime = open_runtime(global);
  const std::shared_ptr<const Flex> program = read_flex(flags.flex);
  attnrt_problem problem = to_problem(runtime, flags.problem);
  if (program) program->give(problem);
  const Choice choice = runtime.try_select(problem);
  const json::value document = json::parse(choice.json());
  flags.as_json ? print_json(document) : print_choice(choice, document, flags);
  if (choice) return kDone;
  throw Failure(text_at(document, "error"), kCheckFailed);
}

/// A choice for each kind of layer of a model.
int select_model(const GlobalFlags& global, const SelectFlags& flags) {
  const ModelConfig model = read_model_config(flags.model);
  if (!global.quiet) tell_assumed(model);
  const Runtime runtime = open_runtime(global);
  const std::shared_ptr<const Flex> program = read_flex(flags.flex);
  json::array choices;
  std::string refused;
  for (const LayerKind& kind : model.kinds) {
    ProblemFlags problem = flags.problem;
    fill_from_model(problem, model, kind);
    attnrt_problem layer = to_problem(runtime, problem);
    if (program) program->give(layer);
    const Choice choice = runtime.try_select(layer);
    const json::value document = json::parse(choice.json());
    if (!flags.as_json && model.kinds.size() > 1) fmt::print("{}, {} layers:\n", kind.name, kind.num_layers);
    if (!flags.as_json) print_choice(choice, document, flags);
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
  CLI::Option* explain =
      verb->add_flag("--explain", flags->explain, "The candidates, and every reason why one was refused");
  verb->add_flag("--all", flags->all, "with a row for backends of other families and devices, too")->needs(explain);
  verb->add_flag("--json", flags->as_json, "All of it as JSON");
  add_model_flag(*verb, flags->model);
  add_problem_flags(*verb, flags->problem);
  add_flex_flags(*verb, flags->flex);
  verb->callback([flags, &action] {
    action = [flags](const GlobalFlags& global) {
      return flags->model.empty() ? select(global, *flags) : select_model(global, *flags);
    };
  });
}

}  // namespace attnrt::cli
