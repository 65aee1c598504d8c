// SPDX-License-Identifier: Apache-2.0
//
// `attnrt verify` on a plugin with a right, a wrong and a deadly backend.
#include <boost/property_tree/ptree.hpp>
#include <boost/property_tree/xml_parser.hpp>
#include <catch2/catch.hpp>
#include <fstream>
#include <set>

#include "program.hpp"
#include "scratch.hpp"
#include "verify/report.hpp"

namespace json = boost::json;

namespace {

const std::string subject = ATTNRT_TEST_SUBJECT;

json::value verify(const std::string& arguments, int status, const std::string& environment = "") {
  const Outcome outcome = attnrt_program("verify --quick --json " + arguments, environment);
  INFO(arguments << "\n" << outcome.err << outcome.out);
  REQUIRE(outcome.status == status);
  return json::parse(outcome.out);
}

// Results of the checks of a backend: "passed", "failed", "skipped".
std::set<std::string> results(const json::value& report, const std::string& backend) {
  std::set<std::string> out;
  for (const json::value& check : report.at("checks").as_array())
    if (check.at("backend").as_string() == backend) out.insert(check.at("result").as_string().c_str());
  return out;
}

const json::value& check_of(const json::value& report, const std::string& backend, const std::string& name) {
  for (const json::value& check : report.at("checks").as_array())
    if (check.at("backend").as_string() == backend && check.at("check").as_string() == name) return check;
  FAIL("no check " << name << " of " << backend);
  return report;
}

}  // namespace

TEST_CASE("a file is verified: the right backend passes, the wrong and the deadly one are told with case and place") {
  const Scratch scratch("verify");
  const std::string junit = scratch.file("report.xml");
  const json::value report = verify(subject + " --check image --check numerics --check sheet --junit " + junit, 1);
  CHECK_FALSE(report.at("passed").as_bool());
  CHECK(results(report, "RIGHT") == std::set<std::string>{"passed"});
  std::set<std::string> wrong;  // a scale applied twice shows in both
  for (const json::value& failure : check_of(report, "WRONG", "numerics").at("failures").as_array()) {
    wrong.insert(failure.at("check").as_string().c_str());
    CHECK(std::string(failure.at("where").as_string().c_str()).find("seed") != std::string::npos);
  }
  CHECK(wrong.count("lse") == 1);
  CHECK(wrong.count("out") == 1);
  const json::value& deadly = check_of(report, "DEADLY", "numerics").at("failures").at(0);
  CHECK(deadly.at("check").as_string() == "process");
#if !ATTNRT_SANITIZERS
  CHECK(
      std::string(deadly.at("sentence").as_string().c_str()).find("SIGSEGV: an access 0 bytes behind q, a piece of") !=
      std::string::npos);
#endif
  boost::property_tree::ptree xml;
  boost::property_tree::read_xml(junit, xml);
  int suites = 0, failed = 0;
  for (const auto& [name, suite] : xml.get_child("testsuites")) {
    ++suites;
    failed += std::stoi(suite.get<std::string>("<xmlattr>.failures"));
  }
  CHECK(suites == 4);  // the file and three variants
  CHECK(failed == 2);
}

TEST_CASE("what was verified and recorded is what show and list know") {
  const Scratch scratch("ledger");
  const std::string home = "XDG_CACHE_HOME=" + scratch.file("cache") + " ATTNRT_PLUGIN_PATH=" + subject;
  const auto verified = [&](const std::string& backend) {
    const Outcome outcome = attnrt_program("show " + backend + " --json", home);
    REQUIRE(outcome.status == 0);
    return json::parse(outcome.out).at("variants").at(0).at("verified");
  };
  CHECK(verified("RIGHT").is_null());
  verify("RIGHT --record", 0, home);
  REQUIRE(verified("RIGHT").is_string());
  const std::string where = verified("RIGHT").as_string().c_str();
  CHECK(where.find("quick") != std::string::npos);

  // A CPU of another level is another kind of device.
  const auto counts_on = [&](const std::string& device) {
    const Outcome outcome = attnrt_program("select --json --attention-backend RIGHT --device " + device, home);
    INFO(outcome.err << outcome.out);
    REQUIRE(outcome.status == 0);
    const json::value choice = json::parse(outcome.out);
    CHECK(choice.at("backend") == "RIGHT");
    return choice.at("verified").as_bool();
  };
  CHECK(counts_on("cpu"));
  for (const std::string level : {"baseline", "avx2", "avx512", "avx512_bf16", "amx"}) {
    CAPTURE(level, where);
    CHECK(counts_on("cpu:" + level) == (where.find(" on cpu:" + level + ":") != std::string::npos));
  }
  verify("WRONG/standard --record", 1, home);
  CHECK(verified("WRONG").is_null());
}

TEST_CASE("a variant passed only where all of its checks met the device") {
  const auto result = [](const char* variant, const char* check, const char* device) {
    attnrt::cli::VerifyResult r;
    r.job.backend = variant[0] ? "SOME_ATTN" : "";
    r.job.variant = variant;
    r.job.check = check;
    r.device = device;
    r.findings.push_back({check, variant, "a sentence", true, device[0] == 0});
    return r;
  };
  attnrt::cli::VerifyReport report;
  CHECK_FALSE(report.passed());
  report.results = {result("", "image", "")};
  CHECK(report.passed());
  report.results.push_back(result("a", "sheet", ""));
  report.results.push_back(result("a", "plans", ""));
  CHECK_FALSE(report.passed());  // nothing met a device
  report.results.push_back(result("b", "sheet", "cuda:9.0"));
  CHECK(report.passed());
  report.results.push_back(result("b", "plans", ""));
  CHECK_FALSE(report.passed());  // some did, and some did not
}

TEST_CASE("a kernel that floods the pipe of findings has failed, and verify ends") {
  // Without a line end, in lines that mean nothing, and in lines that the helper itself might write.
  const json::value report = verify(ATTNRT_TEST_FLOOD " --check numerics --jobs 3", 1, "timeout 250");
  const auto& checks = report.at("checks").as_array();
  REQUIRE(checks.size() == 3);
  for (const json::value& check : checks) {
    CAPTURE(check);
    CHECK(check.at("result") == "failed");
    CHECK(std::string(check.at("failures").at(0).at("sentence").as_string().c_str())
              .find("the plugin writes to a descriptor that it did not open") != std::string::npos);
  }
}

TEST_CASE("what verify cannot do it says") {
  const Scratch scratch("verify-errors");
  std::ofstream(scratch.file("text.so")) << "no library";
  const struct {
    std::string arguments;
    int status;
    const char* sentence;
  } rows[] = {
      {subject + " --check speed", 2, "--check is 'speed', wanted image, sheet, supports"},
      {"--quick --all", 2, "--quick and --all"},
      {subject + " --record --check sheet", 2, "--record and --check"},
      {scratch.file("absent.so"), 2, "cannot be found"},
      {scratch.file("text.so"), 1, "foreign"},
      {"NO_SUCH_ATTN", 2, "NO_SUCH_ATTN"},
      {"CPU_ATTN/fastest", 2, "CPU_ATTN/fastest"},
      {subject + " --jobs 0", 2, "--jobs"},
  };
  for (const auto& row : rows) {
    const Outcome outcome = attnrt_program("verify " + row.arguments);
    CAPTURE(row.arguments, outcome.err, outcome.out);
    CHECK(outcome.status == row.status);
    CHECK(outcome.err.find(row.sentence) != std::string::npos);
  }
}
