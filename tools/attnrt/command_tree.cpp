// SPDX-License-Identifier: Apache-2.0
#include "command_tree.hpp"

#include <algorithm>
#include <sstream>

namespace attnrt::cli {
namespace {

CommandOption read_option(const CLI::Option& option) {
  CommandOption out;
  out.description = option.get_description();
  out.group = option.get_group();
  out.required = option.get_required();
  out.argument = option.get_positional();
  for (const std::string& name : option.get_snames()) out.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) out.names.push_back("--" + name);
  if (out.argument) out.names = {option.get_name(true)};
  if (option.get_type_size() != 0) out.value = option.get_type_name();
  if (out.argument && out.value.find('|') == std::string::npos) out.value = out.names.front();
  if (out.value.find('|') != std::string::npos) {
    std::istringstream words(out.value);
    for (std::string word; std::getline(words, word, '|');) out.choices.push_back(word);
  }
  return out;
}

std::vector<CommandOption> read_options(const CLI::App& app) {
  std::vector<CommandOption> out;
  for (const CLI::Option* option : app.get_options({}))
    if (!option->get_group().empty()) out.push_back(read_option(*option));
  return out;
}

}  // namespace

bool CommandVerb::takes_files() const {
  return std::any_of(options.begin(), options.end(),
                     [](const CommandOption& o) { return o.argument && o.takes_files(); });
}

CommandTree read_command_tree(const CLI::App& app) {
  CommandTree tree{app.get_name(), app.get_description(), app.get_footer(), read_options(app), {}};
  const std::function<bool(const CLI::App*)> shown = [](const CLI::App* verb) { return !verb->get_group().empty(); };
  for (const CLI::App* verb : app.get_subcommands(shown))
    tree.verbs.push_back({verb->get_name(), verb->get_description(), read_options(*verb)});
  return tree;
}

}  // namespace attnrt::cli
