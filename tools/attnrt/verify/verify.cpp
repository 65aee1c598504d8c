// SPDX-License-Identifier: Apache-2.0
#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <thread>

#include "attnrt/diag.hpp"
#include "conformance/checks.hpp"
#include "document.hpp"
#include "emulation.hpp"
#include "failure.hpp"
#include "setting.hpp"
#include "streams.hpp"
#include "verbs.hpp"
#include "verify/report.hpp"

namespace attnrt::cli {
namespace {

namespace json = boost::json;

struct VerifyFlags {
  std::string target, junit, emulate;
  std::vector<std::string> checks;
  bool quick = false, all = false, record = false, as_json = false;
  unsigned jobs = std::max(1u, std::thread::hardware_concurrency());
  unsigned patience = 600;
  uint64_t seed = 1;

  /// Something plays the device, so that the machine need not have it.
  bool plays() const { return !emulate.empty(); }
};

bool is_file(const std::string& target) { return target.ends_with(".so"); }

/// What to run, and what cannot run here.
struct Plan {
  std::vector<VerifyJob> jobs;
  std::vector<VerifySkip> skips;
};

class Planner {
 public:
  Planner(const Runtime& runtime, const VerifyFlags& flags) : runtime_(runtime), flags_(flags) {
    isa_ = runtime.problem("cpu").isa;
    for (const std::string& name : flags.checks) {
      const auto& all = conformance::variant_checks();
      if (name != "image" &&
          std::none_of(all.begin(), all.end(), [&](const conformance::Check& c) { return name == c.name; }))
        throw Failure(fmt::format("--check is '{}', wanted image, {}", name, names()));
    }
  }

  Plan make() {
    std::string backend = is_file(flags_.target) ? "" : flags_.target, variant;
    if (const std::size_t slash = backend.find('/'); slash != std::string::npos) {
      variant = backend.substr(slash + 1);
      backend.resize(slash);
    }
    if (!backend.empty())
      backend = text_at(json::parse(runtime_.show(backend)), "backend");  // an Error where there is none
    const json::value list = json::parse(runtime_.list());
    std::string idle;
    bool found = false;
    for (const json::value& plugin : array_at(list, "plugins")) {
      const std::string state = text_at(plugin, "state");
      const bool usable = state == "loaded" || (state == "unavailable" && flags_.plays());
      if (is_file(flags_.target) && !usable)
        throw Failure(fmt::format("{}: {} {}", flags_.target, state, text_at(plugin, "sentence")), kCheckFailed);
      if (!usable) {
        if (state == "unavailable" && offers(plugin, backend))
          idle += fmt::format("; {} is unavailable: {}, wanted its device or --emulate", text_at(plugin, "file"),
                              text_at(plugin, "sentence"));
        continue;
      }
      bool first = true;
      for (const json::value& offered : array_at(plugin, "backends")) {
        const std::string name = text_at(offered, "name");
        if (!backend.empty() && name != backend) continue;
        if (first) add(text_at(plugin, "path"), "", "", "image", "one export, note equals table, query is pure");
        first = false;
        add_variants(text_at(plugin, "path"), name, variant, found);
      }
    }
    if (!variant.empty() && !found && idle.empty())
      throw Failure(fmt::format("there is no variant {}, see attnrt show {}", flags_.target, backend));
    if (plan_.jobs.empty() && plan_.skips.empty())
      throw Failure("there is nothing to verify here, see attnrt list" + idle, kCheckFailed);
    return std::move(plan_);
  }

 private:
  static std::string names() {
    std::string out;
    for (const conformance::Check& check : conformance::variant_checks())
      out += (out.empty() ? "" : ", ") + std::string(check.name);
    return out;
  }

  static bool offers(const json::value& plugin, const std::string& backend) {
    for (const json::value& offered : array_at(plugin, "backends"))
      if (backend.empty() || text_at(offered, "name") == backend) return true;
    return false;
  }

  void add(const std::string& file, const std::string& backend, const std::string& variant, const std::string& check,
           const std::string& promise) {
    if (!flags_.checks.empty() && std::find(flags_.checks.begin(), flags_.checks.end(), check) == flags_.checks.end())
      return;
    plan_.jobs.push_back({file, backend, variant, check, promise,
                          flags_.quick ? "quick"
                          : flags_.all ? "all"
                                       : "normal",
                          flags_.seed, isa_});
  }

  void add_variants(const std::string& file, const std::string& backend, const std::string& wanted, bool& found) {
    const json::value sheet = json::parse(runtime_.show(backend));
    for (const json::value& variant : array_at(sheet, "variants")) {
      const std::string name = text_at(variant, "name");
      if (!wanted.empty() && lower(name) != lower(wanted)) continue;
      found = true;
      const std::string played = device_type_of(flags_.emulate);
      if (flags_.plays() && text_at(variant, "device") != played) {
        plan_.skips.push_back({backend, name, "a device of " + played + " is emulated"});
        continue;
      }
      if (!flags_.plays() && text_at(variant, "usable") != "true") {
        plan_.skips.push_back({backend, name, list_at(variant, "why_not")});
        continue;
      }
      for (const conformance::Check& check : conformance::variant_checks())
        add(file, backend, name, check.name, check.promise);
    }
  }

  const Runtime& runtime_;
  const VerifyFlags& flags_;
  uint64_t isa_ = 0;
  Plan plan_;
};

/// One line on a terminal that is written over; silence elsewhere.
class ProgressLine {
 public:
  explicit ProgressLine(bool wanted) : wanted_(wanted && isatty(STDERR_FILENO)) {}
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  void show(const std::string& text) {
    if (wanted_ && text != last_) tell("\r\033[K" + sdk::printable(last_ = text, 110));
  }
  void clear() {
    if (wanted_ && !last_.empty()) tell("\r\033[K");
    last_.clear();
  }

 private:
  bool wanted_;
  std::string last_;
};

/// Each variant whose checks all met the device goes into the ledger with what became of them.
void record(Runtime& runtime, const VerifyReport& report) {
  const VerifyResult* const end = report.results.data() + report.results.size();
  for (const VerifyResult *one = report.results.data(), *next; one != end; one = next) {
    next = end_of_variant(one, end);
    if (one->job.variant.empty() || !met_its_device(one, next)) continue;
    std::size_t findings = 0, failed = 0;
    for (const VerifyResult* r = one; r != next; ++r) {
      findings += r->findings.size();
      failed += !r->passed();
    }
    runtime.record(one->job.backend, one->job.variant, one->device,
                   failed ? fmt::format("{}: {} checks failed", report.depth, failed)
                          : fmt::format("{}: {} findings, all passed", report.depth, findings),
                   failed == 0);
  }
}

int verify(GlobalFlags global, VerifyFlags flags) {
  if (flags.quick && flags.all) throw Failure("--quick and --all are both given, wanted one of them");
  if (flags.record && !flags.checks.empty())
    throw Failure("--record and --check are both given: only all checks together make a verified variant");
  if (is_file(flags.target)) {
    std::error_code error;
    global.plugin_path = std::filesystem::canonical(flags.target, error).string();
    if (error) throw Failure(fmt::format("{} cannot be found: {}", flags.target, error.message()));
  }
  if (!flags.emulate.empty()) {
    emulate_device(flags.emulate);
    global.emulated = true;
  }
  Runtime runtime = open_runtime(global);
  const Plan plan = Planner(runtime, flags).make();
  VerifyReport report;
  report.depth = flags.quick ? "quick" : flags.all ? "all" : "normal";
  report.skips = plan.skips;
  ProgressLine line(!global.quiet);
  std::string heading;
  const auto start = std::chrono::steady_clock::now();
  run_verify_jobs(
      plan.jobs, flags.jobs, std::chrono::seconds(flags.patience),
      [&](const VerifyResult& result) {
        report.results.push_back(result);
        if (!result.device.empty() && report.device.find(result.device) == std::string::npos)
          report.device += (report.device.empty() ? "" : ", ") + result.device;
        line.clear();
        if (!flags.as_json) print_verify_result(result, heading);
        std::fflush(stdout);
      },
      [&line](const std::string& text) { line.show(text); });
  line.clear();
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (flags.record) record(runtime, report);
  if (!flags.junit.empty()) write_junit(flags.junit, report);
  if (flags.as_json)
    print_json(verify_json(report));
  else
    print_verify_summary(report);
  return report.passed() ? kDone : kCheckFailed;
}

}  // namespace

void add_verify(CLI::App& app, Action& action) {
  const auto flags = std::make_shared<VerifyFlags>();
  CLI::App* verb = app.add_subcommand(
      "verify", "Proves a plugin's claims: each variant that can run here, against the conformance kit");
  verb->add_option("TARGET", flags->target, "BACKEND, BACKEND/VARIANT or FILE.so; default: all that is loaded");
  verb->add_flag("--quick", flags->quick, "A small grid, for daily work");
  verb->add_flag("--all", flags->all, "A dense grid and long sequences");
  verb->add_option("--check", flags->checks,
                   "Only this check (image, sheet, supports, numerics, ...); may be repeated");
  verb->add_flag("--record", flags->record, "Note the results in the local ledger, which selection believes");
  verb->add_option("--emulate", flags->emulate,
                   "cuda:8.0, cuda:9.0, ...: the device is played by the SDK's emulator, which runs the kernels' PTX; "
                   "recorded as emulated, never as verified")
      ->type_name("DEVICE");
  verb->add_option("--junit", flags->junit, "Also as JUnit XML, to this file");
  verb->add_option("--jobs", flags->jobs, "Checks at the same time; default: one for each CPU")
      ->check(CLI::Range(1, 256));
  verb->add_option("--patience", flags->patience, "Seconds of silence after which a check is ended; default 600")
      ->check(CLI::Range(1, 86400));
  verb->add_option("--seed", flags->seed, "Other data, other cases");
  verb->add_flag("--json", flags->as_json, "The report as JSON");
  verb->callback(
      [flags, &action] { action = [flags](const GlobalFlags& global) -> int { return verify(global, *flags); }; });
}

}  // namespace attnrt::cli
