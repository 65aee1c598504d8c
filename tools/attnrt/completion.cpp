// SPDX-License-Identifier: Apache-2.0
#include "completion.hpp"

#include <spdlog/fmt/fmt.h>

#include <memory>

#include "failure.hpp"
#include "setting.hpp"
#include "verbs.hpp"

namespace attnrt::cli {
namespace {

std::string joined(const std::vector<std::string>& words, const char* between) {
  return fmt::format("{}", fmt::join(words, between));
}

/// Within single quotes of a shell.
std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? "'\\''" : std::string(1, c);
  return out + "'";
}

/// Every name of a flag, as words to complete.
std::vector<std::string> flag_names(const std::vector<CommandOption>& options) {
  std::vector<std::string> names;
  for (const CommandOption& o : options)
    if (!o.argument) names.insert(names.end(), o.names.begin(), o.names.end());
  return names;
}

// ---- bash

/// What completes the value of a flag, or of an argument.
std::string bash_value(const CommandOption& o) {
  if (!o.choices.empty()) return "_attnrt_words " + quoted(joined(o.choices, " "));
  if (o.takes_files()) return "_attnrt_files -f";
  return o.takes_folders() ? "_attnrt_files -d" : "COMPREPLY=()";
}

std::string bash_values(const std::vector<CommandOption>& options, const std::string& verb) {
  std::string out;
  for (const CommandOption& o : options) {
    if (o.argument || o.value.empty()) continue;
    std::vector<std::string> patterns;
    for (const std::string& name : o.names) patterns.push_back(verb + ":" + name);
    out += fmt::format("    {}) {}; return ;;\n", joined(patterns, "|"), bash_value(o));
  }
  return out;
}

// ---- zsh

/// "--dtype=[of q, k, v]:TYPE: ": a flag, its help, its value's name, what completes that.
std::string zsh_option(const CommandOption& o) {
  std::string text;
  for (const char c : o.description)
    text += c == '[' || c == ']' || c == '\\' ? std::string("\\") + c : std::string(1, c);
  std::string value;
  if (!o.value.empty())
    value = ":" + (o.choices.empty() ? o.value : "value") + ":" +
            (!o.choices.empty()  ? "(" + joined(o.choices, " ") + ")"
             : o.takes_files()   ? "_files"
             : o.takes_folders() ? "_files -/"
                                 : " ");
  if (o.argument) return quoted((o.takes_files() ? "*" : "") + value);
  const std::string spec = quoted("[" + text + "]" + value);
  if (o.names.size() == 1) return o.names.front() + (o.value.empty() ? "" : "=") + spec;
  return "'(" + joined(o.names, " ") + ")'{" + joined(o.names, ",") + "}" + spec;
}

std::string zsh_arguments(const std::vector<CommandOption>& options, const std::string& indent) {
  std::string out;
  for (const CommandOption& o : options) out += " \\\n" + indent + zsh_option(o);
  return out;
}

// ---- fish

std::string fish_option(const CommandOption& o, const std::string& where) {
  if (o.argument && !o.takes_files() && !o.takes_folders() && o.choices.empty()) return "";
  std::string out = "complete -c attnrt" + where;
  for (const std::string& name : o.argument ? std::vector<std::string>{} : o.names)
    out += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  if (o.takes_files())
    out += o.argument ? " -F" : " -r -F";
  else if (o.takes_folders())
    out += " -x -a '(__fish_complete_directories)'";
  else if (!o.value.empty())
    out += (o.argument ? "" : " -x") + (o.choices.empty() ? "" : " -a " + quoted(joined(o.choices, " ")));
  return out + " -d " + quoted(o.description) + "\n";
}

}  // namespace

std::string bash_completion(const CommandTree& tree) {
  std::vector<std::string> verbs, values;
  for (const CommandVerb& verb : tree.verbs) verbs.push_back(verb.name);
  for (const CommandOption& o : tree.options)
    if (!o.value.empty()) values.insert(values.end(), o.names.begin(), o.names.end());
  const std::vector<std::string> everywhere = flag_names(tree.options);
  std::string of_values = bash_values(tree.options, "*"), of_verbs;
  for (const CommandVerb& verb : tree.verbs) {
    of_values += bash_values(verb.options, verb.name);
    std::string argument;
    for (const CommandOption& o : verb.options)
      if (o.argument && argument.empty()) argument = bash_value(o);
    of_verbs += fmt::format("    {})\n      if [[ $current == -* ]]; then _attnrt_words '{} {}'; else {}; fi ;;\n",
                            verb.name, joined(flag_names(verb.options), " "), joined(everywhere, " "),
                            argument.empty() ? "COMPREPLY=()" : argument);
  }
  return fmt::format(R"(# Completion of attnrt for bash 4 and later, as `attnrt completion bash` prints it.
_attnrt_words() {{ mapfile -t COMPREPLY < <(compgen -W "$1" -- "$current"); }}
_attnrt_files() {{
  compopt -o filenames 2>/dev/null
  mapfile -t COMPREPLY < <(compgen "$1" -- "$current")
}}
_attnrt() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD - 1]}} verb='' i
  # bash takes --flag=value apart: the flag, "=", the value.
  if [[ $current == = ]]; then
    current=''
  elif [[ $previous == = ]]; then
    previous=${{COMP_WORDS[COMP_CWORD - 2]}}
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${{COMP_WORDS[i]}} in
      {}) [[ ${{COMP_WORDS[i + 1]}} == = ]] && ((i += 2)) || ((i++)) ;;
      {}) verb=${{COMP_WORDS[i]}}; break ;;
    esac
  done
  case $verb:$previous in
{}  esac
  case $verb in
    '') _attnrt_words '{} {}' ;;
{}  esac
}}
complete -F _attnrt attnrt
)",
                     joined(values, "|"), joined(verbs, "|"), of_values, joined(verbs, " "), joined(everywhere, " "),
                     of_verbs);
}

std::string zsh_completion(const CommandTree& tree) {
  std::string verbs, of_verbs;
  for (const CommandVerb& verb : tree.verbs) {
    std::string text;
    for (const char c : verb.description) text += c == ':' ? "\\:" : std::string(1, c);
    verbs += "        " + quoted(verb.name + ":" + text) + "\n";
    of_verbs += fmt::format("        {}) _arguments{}{} ;;\n", verb.name, zsh_arguments(verb.options, "          "),
                            zsh_arguments(tree.options, "          "));
  }
  return fmt::format(R"(#compdef attnrt
# Completion of attnrt for zsh, as `attnrt completion zsh` prints it.
_attnrt() {{
  local context state state_descr line
  typeset -A opt_args
  _arguments -C{} \
    '1: :->verb' \
    '*:: :->rest'
  case $state in
    verb)
      local -a verbs=(
{}      )
      _describe verb verbs ;;
    rest)
      case $words[1] in
{}      esac ;;
  esac
}}
if [[ $funcstack[1] == _attnrt ]]; then
  _attnrt "$@"
else
  compdef _attnrt attnrt
fi
)",
                     zsh_arguments(tree.options, "    "), verbs, of_verbs);
}

std::string fish_completion(const CommandTree& tree) {
  std::string out =
      "# Completion of attnrt for fish, as `attnrt completion fish` prints it.\n"
      "complete -c attnrt -f\n";
  for (const CommandOption& o : tree.options) out += fish_option(o, "");
  for (const CommandVerb& verb : tree.verbs)
    out += "complete -c attnrt -n __fish_use_subcommand -a " + verb.name + " -d " + quoted(verb.description) + "\n";
  for (const CommandVerb& verb : tree.verbs)
    for (const CommandOption& o : verb.options)
      out += fish_option(o, " -n '__fish_seen_subcommand_from " + verb.name + "'");
  return out;
}

void add_completion(CLI::App& app, Action& action) {
  const auto shell = std::make_shared<std::string>();
  CLI::App* verb =
      app.add_subcommand("completion", "Print the script that completes verbs and flags of attnrt in a shell");
  verb->add_option("SHELL", *shell, "The shell, such as: source <(attnrt completion bash)")
      ->type_name("bash|zsh|fish")
      ->required();
  verb->callback([shell, &app, &action] {
    action = [shell, &app](const GlobalFlags&) -> int {
      using Maker = std::string (*)(const CommandTree&);
      constexpr Maker makers[] = {&bash_completion, &zsh_completion, &fish_completion};
      fmt::print("{}", makers[word({*shell, "SHELL"}, {{"bash", 0}, {"zsh", 1}, {"fish", 2}})](read_command_tree(app)));
      return kDone;
    };
  });
}

}  // namespace attnrt::cli
