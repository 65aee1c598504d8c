// SPDX-License-Identifier: Apache-2.0
#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>

#include "bench_flags.hpp"
#include "bench_plot.hpp"
#include "bench_serve.hpp"
#include "document.hpp"
#include "failure.hpp"
#include "model_problem.hpp"
#include "verbs.hpp"

namespace attnrt::cli {
namespace {

namespace json = boost::json;

/// Where the measurement stands, on standard error: one line that changes, or a line each where no terminal shows it.
class Progress {
 public:
  Progress(bool quiet, std::size_t steps) : quiet_(quiet), live_(::isatty(STDERR_FILENO) == 1), steps_(steps) {}
  ~Progress() {
    if (!quiet_ && live_) fmt::print(stderr, "\r\033[K");
  }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void step(const std::string& what) {
    ++at_;
    if (quiet_) return;
    fmt::print(stderr, "{}[{}/{}] {}{}", live_ ? "\r\033[K" : "", at_, steps_, what, live_ ? "" : "\n");
    std::fflush(stderr);
  }

 private:
  bool quiet_, live_;
  std::size_t steps_, at_ = 0;
};

/// Every variant that can serve a problem, in the order of selection; an empty name where none can.
std::vector<std::string> variants_for(const Runtime& runtime, const attnrt_problem& problem) {
  std::vector<std::string> names;
  const Choice choice = runtime.try_select(problem);
  const json::value document = json::parse(choice.json());
  for (const json::value& candidate : array_at(document, "candidates"))
    for (const json::value& variant : array_at(candidate, "variants"))
      if (text_at(variant, "valid") == "true")
        names.push_back(text_at(candidate, "backend") + "/" + text_at(variant, "name"));
  if (names.empty()) names.push_back("");
  return names;
}

/// A variant on a case, with what was measured so far.
struct Contender {
  BenchResult result;
  std::unique_ptr<BenchSetup> setup;  ///< empty: refused

  Contender(Runtime& runtime, const BenchData& data, const BenchWish& wish, const attnrt_executor* pool) {
    result.shape = data.shape;
    result.dtype = data.dtype;
    result.threads = pool->num_workers;
    result.variant = wish.variant;
    try {
      setup = std::make_unique<BenchSetup>(runtime, data, wish, pool);
      result.variant = setup->variant();
      result.layout = setup->layout_id();
      result.block_size = setup->block_size();
      result.kv_dtype = setup->kv_dtype();
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
    const BenchTimes times = measure_times([this] { setup->run(); }, effort, true);
    auto& all = result.times.seconds;
    all.insert(all.end(), times.seconds.begin(), times.seconds.end());
    std::sort(all.begin(), all.end());
  }
};

/// All variants and layouts on one case, in turn, `rounds` times.
std::vector<BenchResult> measure_case(Runtime& runtime, const BenchFlags& flags, const BenchData& data,
                                      const attnrt_executor* pool, int64_t rounds) {
  std::vector<Contender> contenders;
  for (BenchWish wish : wanted_layouts(flags)) {
    std::vector<std::string> names = wanted_variants(flags);
    if (names.empty() && data.shape.uncompressed()) names.push_back("");  // no force reaches an MLA prefill
    if (names.empty()) names = variants_for(runtime, bench_problem(runtime, data.shape, data.dtype, wish));
    for (const std::string& name : names) {
      wish.variant = name;
      contenders.emplace_back(runtime, data, wish, pool);
    }
  }
  const BenchEffort effort = wanted_effort(flags);
  for (int64_t round = 0; round < rounds; ++round)
    for (Contender& c : contenders)
      if (c.setup) c.measure(effort);
  std::vector<BenchResult> results;
  for (Contender& c : contenders) {
    if (c.setup) c.result.error = data.error(c.setup->out());
    results.push_back(std::move(c.result));
  }
  return results;
}

void write_plot(const std::string& path, const std::string& svg) {
  std::ofstream file(path);
  file << svg << std::flush;
  if (!file) throw Failure(fmt::format("--plot: {} cannot be written", path));
}

int bench(const GlobalFlags& global, const BenchFlags& flags) {
  const std::optional<ModelConfig> model = wanted_model(flags);
  if (model && !global.quiet) tell_measured(*model);
  const std::vector<BenchCase> cases = wanted_cases(flags, model);
  const std::vector<uint32_t> dtypes = wanted_dtypes(flags, model);
  std::vector<uint32_t> threads = wanted_threads(flags);
  const int64_t rounds = flags.rounds ? whole(*flags.rounds, 1, 1000) : 1;
  const std::vector<BenchWish> layouts = wanted_layouts(flags);
  wanted_effort(flags);
  Runtime runtime = open_runtime(global);
  if (flags.serve) {
    BenchWish wish = layouts.front();
    if (const auto names = wanted_variants(flags); !names.empty()) wish.variant = names.front();
    serve_bench(runtime, wish, std::cin, std::cout);
    return kDone;
  }
  if (!flags.plot.empty()) write_plot(flags.plot, "");  // an hour of measuring should not end in a bad path
  if (threads.empty()) threads.push_back(runtime.executor()->num_workers);
  Progress progress(global.quiet,
                    cases.size() * dtypes.size() * threads.size() + (flags.no_limits ? 0 : threads.size()));
  std::vector<BenchLimits> limits;
  for (const uint32_t n : threads) {
    if (flags.no_limits) break;
    progress.step(fmt::format("limits, threads {}", n));
    limits.push_back(measure_limits(runtime.executor(n)));
  }
  std::vector<BenchResult> results;
  for (const BenchCase& c : cases)
    for (const uint32_t dtype : dtypes) {
      const BenchData data(c, dtype);
      for (const uint32_t n : threads) {
        progress.step(fmt::format("{}, {}, threads {}", c.id, word_of_element(dtype), n));
        for (BenchResult& r : measure_case(runtime, flags, data, runtime.executor(n), rounds))
          results.push_back(std::move(r));
      }
    }
  if (flags.as_json)
    print_json(bench_json(results, limits));
  else
    print_bench(results, limits);
  if (!flags.plot.empty()) write_plot(flags.plot, bench_svg(results, limits));
  const bool any = std::any_of(results.begin(), results.end(), [](const BenchResult& r) { return r.refusal.empty(); });
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
