// SPDX-License-Identifier: Apache-2.0
//
// command_tree.hpp: verbs and flags as they were described to CLI11, for what is made from that description: shell
// completion and the man page.
#ifndef ATTNRT_CLI_COMMAND_TREE_HPP
#define ATTNRT_CLI_COMMAND_TREE_HPP
#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace attnrt::cli {

/// A flag, or the argument of a verb that has no flag's name.
struct CommandOption {
  std::vector<std::string> names;    ///< "-v", "--verbose"; an argument's one name, "FILE"
  std::string value;                 ///< what follows, "TYPE"; "" = nothing
  std::vector<std::string> choices;  ///< where the value is one of a few words, written "a|b|c"
  std::string description, group;
  bool argument = false, required = false;

  bool takes_files() const { return value.starts_with("FILE"); }
  bool takes_folders() const { return value.starts_with("DIR"); }
};

struct CommandVerb {
  std::string name, description;
  std::vector<CommandOption> options;  ///< as the help shows them
  bool takes_files() const;            ///< as an argument
};

/// Hidden verbs and flags, those of no group, are left out.
struct CommandTree {
  std::string name, description, footer;
  std::vector<CommandOption> options;  ///< of every verb
  std::vector<CommandVerb> verbs;
};

CommandTree read_command_tree(const CLI::App& app);

}  // namespace attnrt::cli
#endif
