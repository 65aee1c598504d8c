// SPDX-License-Identifier: Apache-2.0
#include "misspelt.hpp"

#include <algorithm>

#include "nearest.hpp"

namespace attnrt::cli {
namespace {

/// Their names without the dashes, which say nothing of how near two of them are.
void add_flags(const CLI::App& app, std::vector<std::string>& flags) {
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) flags.push_back(name);
}

}  // namespace

std::string misspelt(const CLI::App& app, const std::vector<std::string>& arguments) {
  std::vector<std::string> verbs, flags;
  const CLI::App* verb = nullptr;
  for (const CLI::App* known : app.get_subcommands([](const CLI::App*) { return true; })) {
    verbs.push_back(known->get_name());
    if (std::find(arguments.begin(), arguments.end(), known->get_name()) != arguments.end()) verb = known;
  }
  add_flags(app, flags);
  if (verb) add_flags(*verb, flags);
  for (const std::string& argument : arguments) {
    if (argument == "--") break;
    const bool flag = argument.rfind("--", 0) == 0;
    if (!flag && (verb || argument.rfind('-', 0) == 0)) continue;
    const std::string name = argument.substr(flag ? 2 : 0, argument.find('=') - (flag ? 2 : 0));
    const std::vector<std::string>& known = flag ? flags : verbs;
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    if (const std::string meant = nearest(name, known); !meant.empty())
      return ". Did you mean '" + (flag ? "--" + meant : meant) + "'?";
  }
  return "";
}

}  // namespace attnrt::cli
