// SPDX-License-Identifier: Apache-2.0
#include "verify/report.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <boost/property_tree/ptree.hpp>
#include <boost/property_tree/xml_parser.hpp>
#include <map>

#include "document.hpp"
#include "failure.hpp"

namespace attnrt::cli {
namespace {

namespace json = boost::json;
namespace pt = boost::property_tree;

std::string subject(const VerifyJob& job) { return job.variant.empty() ? job.file : job.backend + "/" + job.variant; }

const char* word(const VerifyResult& r) { return r.skipped() ? "skipped" : r.passed() ? "passed" : "FAILED"; }

std::size_t failures(const VerifyResult& r) {
  return static_cast<std::size_t>(
      std::count_if(r.findings.begin(), r.findings.end(), [](const VerifyFinding& f) { return !f.pass; }));
}

/// What one line can say of a check that passed or was skipped.
std::string summary(const VerifyResult& r) {
  if (r.findings.size() == 1 || r.skipped()) return r.findings.empty() ? "" : r.findings[0].sentence;
  return fmt::format("{} findings", r.findings.size());
}

}  // namespace

bool met_its_device(const VerifyResult* begin, const VerifyResult* end) {
  return std::all_of(begin, end, [](const VerifyResult& r) { return !r.device.empty(); });
}

const VerifyResult* end_of_variant(const VerifyResult* begin, const VerifyResult* end) {
  return std::find_if(begin, end, [begin](const VerifyResult& r) {
    return r.job.backend != begin->job.backend || r.job.variant != begin->job.variant;
  });
}

bool VerifyReport::passed() const {
  bool variants = false, met = false;
  const VerifyResult *const begin = results.data(), *const end = begin + results.size();
  for (const VerifyResult* one = begin; one != end;) {
    const VerifyResult* const next = end_of_variant(one, end);
    if (!one->job.variant.empty()) {
      variants = true;
      const bool all = met_its_device(one, next);
      const bool some = std::any_of(one, next, [](const VerifyResult& r) { return !r.device.empty(); });
      if (some && !all) return false;
      met |= all;
    }
    one = next;
  }
  return (met || !variants) && begin != end &&
         std::all_of(begin, end, [](const VerifyResult& r) { return r.passed(); });
}

void print_verify_result(const VerifyResult& r, std::string& heading) {
  if (subject(r.job) != heading) fmt::print("\n{}\n", heading = subject(r.job));
  const std::size_t failed = failures(r);
  print_wrapped(fmt::format("  {:<12} {:<8} {:>6.1f} s  ", r.job.check, word(r), r.seconds), 33,
                failed ? fmt::format("{} of {} findings failed", failed, r.findings.size()) : summary(r));
  std::size_t shown = 0;
  for (const VerifyFinding& f : r.findings) {
    if (f.pass) continue;
    if (++shown > 4) {
      fmt::print("    and {} more, see --json\n", failed - 4);
      break;
    }
    print_wrapped(fmt::format("    {}: ", f.check), 6, f.sentence);
    print_wrapped("      ", 6, "in " + f.where);
  }
}

void print_verify_summary(const VerifyReport& report) {
  std::map<std::string, std::size_t> counts;
  for (const VerifyResult& r : report.results) ++counts[word(r)];
  if (!report.skips.empty()) fmt::print("\n");
  for (const VerifySkip& skip : report.skips)
    print_wrapped(fmt::format("{}/{} was not verified: ", skip.backend, skip.variant), 2, skip.why);
  fmt::print("\n{} checks ({}) in {:.1f} s: {} passed, {} skipped, {} failed\n", report.results.size(), report.depth,
             report.seconds, counts["passed"], counts["skipped"], counts["FAILED"]);
}

json::object verify_json(const VerifyReport& report) {
  json::array checks, skips;
  for (const VerifyResult& r : report.results) {
    json::array failed, said;
    for (const VerifyFinding& f : r.findings)
      (f.pass ? said : failed)
          .push_back({{"check", f.check}, {"where", f.where}, {"sentence", f.sentence}, {"skipped", f.skipped}});
    checks.push_back({{"backend", r.job.backend},
                      {"variant", r.job.variant},
                      {"check", r.job.check},
                      {"promise", r.job.promise},
                      {"result", r.skipped()  ? "skipped"
                                 : r.passed() ? "passed"
                                              : "failed"},
                      {"findings", r.findings.size()},
                      {"seconds", r.seconds},
                      {"failures", std::move(failed)},
                      {"sentences", said.size() > 12 ? json::array() : std::move(said)}});
  }
  for (const VerifySkip& s : report.skips)
    skips.push_back({{"backend", s.backend}, {"variant", s.variant}, {"why", s.why}});
  return {{"passed", report.passed()}, {"depth", report.depth},       {"device", report.device},
          {"seconds", report.seconds}, {"checks", std::move(checks)}, {"not_verified", std::move(skips)}};
}

void write_junit(const std::string& file, const VerifyReport& report) {
  pt::ptree suites;
  std::map<std::string, pt::ptree> of_variant;
  std::vector<std::string> order;
  for (const VerifyResult& r : report.results) {
    const std::string name = subject(r.job);
    if (!of_variant.contains(name)) order.push_back(name);
    pt::ptree& suite = of_variant[name];
    pt::ptree test;
    test.put("<xmlattr>.classname", name);
    test.put("<xmlattr>.name", r.job.check);
    test.put("<xmlattr>.time", fmt::format("{:.3f}", r.seconds));
    if (r.skipped()) test.put("skipped.<xmlattr>.message", summary(r));
    for (const VerifyFinding& f : r.findings) {
      if (f.pass) continue;
      pt::ptree failure(f.where);
      failure.put("<xmlattr>.type", f.check);
      failure.put("<xmlattr>.message", f.sentence);
      test.add_child("failure", failure);
    }
    suite.add_child("testcase", test);
  }
  for (const std::string& name : order) {
    pt::ptree suite;
    std::size_t tests = 0, failed = 0, skipped = 0;
    for (const VerifyResult& r : report.results) {
      if (subject(r.job) != name) continue;
      ++tests;
      failed += !r.passed();
      skipped += r.skipped();
    }
    suite.put("<xmlattr>.name", name);
    suite.put("<xmlattr>.tests", tests);
    suite.put("<xmlattr>.failures", failed);
    suite.put("<xmlattr>.skipped", skipped);
    for (const auto& child : of_variant[name]) suite.push_back(child);
    suites.add_child("testsuites.testsuite", suite);
  }
  try {
    pt::write_xml(file, suites, std::locale::classic(), pt::xml_writer_make_settings<std::string>(' ', 2));
  } catch (const pt::xml_parser_error& error) {
    throw Failure(fmt::format("{} cannot be written: {}", file, error.message()));
  }
}

}  // namespace attnrt::cli
