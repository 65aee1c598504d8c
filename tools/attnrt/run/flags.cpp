// SPDX-License-Identifier: Apache-2.0
#include "run/flags.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

#include "failure.hpp"
#include "model_problem.hpp"
#include "setting_flag.hpp"

namespace attnrt::cli {
namespace {

constexpr const char* kNoOperand[] = {"--sparse", "--mm-prefix", "--tree-mask", "--block-sparse", "--dcp-size"};

}  // namespace

void add_run_flags(CLI::App& verb, RunFlags& flags) {
  const auto value = [&verb](const char* name, const char* type, MaybeSetting& to, const char* help) {
    return add_setting(verb, name, type, to, help);
  };
  verb.add_option("FILE", flags.file, "Tensors in a safetensors file; docs/run-file.md describes it")->required();
  verb.add_option("-o,--output", flags.output, "Write out, and lse where it was computed, to this safetensors file")
      ->type_name("FILE");
  value("--chunk", "N", flags.chunk,
        "Compute a causal file without a cache as an engine would: N tokens of a request at a time, through a paged "
        "cache of blocks of --block-size");
  value("--threads", "N", flags.threads, "Threads that compute; default: one for each CPU");
  value("--repeat", "N", flags.repeat, "Compute N times and tell the median time: 1");
  value("--tolerance", "X", flags.tolerance, "Multiply the error that is allowed against expected.*: 1");
  value("--scale", "X", flags.scale, "Softmax scale; default: the file's, or 1 / sqrt(head size)");
  value("--layout", "NAME", flags.layout, "What four dimensions mean: bhsd (default) or bshd");
  CLI::Option* model = add_model_flag(verb, flags.model);
  value("--layer", "N", flags.layer,
        "The layer of the model that the file holds, from 0; needed where its layers differ")
      ->needs(model);
  verb.add_option(
          "--emulate", flags.emulate,
          "cuda:8.0, cuda:9.0, ...: compute on this device, played by the SDK's emulator, which runs the kernels' "
          "PTX; tells no time")
      ->type_name("DEVICE");
  verb.add_flag("--json", flags.as_json, "What was computed, compared and measured, as JSON");
  add_problem_flags(verb, flags.problem);
  add_flex_flags(verb, flags.flex);
  // What a run file has no operand for is refused when it is given, and need not be read about.
  for (CLI::Option* option : verb.get_options())
    if (option->get_group() == "The problem")
      option->group(std::any_of(std::begin(kNoOperand), std::end(kNoOperand),
                                [option](const char* name) { return option->check_name(name); })
                        ? ""
                        : "The problem (default: what the file says, on the CPU)");
  verb.get_option("--emulate")->excludes("--device");
}

void check_operands(const RunFlags& flags, const std::string& path, const RunNames& names) {
  const ProblemFlags& p = flags.problem;
  const std::pair<bool, const char*> operands[] = {{p.sparse, "--sparse"},
                                                   {p.mm_prefix, "--mm-prefix"},
                                                   {p.tree_mask, "--tree-mask"},
                                                   {p.block_sparse, "--block-sparse"},
                                                   {p.dcp_size.has_value(), "--dcp-size"}};
  for (const auto& [given, name] : operands)
    if (given)
      throw Failure(fmt::format("{} is given, wanted it with select only: a run file has no operand for it", name));
  const std::tuple<bool, const char*, const char*> tensors[] = {
      {p.sink, "sinks", "--sink or the model's sinks"},
      {p.alibi, "alibi_slopes", "--alibi or the model's slopes"},
      {p.dense_mask, "attn_mask", "--dense-mask"}};
  for (const auto& [given, name, flag] : tensors)
    if (given && !names.tensor(name))
      throw Failure(fmt::format("{} has no tensor '{}', wanted it for {}", path, name, flag));
}

}  // namespace attnrt::cli
