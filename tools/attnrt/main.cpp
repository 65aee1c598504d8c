// SPDX-License-Identifier: Apache-2.0
//
// attnrt: the command line of libattnrt.so.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <new>
#include <stdexcept>
#include <string_view>

#include "attnrt/diag.hpp"
#include "failure.hpp"
#include "help_text.hpp"
#include "misspelt.hpp"
#include "streams.hpp"
#include "verbs.hpp"

namespace attnrt::cli {
namespace {

constexpr const char* kFooter = R"(Anywhere on the line, what an engine would have in its attention config:
  -ac.KEY VALUE, --attention-config.KEY VALUE
                              One key: backend, mla_prefill_backend, ...
  -ac '{...}', --attention-config '{...}'
                              Several keys, as JSON

Exit status: 0 done, 1 no backend serves the problem or a check failed,
2 the command line or a file is wrong, 3 standard output cannot be written.

Examples:
  attnrt list
  attnrt show CPU_ATTN
  attnrt select --head-size 80 --dtype fp16 --explain
  attnrt select --device cuda:9.0 --mla --json
  attnrt run tests/data/minilm_encoder_l3.safetensors
  attnrt run layer.safetensors --chunk 16 --output out.safetensors
  attnrt bench --case prefill_2048 --plot bench.svg
  attnrt tune --dtype bf16
  attnrt verify build/my_attn.so --quick)";

int interpret(std::vector<std::string> arguments) {
  GlobalFlags flags;
  flags.attention_config = take_attention_config(arguments);
  CLI::App app("The attention runtime: which backends are here, which one serves a model, and what it computes.",
               "attnrt");
  app.formatter(std::make_shared<HelpText>());
  app.footer(kFooter);
  app.set_version_flag("--version", std::string("attnrt ") + attnrt_version());
  app.require_subcommand(1);
  add_global_flags(app, flags);
  Action action;
  add_list(app, action);
  add_show(app, action);
  add_select(app, action);
  add_run(app, action);
  add_bench(app, action);
  add_tune(app, action);
  add_flex(app, action);
  add_doctor(app, action);
  add_docs(app, action);
  add_forgive(app, action);
  add_verify(app, action);
  add_completion(app, action);
  add_man(app, action);
  for (CLI::App* verb : app.get_subcommands({})) {
    verb->fallthrough();
    verb->footer("Flags of every verb, --attention-backend and -v among them: attnrt --help");
  }
  if (arguments.empty()) {
    fmt::print("{}", app.help());
    return kUsage;
  }
  const std::vector<std::string> said = arguments;
  std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    const std::string meant = misspelt(app, said);
    throw Failure(error.what() + (meant.empty() ? "; " : meant + " ") + "attnrt --help tells more");
  }
  return action(flags);
}

/// The library's statuses as the program's: what the caller got wrong is usage.
int exit_status(const Error& error) { return error.status() == ATTNRT_INVALID ? kUsage : kCheckFailed; }

/// One line on standard error, whatever the sentence quotes; the status.
int complain(int status, std::string_view sentence) noexcept {
  try {
    tell("attnrt: " + sdk::printable(sentence, SIZE_MAX) + "\n");
  } catch (const std::bad_alloc&) {
    tell("attnrt: the memory of this machine is not enough\n");
  }
  return status;
}

int unwritable() noexcept { return complain(kUnwritable, "standard output cannot be written"); }

}  // namespace
}  // namespace attnrt::cli

int main(int argc, char** argv) {
  using namespace attnrt::cli;
  open_missing_streams();
  try {
    const int status = interpret(std::vector<std::string>(argv + 1, argv + argc));
    return flush_output() ? status : unwritable();
  } catch (const Failure& failure) {
    return complain(failure.status(), failure.what());
  } catch (const attnrt::Error& error) {
    return complain(exit_status(error), error.what());
  } catch (const std::bad_alloc&) {
    return complain(kCheckFailed, "the memory of this machine is not enough, wanted less to compute");
  } catch (const std::exception& error) {
    return flush_output() ? complain(kCheckFailed, error.what()) : unwritable();  // fmt throws where it cannot print
  }
}
