// SPDX-License-Identifier: Apache-2.0
#include <spdlog/fmt/fmt.h>

#include <cmath>
#include <memory>

#include "attnrt/diag.hpp"
#include "conformance/system_driver.hpp"
#include "document.hpp"
#include "emulation.hpp"
#include "failure.hpp"
#include "model_problem.hpp"
#include "run/chunked.hpp"
#include "run/compare.hpp"
#include "run/metadata.hpp"
#include "run/names.hpp"
#include "run/score_size.hpp"
#include "verbs.hpp"

namespace attnrt::cli {
namespace {

namespace json = boost::json;

/// What is told about a run.
struct Report {
  const RunFile& run;
  const RunFlags& flags;
  const Choice& choice;
  const Computed& computed;
  std::optional<int64_t> chunk;
  int64_t repeat;
  uint32_t threads;
  double tolerance;
  std::optional<Comparison> out, lse;

  /// An emulator computed, of whose time nothing can be said.
  bool emulated() const { return conformance::is_emulated(choice.problem().device_type); }
  bool on_cpu() const { return choice.problem().device_type == ATTNRT_DEVICE_CPU; }
  bool passed() const { return (!out || out->passed) && (!lse || lse->passed); }
};

/// JSON has no infinity: an error that is none is null.
json::value finite(double value) { return std::isfinite(value) ? json::value(value) : json::value(nullptr); }

json::value comparison_json(const std::optional<Comparison>& c) {
  if (!c) return nullptr;
  json::object o{{"passed", c->passed},
                 {"max_error", finite(c->max_error)},
                 {"rms_error", finite(c->rms_error)},
                 {"bound", finite(c->bound)}};
  o["rms_bound"] = c->rms_bound ? finite(*c->rms_bound) : nullptr;
  o["worst"] = json::object{{"index", json::array(c->worst.begin(), c->worst.end())},
                            {"seen", finite(c->seen)},
                            {"wanted", finite(c->wanted)}};
  return o;
}

json::value report_json(const Report& r, const json::value& choice) {
  const auto text = [](bool given, json::value value) { return given ? std::move(value) : json::value(nullptr); };
  json::object o;
  o["file"] = r.run.path;
  o["backend"] = r.choice.backend();
  o["variant"] = r.choice.variant();
  o["plugin"] = text_at(choice, "plugin");
  o["device"] = text_at(choice.at("problem"), "device");
  o["source"] = text_at(choice, "source");
  o["dtype"] = word_of(r.run.q.dtype);
  o["num_requests"] = r.run.num_seqs();
  o["num_tokens"] = r.run.num_tokens();
  o["num_heads"] = r.run.num_heads();
  o["num_kv_heads"] = r.run.num_kv_heads;
  o["head_size"] = r.run.head_size();
  o["head_size_v"] = r.run.head_size_v;
  o["kv_layout"] = choice.at("kv_layout");
  o["block_size"] = text(r.choice.problem().block_size != 0, r.choice.problem().block_size);
  o["chunk"] = text(r.chunk.has_value(), r.chunk.value_or(0));
  o["threads"] = text(r.on_cpu(), r.threads);
  o["repeat"] = r.repeat;
  o["emulated"] = r.emulated();
  o["time_ms"] = text(!r.emulated(), r.computed.milliseconds);
  o["output"] = text(!r.flags.output.empty(), json::value(r.flags.output));
  o["tolerance"] = r.tolerance;
  o["passed"] = r.out || r.lse ? json::value(r.passed()) : json::value(nullptr);
  o["out"] = comparison_json(r.out);
  o["lse"] = comparison_json(r.lse);
  return o;
}

void print_comparison(const char* name, const Comparison& c) {
  const std::string rms_bound = c.rms_bound ? fmt::format(" (bound {:.2g})", *c.rms_bound) : "";
  fmt::print("{:<8} {}: max error {:.2g} (bound {:.2g}), rms {:.2g}{}\n", name, c.passed ? "as expected" : "WRONG",
             c.max_error, c.bound, c.rms_error, rms_bound);
}

void print_report(const Report& r, const json::value& choice) {
  const RunFile& run = r.run;
  const attnrt_problem& p = r.choice.problem();
  fmt::print("{:<8} {}\n", "file", sdk::printable(run.path));
  const std::string width = run.head_size() == run.head_size_v ? std::to_string(run.head_size())
                                                               : fmt::format("{}/{}", run.head_size(), run.head_size_v);
  print_wrapped(fmt::format("{:<8} ", "problem"), 9,
                fmt::format("{}, {} requests, {} query tokens, {} heads over {} of {}", word_of(run.q.dtype),
                            run.num_seqs(), run.num_tokens(), run.num_heads(), run.num_kv_heads, width));
  if (p.block_size)
    print_wrapped(fmt::format("{:<8} ", "cache"), 9,
                  fmt::format("{}, blocks of {}{}", text_at(choice.at("kv_layout"), "id"), p.block_size,
                              r.chunk ? fmt::format(", chunks of {}", *r.chunk) : ""));
  fmt::print("{:<8} {}/{} on {}{}\n", "backend", r.choice.backend(), r.choice.variant(),
             r.emulated() ? "emulated " : "", text_at(choice.at("problem"), "device"));
  if (!r.emulated())
    fmt::print("{:<8} {:.3f} ms{}{}\n", "time", r.computed.milliseconds,
               r.on_cpu() ? fmt::format(" with {} threads", r.threads) : "",
               r.repeat > 1 ? fmt::format(", median of {}", r.repeat) : "");
  if (r.out) print_comparison("out", *r.out);
  if (r.lse) print_comparison("lse", *r.lse);
  if (!r.flags.output.empty()) fmt::print("{:<8} {}\n", "written", sdk::printable(r.flags.output));
}

void write_output(const RunFlags& flags, const RunFile& run, const Computed& computed, const Choice& choice) {
  if (flags.output.empty()) return;
  const Array out = run.batch ? unpack(computed.out, *run.batch, run.order) : computed.out;
  std::map<std::string, const Array*> tensors{{"out", &out}};
  if (computed.lse) tensors["lse"] = &*computed.lse;
  write_safetensors(flags.output, tensors,
                    {{"backend", choice.backend()}, {"variant", choice.variant()}, {"attnrt", attnrt_version()}});
}

/// The sentence of a comparison that failed.
std::string complaint(const char* name, const Comparison& c) {
  return fmt::format("{}{} is {:g}, wanted {:g} within {:.2g}; its RMS error is {:.2g}{}", name, text_of(c.worst),
                     c.seen, c.wanted, c.bound, c.rms_error,
                     c.rms_bound ? fmt::format(", wanted at most {:.2g}", *c.rms_bound) : "");
}

/// What neither a flag nor the file says; its dtype is not the file's, which may be wider for a comparison.
void add_model(RunFlags& flags, bool quiet) {
  ModelConfig model = read_model_config(flags.model);
  if (!quiet) tell_assumed(model);
  const LayerKind& kind = kind_of_layer(model, flags.layer);
  const MaybeSetting dtype = flags.problem.dtype, window = flags.problem.sliding_window;
  const bool sparse = flags.problem.sparse;  // a dump of dense attention knows nothing of it
  fill_from_model(flags.problem, model, kind);
  flags.problem.dtype = dtype;
  flags.problem.sparse = sparse;
  if (flags.window_size) flags.problem.sliding_window = window;
  if (model.scale && !flags.scale) flags.scale = Setting{fmt::format("{}", *model.scale), model.path + ": the scale"};
}

int run_verb(GlobalFlags global, RunFlags flags) {
  const auto whole_or = [](const MaybeSetting& s, int64_t low, int64_t high, int64_t otherwise) {
    return s ? whole(*s, low, high) : otherwise;
  };
  std::optional<int64_t> chunk;
  if (flags.chunk) chunk = whole(*flags.chunk, 1, INT32_MAX);
  const int64_t repeat = whole_or(flags.repeat, 1, 1'000'000, 1);
  const auto threads = static_cast<uint32_t>(whole_or(flags.threads, 1, 1024, 0));
  const double tolerance = flags.tolerance ? number(*flags.tolerance, 0) : 1;

  const Safetensors file(flags.file);
  const RunNames names(file);
  add_metadata(flags, file, names);
  if (!flags.model.empty()) add_model(flags, global.quiet);
  check_operands(flags, file.path(), names);
  RunFile run = read_run_file(file, names, flags);
  const float scale = softmax_scale(run, flags);
  if (!flags.emulate.empty()) {
    emulate_device(flags.emulate);
    global.emulated = true;
    flags.problem.device = Setting{device_type_of(flags.emulate) + ":0", "--emulate"};
  }
  const Runtime runtime = open_runtime(global);
  attnrt_problem problem = to_run_problem(runtime, run, flags);
  const std::shared_ptr<const Flex> program = read_flex(flags.flex);
  if (program) {
    if (chunk) throw Failure("--chunk is given beside --flex, wanted one of them");
    program->give(problem);
    run.flex = FlexArrays(*program, file);
  }
  for (const auto& tensor : file.header().tensors)
    if (!program && is_flex_buffer(tensor.first))
      throw Failure(fmt::format("{} has the tensor {}, wanted --flex beside it: a program's buffer", file.path(),
                                in_quotes(tensor.first)));
  if (chunk) check_chunked(run, problem);
  const Choice choice = runtime.select(problem);
  const Op op = runtime.op(choice);
  const Effort effort{runtime.executor(threads), repeat};
  const Computed computed =
      chunk ? compute_chunked(op, choice, run, scale, *chunk, effort) : compute(op, choice, run, scale, effort);
  write_output(flags, run, computed, choice);

  Report report{run, flags, choice, computed, chunk, repeat, effort.pool->num_workers, tolerance, {}, {}};
  std::vector<double> sizes;
  if (run.expected_out || run.expected_lse) sizes = score_sizes(run, choice.problem(), scale);
  if (run.expected_out) report.out = compare_out(run, sizes, computed.out, tolerance);
  if (run.expected_lse && computed.lse) report.lse = compare_lse(*run.expected_lse, sizes, *computed.lse, tolerance);
  const json::value document = json::parse(choice.json());
  flags.as_json ? print_json(report_json(report, document)) : print_report(report, document);
  if (report.out && !report.out->passed) throw Failure(complaint("out", *report.out), kCheckFailed);
  if (report.lse && !report.lse->passed) throw Failure(complaint("lse", *report.lse), kCheckFailed);
  return kDone;
}

}  // namespace

void add_run(CLI::App& app, Action& action) {
  const auto flags = std::make_shared<RunFlags>();
  CLI::App* verb = app.add_subcommand(
      "run", "Attention over the tensors in a safetensors file, compared where it holds expected.out");
  add_run_flags(*verb, *flags);
  verb->callback(
      [flags, &action] { action = [flags](const GlobalFlags& global) { return run_verb(global, *flags); }; });
}

}  // namespace attnrt::cli
