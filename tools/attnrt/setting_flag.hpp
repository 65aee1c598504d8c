// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_CLI_SETTING_FLAG_HPP
#define ATTNRT_CLI_SETTING_FLAG_HPP
#include <CLI/CLI.hpp>

#include "setting.hpp"

namespace attnrt::cli {

/// An option whose text is kept with the option's name, for sentences about it. `name` and `to` outlive the parser.
inline CLI::Option* add_setting(CLI::App& verb, const char* name, const char* type, MaybeSetting& to,
                                const char* help) {
  return verb
      .add_option_function<std::string>(
          name,
          [name, &to](const std::string& text) {
            to = Setting{text, name};
          },
          help)
      ->type_name(type);
}

}  // namespace attnrt::cli
#endif
