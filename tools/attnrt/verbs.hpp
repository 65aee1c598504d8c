// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_CLI_VERBS_HPP
#define ATTNRT_CLI_VERBS_HPP
#include <CLI/CLI.hpp>
#include <functional>

#include "global_flags.hpp"

namespace attnrt::cli {

/// What a verb does once the command line is read; returns the exit status. Empty while no verb was named.
using Action = std::function<int(const GlobalFlags&)>;

/// Each adds one verb with its flags; when it is named, `action` becomes what it does.
void add_list(CLI::App& app, Action& action);
void add_show(CLI::App& app, Action& action);
void add_select(CLI::App& app, Action& action);
void add_run(CLI::App& app, Action& action);
void add_bench(CLI::App& app, Action& action);
void add_flex(CLI::App& app, Action& action);
void add_tune(CLI::App& app, Action& action);
void add_doctor(CLI::App& app, Action& action);
void add_docs(CLI::App& app, Action& action);
void add_forgive(CLI::App& app, Action& action);
void add_verify(CLI::App& app, Action& action);
void add_completion(CLI::App& app, Action& action);
void add_man(CLI::App& app, Action& action);

}  // namespace attnrt::cli
#endif
