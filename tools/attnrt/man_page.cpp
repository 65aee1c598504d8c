// SPDX-License-Identifier: Apache-2.0
#include "man_page.hpp"

#include <spdlog/fmt/fmt.h>

#include <cctype>
#include <sstream>

#include "attnrt/attnrt.h"
#include "failure.hpp"
#include "verbs.hpp"

namespace attnrt::cli {
namespace {

/// Text that troff prints as it is.
std::string plain(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '\\' ? "\\e" : c == '-' ? "\\-" : std::string(1, c);
  return out.starts_with('.') || out.starts_with('\'') ? "\\&" + out : out;
}

std::string bold(const std::string& text) { return "\\fB" + plain(text) + "\\fR"; }

std::string option_entry(const CommandOption& o) {
  std::string names;
  for (const std::string& name : o.names) names += (names.empty() ? "" : ", ") + bold(name);
  if (o.argument && !o.required) names = "[" + names + "]";
  if (!o.argument && !o.value.empty()) names += " \\fI" + plain(o.value) + "\\fR";
  return ".TP\n" + names + "\n" + plain(o.description) + "\n";
}

/// The flags of the help's own group first, then each further group under its name.
std::string option_entries(const std::vector<CommandOption>& options) {
  std::string out, group;
  for (const CommandOption& o : options)
    if (o.argument) out += option_entry(o);
  for (const CommandOption& o : options) {
    if (o.argument) continue;
    if (o.group != group && o.group != "Options") out += ".PP\n" + plain(o.group) + ":\n";
    group = o.group;
    out += option_entry(o);
  }
  return out;
}

/// Lines as they stand.
std::string verbatim(const std::string& text) {
  std::string out = ".nf\n";
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) out += plain(line) + "\n";
  return out + ".fi\n";
}

std::vector<std::string> paragraphs_of(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream lines(text);
  bool fresh = true;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty()) {
      fresh = true;
      continue;
    }
    if (fresh) out.emplace_back();
    out.back() += (fresh ? "" : "\n") + line;
    fresh = false;
  }
  return out;
}

/// "Exit status: 0 done" has the title "EXIT STATUS"; "" where a paragraph starts otherwise.
std::string title_of(const std::string& paragraph) {
  const std::size_t colon = paragraph.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz ");
  if (colon == std::string::npos || paragraph[colon] != ':') return "";
  std::string title = paragraph.substr(0, colon);
  for (char& c : title) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return title;
}

/// "The backend to use [VLLM_ATTENTION_BACKEND]" names a variable; "" where none is named.
std::string variable_of(const CommandOption& o) {
  const std::size_t open = o.description.rfind('['), close = o.description.rfind(']');
  if (open == std::string::npos || close == std::string::npos || close < open) return "";
  const std::string name = o.description.substr(open + 1, close - open - 1);
  return name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == std::string::npos ? name : "";
}

}  // namespace

std::string man_page(const CommandTree& tree, const std::string& version) {
  std::string about = tree.description;
  while (!about.empty() && about.back() == '.') about.pop_back();
  std::string out = ".\\\" Made by `attnrt man` from the program's help.\n";
  out += fmt::format(".TH ATTNRT 1 \"\" \"attnrt {}\" \"User Commands\"\n", version);
  out += ".SH NAME\n" + plain(tree.name) + " \\- " + plain(about) + "\n";
  out += ".SH SYNOPSIS\n" + bold(tree.name) + " [\\fIOPTIONS\\fR] \\fIVERB\\fR [\\fIOPTIONS\\fR] [\\fIARGUMENTS\\fR]\n";
  out += ".SH VERBS\n";
  for (const CommandVerb& verb : tree.verbs) {
    std::string arguments;
    for (const CommandOption& o : verb.options)
      if (o.argument) arguments += o.required ? " " + o.names.front() : " [" + o.names.front() + "]";
    out += ".SS " + plain(tree.name + " " + verb.name + arguments) + "\n" + plain(verb.description) + ".\n";
    out += option_entries(verb.options);
  }
  out += ".SH OPTIONS\nOf every verb, anywhere on the line:\n" + option_entries(tree.options);
  std::string sections, environment;
  for (const std::string& paragraph : paragraphs_of(tree.footer)) {
    const std::string title = title_of(paragraph);
    if (title.empty()) {
      out += ".PP\n" + verbatim(paragraph);
      continue;
    }
    std::string body = paragraph.substr(title.size() + 1);
    body.erase(0, body.find_first_of("\n") == 0 ? 1 : body.find_first_not_of(' '));
    sections += ".SH " + title + "\n" + verbatim(body);
  }
  for (const CommandOption& o : tree.options)
    if (const std::string variable = variable_of(o); !variable.empty())
      environment += ".TP\n" + bold(variable) + "\nWhere " + bold(o.names.back()) + " is not given, its value.\n";
  return out + (environment.empty() ? "" : ".SH ENVIRONMENT\n" + environment) + sections;
}

void add_man(CLI::App& app, Action& action) {
  CLI::App* verb = app.add_subcommand("man", "Print the manual page attnrt(1), such as: attnrt man | man -l -");
  verb->callback([&app, &action] {
    action = [&app](const GlobalFlags&) -> int {
      fmt::print("{}", man_page(read_command_tree(app), attnrt_version()));
      return kDone;
    };
  });
}

}  // namespace attnrt::cli
