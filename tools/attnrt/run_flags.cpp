// SPDX-License-Identifier: Apache-2.0
#include "run_flags.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <iterator>

#include "failure.hpp"

namespace attnrt::cli {
namespace {

constexpr const char* kNoOperand[] = {"--sparse",     "--mm-prefix",    "--tree-mask",
                                      "--dense-mask", "--block-sparse", "--dcp-size"};

}  // namespace

void add_run_flags(CLI::App& verb, RunFlags& flags) {
  const auto value = [&verb](const char* name, const char* type, MaybeSetting& to, const char* help) {
    verb.add_option_function<std::string>(
            name,
            [name, &to](const std::string& text) {
              to = Setting{text, name};
            },
            help)
        ->type_name(type);
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
  verb.add_flag("--json", flags.as_json, "What was computed, compared and measured, as JSON");
  add_problem_flags(verb, flags.problem);
  // What a run file has no operand for is refused when it is given, and need not be read about.
  for (CLI::Option* option : verb.get_options())
    if (option->get_group() == "The problem")
      option->group(std::any_of(std::begin(kNoOperand), std::end(kNoOperand),
                                [option](const char* name) { return option->check_name(name); })
                        ? ""
                        : "The problem (default: what the file says, on the CPU)");
}

void add_metadata(RunFlags& flags, const Safetensors& file) {
  ProblemFlags& p = flags.problem;
  flags.kv_layout_flag = p.kv_layout.has_value();
  const std::pair<const char*, MaybeSetting*> words[] = {
      {"attn_type", &p.attn_type}, {"causal", &p.causal},
      {"scale", &flags.scale},     {"sliding_window", &p.sliding_window},
      {"softcap", &p.softcap},     {"kv_layout", &p.kv_layout},
      {"layout", &flags.layout},   {"mla", &p.mla}};
  for (const auto& [key, setting] : words) {
    const auto found = file.header().metadata.find(key);
    if (!*setting && found != file.header().metadata.end())
      *setting = Setting{found->second, fmt::format("{}: metadata {}", file.path(), key)};
  }
  const std::pair<bool, const char*> operands[] = {
      {p.sparse, "--sparse"},         {p.mm_prefix, "--mm-prefix"},       {p.tree_mask, "--tree-mask"},
      {p.dense_mask, "--dense-mask"}, {p.block_sparse, "--block-sparse"}, {p.dcp_size.has_value(), "--dcp-size"}};
  for (const auto& [given, name] : operands)
    if (given)
      throw Failure(fmt::format("{} is given, wanted it with select only: a run file has no operand for it", name));
  const std::pair<bool, const char*> tensors[] = {{p.sink, "sinks"}, {p.alibi, "alibi_slopes"}};
  for (const auto& [given, name] : tensors)
    if (given && !file.has(name))
      throw Failure(fmt::format("{} has no tensor '{}', wanted it for --{}", file.path(), name,
                                p.sink && !file.has("sinks") ? "sink" : "alibi"));
}

}  // namespace attnrt::cli
