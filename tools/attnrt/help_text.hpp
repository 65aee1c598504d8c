// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_CLI_HELP_TEXT_HPP
#define ATTNRT_CLI_HELP_TEXT_HPP
#include <CLI/CLI.hpp>
#include <sstream>
#include <string>

namespace attnrt::cli {

/// Help in 80 columns: CLI11 itself does not break lines, and tells exclusions where a reader looks for the value.
class HelpText : public CLI::Formatter {
 public:
  std::string make_option_opts(const CLI::Option* option) const override {
    return option->get_type_size() == 0 ? "" : " " + option->get_type_name();
  }
  std::string make_option_desc(const CLI::Option* option) const override {
    return broken(option->get_description(), 50);
  }
  std::string make_subcommand(const CLI::App* verb) const override {
    std::ostringstream out;
    CLI::detail::format_help(out, verb->get_name(), broken(verb->get_description(), 50), get_column_width());
    return out.str();
  }
  std::string make_description(const CLI::App* app) const override {
    return broken(app->get_description(), 80) + "\n\n";
  }

 private:
  static std::string broken(const std::string& text, std::size_t columns) {
    std::istringstream words(text);
    std::string out, word;
    std::size_t at = 0;
    while (words >> word) {
      const bool fits = at == 0 || at + 1 + word.size() <= columns;
      out += at == 0 ? "" : fits ? " " : "\n";
      at = fits && at != 0 ? at + 1 + word.size() : word.size();
      out += word;
    }
    return out;
  }
};

}  // namespace attnrt::cli
#endif
