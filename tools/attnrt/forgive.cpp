// SPDX-License-Identifier: Apache-2.0
#include <spdlog/fmt/fmt.h>

#include <memory>

#include "document.hpp"
#include "failure.hpp"
#include "verbs.hpp"

namespace attnrt::cli {

void add_forgive(CLI::App& app, Action& action) {
  const auto name = std::make_shared<std::string>();
  const auto as_json = std::make_shared<bool>(false);
  CLI::App* verb = app.add_subcommand("forgive", "Forgets that a plugin crashed or hung when it was probed");
  verb->add_option("NAME", *name, "The plugin's name or file name, as attnrt list shows it")->required();
  verb->add_flag("--json", *as_json, "The list of plugins after it, as JSON");
  verb->callback([name, as_json, &action] {
    action = [name, as_json](const GlobalFlags& flags) -> int {
      Runtime runtime = open_runtime(flags);
      runtime.forgive(*name);
      if (*as_json) print_json(boost::json::parse(runtime.list()));
      else fmt::print("{} is forgiven and was probed again; attnrt list tells how that went.\n", *name);
      return kDone;
    };
  });
}

}  // namespace attnrt::cli
