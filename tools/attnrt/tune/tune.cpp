// SPDX-License-Identifier: Apache-2.0
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>

#include "comma_list.hpp"
#include "document.hpp"
#include "failure.hpp"
#include "progress.hpp"
#include "setting_flag.hpp"
#include "tune/contest.hpp"
#include "verbs.hpp"

namespace attnrt::cli {
namespace {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;

constexpr double kUsualSeconds = 120;
/// More CPUs than this, taken by others on average, are told.
constexpr double kDisturbed = 0.25;

struct TuneFlags {
  std::string backends, dtypes = "bf16,fp16,fp32", phases = "decode,prefill,mixed";
  MaybeSetting seconds, threads;
  bool dry_run = false, as_json = false;
};

std::vector<TuneCase> wanted_grid(const TuneFlags& flags) {
  std::vector<uint32_t> dtypes, phases;
  for (const std::string& name : items_of(flags.dtypes))
    dtypes.push_back(word({name, "--dtype"}, {{"fp32", ATTNRT_FP32}, {"fp16", ATTNRT_FP16}, {"bf16", ATTNRT_BF16}}));
  for (const std::string& name : items_of(flags.phases)) phases.push_back(word({name, "--phase"}, sdk::words::phases));
  return tune_grid(dtypes, phases);
}

/// What was measured of one shape.
struct Tuned {
  TuneCase shape;
  TuneContest contest;
};

std::vector<attnrt_timing> timings_of(const std::vector<Tuned>& tuned, uint32_t num_workers) {
  std::vector<attnrt_timing> out;
  for (const Tuned& t : tuned)
    for (const TuneContender& c : t.contest.contenders) {
      auto timing = sized<attnrt_timing>();
      timing.rounds = static_cast<uint32_t>(c.sample.rounds());
      timing.num_workers = num_workers;
      timing.problem = &c.problem;
      timing.backend = c.backend.c_str();
      timing.variant = c.variant.c_str();
      timing.seconds = c.sample.median();
      timing.low = c.sample.interval().low;
      timing.high = c.sample.interval().high;
      out.push_back(timing);
    }
  return out;
}

/// "SHAPE, BACKEND" -> the variant that selection takes, for each backend that was measured.
std::map<std::string, std::string> taken(Runtime& runtime, const std::vector<Tuned>& tuned) {
  std::map<std::string, std::string> out;
  for (const Tuned& t : tuned)
    for (const TuneContender& c : t.contest.contenders) {
      const std::string key = c.backend + ", " + t.shape.name;
      if (out.count(key)) continue;
      const ForceBackend force(runtime, c.backend);
      BenchWish wish;
      wish.phase = t.shape.phase;
      out[key] = runtime.select(bench_problem(runtime, t.shape.shape, t.shape.dtype, wish)).variant();
    }
  return out;
}

/// What selection takes for each class and backend, before and after the measurement was kept.
json::array chosen_json(const std::map<std::string, std::string>& before,
                        const std::map<std::string, std::string>& now) {
  json::array out;
  for (const auto& [key, variant] : now)
    out.push_back({{"class", key}, {"variant", variant}, {"before", before.at(key)}});
  return out;
}

json::object report_json(const std::vector<Tuned>& tuned, const json::array& chosen, uint32_t num_workers,
                         double seconds, double other_cpus) {
  json::array classes;
  for (const Tuned& t : tuned) {
    json::array variants;
    for (const TuneContender& c : t.contest.contenders) {
      const auto interval = c.sample.interval();
      variants.push_back({{"backend", c.backend},
                          {"variant", c.variant},
                          {"ms_median", 1e3 * c.sample.median()},
                          {"ms_low", 1e3 * interval.low},
                          {"ms_high", 1e3 * interval.high},
                          {"rounds", c.sample.rounds()}});
    }
    classes.push_back({{"class", t.shape.name}, {"variants", std::move(variants)}});
  }
  return {{"threads", num_workers},
          {"seconds", seconds},
          {"other_cpus", other_cpus},
          {"chosen", chosen},
          {"classes", std::move(classes)}};
}

void print_report(const json::value& report, bool kept) {
  for (const json::value& c : array_at(report, "classes")) {
    fmt::print("{}\n", text_at(c, "class"));
    for (const json::value& v : array_at(c, "variants"))
      fmt::print("  {:<32} {:9.3f} ms   {:.3f} to {:.3f}, {} rounds\n",
                 text_at(v, "backend") + "/" + text_at(v, "variant"), v.at("ms_median").as_double(),
                 v.at("ms_low").as_double(), v.at("ms_high").as_double(), text_at(v, "rounds"));
  }
  fmt::print("\n{} classes in {:.0f} s on {} threads", array_at(report, "classes").size(),
             report.at("seconds").as_double(), text_at(report, "threads"));
  if (!kept) return fmt::print("; nothing was kept.\n");
  json::array changed;
  for (const json::value& c : array_at(report, "chosen"))
    if (text_at(c, "variant") != text_at(c, "before")) changed.push_back(c);
  fmt::print("; another variant is chosen in {}.\n", changed.size());
  for (const json::value& c : changed)
    print_wrapped(
        "  ", 4, fmt::format("{}: {} instead of {}", text_at(c, "class"), text_at(c, "variant"), text_at(c, "before")));
}

/// Throws Failure or Error, before minutes are spent, where what is measured could not be kept.
void want_keepable(Runtime& runtime, const TuneCase& c) {
  runtime.record(std::vector<attnrt_timing>{});
  BenchWish wish;
  wish.phase = c.phase;
  const Choice choice = runtime.try_select(bench_problem(runtime, c.shape, c.dtype, wish));
  if (choice.problem().determinism >= ATTNRT_DETERMINISM_BATCH_INVARIANT)
    throw Failure(
        "VLLM_BATCH_INVARIANT is set, and what is batch-invariant is never ranked by measurement; wanted it unset, or "
        "--dry-run");
}

int tune(const GlobalFlags& global, const TuneFlags& flags) {
  const std::vector<TuneCase> grid = wanted_grid(flags);
  if (grid.empty()) throw Failure("--dtype or --phase is empty, wanted at least one of each");
  const double budget = flags.seconds ? number(*flags.seconds, 0) : kUsualSeconds;
  Runtime runtime = open_runtime(global);
  const auto threads = flags.threads ? static_cast<uint32_t>(whole(*flags.threads, 1, 1024)) : 0;
  const attnrt_executor* pool = runtime.executor(threads);
  const std::vector<std::string> backends = items_of(flags.backends);
  for (const std::string& name : backends) runtime.show(name);  // throws for one that is not loaded
  if (!flags.dry_run) want_keepable(runtime, grid.front());
  Progress progress(global.quiet, grid.size());
  std::vector<Tuned> tuned;
  const auto start = Clock::now();
  const auto passed = [start] { return std::chrono::duration<double>(Clock::now() - start).count(); };
  double disturbed = 0, last = 0;
  for (std::size_t i = 0; i < grid.size(); ++i) {
    progress.step(grid[i].name);
    const double slice = std::max(0.0, budget - passed()) / static_cast<double>(grid.size() - i);
    TuneContest contest = tune_contest(runtime, grid[i], backends, pool, slice);
    disturbed += contest.other_cpus * (passed() - last);
    last = passed();
    if (!contest.contenders.empty()) tuned.push_back({grid[i], std::move(contest)});
  }
  if (tuned.empty()) throw Failure("no variant serves any of these problems, wanted at least one", kCheckFailed);
  json::array chosen;
  if (!flags.dry_run) {
    const auto before = taken(runtime, tuned);
    runtime.record(timings_of(tuned, pool->num_workers));
    chosen = chosen_json(before, taken(runtime, tuned));
  }
  const double other_cpus = disturbed / std::max(1e-9, last);
  const json::value report = report_json(tuned, chosen, pool->num_workers, last, other_cpus);
  flags.as_json ? print_json(report) : print_report(report, !flags.dry_run);
  if (other_cpus > kDisturbed && !global.quiet)
    tell(fmt::format("attnrt: other processes had {:.1f} CPUs meanwhile; times of a quiet machine are worth more\n",
                     other_cpus));
  return kDone;
}

}  // namespace

void add_tune(CLI::App& app, Action& action) {
  const auto flags = std::make_shared<TuneFlags>();
  CLI::App* verb =
      app.add_subcommand("tune", "Measures the variants of each backend on this CPU and ranks them by it from now on");
  const auto text = [verb](const char* name, const char* type, std::string& to, const char* help) {
    verb->add_option(name, to, help)->type_name(type);
  };
  text("--backend", "NAMES", flags->backends, "Only these backends, a comma list");
  text("--dtype", "TYPES", flags->dtypes, "Only these, a comma list: bf16,fp16,fp32");
  text("--phase", "PHASES", flags->phases, "Only these, a comma list: decode,prefill,mixed");
  add_setting(*verb, "--seconds", "S", flags->seconds,
              "About how long it may take in all; 6 rounds of each class are measured however long they take: 120");
  add_setting(*verb, "--threads", "N", flags->threads, "Threads that compute; default: one for each CPU");
  verb->add_flag("--dry-run", flags->dry_run, "Measure and print, keep nothing");
  verb->add_flag("--json", flags->as_json, "The times as JSON");
  verb->callback([flags, &action] { action = [flags](const GlobalFlags& global) { return tune(global, *flags); }; });
}

}  // namespace attnrt::cli
