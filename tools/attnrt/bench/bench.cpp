// SPDX-License-Identifier: Apache-2.0
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>

#include "bench/flags.hpp"
#include "bench/plot.hpp"
#include "bench/serve.hpp"
#include "bench/table.hpp"
#include "bench/variants.hpp"
#include "conformance/system_driver.hpp"
#include "document.hpp"
#include "failure.hpp"
#include "mirror.hpp"
#include "model_problem.hpp"
#include "progress.hpp"
#include "verbs.hpp"

namespace attnrt::cli {
namespace {

namespace json = boost::json;

bool is_cpu(const std::string& device) { return device == "cpu" || device.starts_with("cpu:"); }

/// "NVIDIA H200" of cuda:0, as the library knows it; "" of the CPU.
std::string name_of_device(const Runtime& runtime, const std::string& device) {
  if (is_cpu(device)) return "";
  const json::value document = json::parse(runtime.doctor());
  for (const json::value& each : array_at(document, "devices"))
    if (text_at(each, "device") == device) return text_at(each, "name");
  return device;
}

/// Throws Failure where times on the device of the flags would say nothing.
void want_measurable(const Runtime& runtime, const BenchFlags& flags) {
  const attnrt_problem problem = runtime.problem(flags.device.c_str());
  want_device_here(problem, flags.device);
  if (conformance::is_emulated(problem.device_type))
    throw Failure(
        fmt::format("--device is '{}', which an emulator plays: its times say nothing of a device; wanted a real "
                    "one, or attnrt run and attnrt verify",
                    flags.device));
  if (!is_cpu(flags.device) && !flags.threads.empty())
    throw Failure(fmt::format("--threads is '{}', wanted it with --device cpu", flags.threads));
}

BenchLimits limits_of_device(const Runtime& runtime, const std::string& device) {
  const Mirror there(runtime.problem(device.c_str()), nullptr);
  return measure_limits(*there.memory(), device);
}

/// A variant on a case, with what was measured so far.
struct Contender {
  BenchResult result;
  std::unique_ptr<BenchSetup> setup;  ///< empty: refused

  Contender(Runtime& runtime, const BenchData& data, const BenchWish& wish, const attnrt_executor* pool) {
    result.shape = data.shape;
    result.dtype = data.dtype;
    result.threads = pool->num_workers;
    if (!is_cpu(wish.device)) result.device = wish.device;
    result.variant = wish.variant;
    try {
      setup = std::make_unique<BenchSetup>(runtime, data, wish, pool);
      result.variant = setup->variant();
      result.layout = setup->layout_id();
      result.block_size = setup->block_size();
      result.kv_dtype = setup->kv_dtype();
      if (result.device.empty()) result.unit = unit_of_variant(runtime, result.variant, data.dtype);
      if (data.shape.uncompressed() && !wish.variant.empty() && result.variant != wish.variant) {
        result.refusal = "wanted -ac.mla_prefill_backend " + wish.variant + ": nothing else forces an MLA prefill";
        result.variant = wish.variant;
        setup.reset();
      }
    } catch (const Error& e) {
      if (e.status() != ATTNRT_UNSUPPORTED && e.status() != ATTNRT_UNAVAILABLE) throw;
      result.refusal = e.what();
    }
  }

  void measure(const BenchEffort& effort) {
    const BenchTimes times = measure_times([this] { return setup->timed_run(); }, effort, true);
    auto& all = result.times.seconds;
    all.insert(all.end(), times.seconds.begin(), times.seconds.end());
    std::sort(all.begin(), all.end());
  }
};

/// All variants and layouts on one case, in turn, `rounds` times; adds them to the report.
void measure_case(Runtime& runtime, const BenchFlags& flags, const BenchData& data, const attnrt_executor* pool,
                  int64_t rounds, BenchReport& report) {
  std::vector<Contender> contenders;
  for (const BenchWish& wish : wanted_layouts(flags)) {
    const BenchVariants variants = bench_variants(runtime, data.shape, data.dtype, wish, wanted_variants(flags));
    for (const BenchWish& each : variants.measured) contenders.emplace_back(runtime, data, each, pool);
    for (const BenchLeftOut& left_out : variants.left_out)
      if (std::find(report.left_out.begin(), report.left_out.end(), left_out) == report.left_out.end())
        report.left_out.push_back(left_out);
  }
  const BenchEffort effort = wanted_effort(flags);
  for (int64_t round = 0; round < rounds; ++round)
    for (Contender& c : contenders)
      if (c.setup) c.measure(effort);
  for (Contender& c : contenders) {
    if (c.setup) c.result.error = data.error(c.setup->out());
    report.results.push_back(std::move(c.result));
  }
}

void print(const BenchReport& report, BenchFormat format) {
  switch (format) {
    case BenchFormat::json:
      return print_json(bench_json(report));
    case BenchFormat::csv:
      fmt::print("{}", bench_csv(report));
      return;
    case BenchFormat::markdown:
      fmt::print("{}", bench_markdown(report));
      return;
    case BenchFormat::table:
      fmt::print("{}", bench_table(report));
      return;
  }
}

void write_plot(const std::string& path, const std::string& svg) {
  std::ofstream file(path);
  file << svg << std::flush;
  if (!file) throw Failure(fmt::format("--plot: {} cannot be written", path));
}

int bench(const GlobalFlags& global, const BenchFlags& flags) {
  if (!flags.emulate.empty())
    throw Failure(
        fmt::format("--emulate is '{}': an emulator's times say nothing of a device; wanted --device with a real "
                    "one, or attnrt run and attnrt verify",
                    flags.emulate));
  const std::optional<ModelConfig> model = wanted_model(flags);
  if (model && !global.quiet) tell_measured(*model);
  const std::vector<BenchCase> cases = wanted_cases(flags, model);
  const std::vector<uint32_t> dtypes = wanted_dtypes(flags, model);
  std::vector<uint32_t> threads = wanted_threads(flags);
  const int64_t rounds = flags.rounds ? whole(*flags.rounds, 1, 1000) : 1;
  const std::vector<BenchWish> layouts = wanted_layouts(flags);
  const BenchFormat format = wanted_format(flags);
  wanted_effort(flags);
  Runtime runtime = open_runtime(global);
  want_measurable(runtime, flags);
  const bool on_cpu = is_cpu(flags.device);
  if (flags.serve) {
    BenchWish wish = layouts.front();
    if (const auto names = wanted_variants(flags); !names.empty()) wish.variant = names.front();
    serve_bench(runtime, wish, std::cin, std::cout);
    return kDone;
  }
  if (!flags.plot.empty()) write_plot(flags.plot, "");  // an hour of measuring should not end in a bad path
  if (threads.empty()) threads.push_back(on_cpu ? runtime.executor()->num_workers : 1);
  Progress progress(global.quiet,
                    cases.size() * dtypes.size() * threads.size() + (flags.no_limits ? 0 : threads.size()));
  BenchReport report;
  report.device_name = name_of_device(runtime, flags.device);
  for (const uint32_t n : threads) {
    if (flags.no_limits) break;
    progress.step(on_cpu ? fmt::format("limits, threads {}", n) : "limits of " + flags.device);
    report.limits.push_back(on_cpu ? measure_limits(runtime.executor(n)) : limits_of_device(runtime, flags.device));
  }
  for (const BenchCase& c : cases)
    for (const uint32_t dtype : dtypes) {
      const BenchData data(c, dtype);
      for (const uint32_t n : threads) {
        progress.step(fmt::format("{}, {}, {}", c.id, sdk::dtype_name(dtype),
                                  on_cpu ? fmt::format("threads {}", n) : flags.device));
        measure_case(runtime, flags, data, runtime.executor(n), rounds, report);
      }
    }
  print(report, format);
  if (!flags.plot.empty()) write_plot(flags.plot, bench_svg(report));
  const bool any =
      std::any_of(report.results.begin(), report.results.end(), [](const BenchResult& r) { return r.refusal.empty(); });
  if (!any) throw Failure("no variant serves any of these cases", kCheckFailed);
  return kDone;
}

}  // namespace

void add_bench(CLI::App& app, Action& action) {
  const auto flags = std::make_shared<BenchFlags>();
  CLI::App* verb =
      app.add_subcommand("bench", "How fast each variant is on a grid of cases, beside what the machine can do");
  add_bench_flags(*verb, *flags);
  verb->callback([flags, &action] { action = [flags](const GlobalFlags& global) { return bench(global, *flags); }; });
}

}  // namespace attnrt::cli
