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
#include "verify_report.hpp"

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

#ifdef ATTNRT_TEST_TRITON
namespace {

// `verify` of one check on an emulated device whose calls fail as ATTNRT_EMULATOR_FAIL says.
json::value verify_failing(const std::string& check, const std::string& errors) {
  return verify(ATTNRT_TEST_TRITON " --emulate cuda:9.0 --jobs 2 " + check, errors.empty() ? 0 : 1,
                errors.empty() ? "" : "ATTNRT_EMULATOR_FAIL=" + errors);
}
std::string first_failure(const json::value& check) {
  CHECK(check.at("result") == "failed");
  return check.at("failures").at(0).at("sentence").as_string().c_str();
}

}  // namespace

TEST_CASE("what passes on an emulated device is told as that") {
  const json::value report = verify_failing("--check workspace", "");
  CHECK(report.at("device") == "emulated cuda:9.0");
  for (const char* backend : {"TRITON_ATTN", "TREE_ATTN", "TRITON_MLA"})
    CHECK(check_of(report, backend, "workspace").at("result") == "passed");
}

TEST_CASE("a device whose driver does not serve fails a check, where a device that is absent leaves it out") {
  const json::value report = verify_failing("--check workspace --check sheet", "cuDevicePrimaryCtxRetain=46");
  for (const char* backend : {"TRITON_ATTN", "TREE_ATTN", "TRITON_MLA"})
    for (const char* check : {"workspace", "sheet"})
      CHECK(first_failure(check_of(report, backend, check)) ==
            "cuDevicePrimaryCtxRetain answered 46 (CUDA_ERROR_DEVICE_UNAVAILABLE)");
  CHECK(report.at("device") == "");
}

TEST_CASE("a check in which no op could be created has failed") {
  for (const char* check : {"workspace", "plans", "concurrency"}) {
    const json::value report = verify_failing(std::string("--check ") + check, "cuModuleLoadData=1");
    CHECK_THAT(first_failure(check_of(report, "TRITON_MLA", check)),
               Catch::Contains("create: create answered") && Catch::Contains("cuModuleLoadData answered 1"));
  }
}

TEST_CASE("a lost device ends the check with its error, and memory that is missing with its own") {
  CHECK(first_failure(check_of(verify_failing("--check workspace", "cuLaunchKernel=700@9"), "TRITON_MLA", "workspace"))
            .find("the device is lost: cuStreamSynchronize answered 700 (CUDA_ERROR_ILLEGAL_ADDRESS") == 0);
  CHECK_THAT(first_failure(check_of(verify_failing("--check workspace", "cuMemAlloc=2"), "TRITON_MLA", "workspace")),
             Catch::Contains("cuMemAlloc answered 2 (CUDA_ERROR_OUT_OF_MEMORY)"));
}

TEST_CASE("the plugin of Triton kernels is chosen for hardware that is elsewhere, and says what this machine lacks") {
  const std::string home = "ATTNRT_PLUGIN_PATH=" ATTNRT_TEST_TRITON;
  const auto chosen = [&](const std::string& flags) {
    const json::value choice =
        json::parse(attnrt_program("select --json --device cuda:9.0 --dtype bf16 " + flags, home).out);
    return choice.at("backend").is_null() ? std::string("none") : std::string(choice.at("backend").as_string().c_str());
  };
  CHECK(chosen("--head-size 128 --num-heads 32 --num-kv-heads 8") == "TRITON_ATTN");
  CHECK(chosen("--head-size 128 --num-heads 32 --num-kv-heads 8 --batch-invariant") == "TRITON_ATTN");
  CHECK(chosen("--head-size 128 --num-heads 32 --num-kv-heads 8 --attention-backend TREE_ATTN") == "TREE_ATTN");
  CHECK(chosen("--head-size 128 --num-heads 32 --num-kv-heads 8 --tree-mask") == "TREE_ATTN");
  CHECK(chosen("--mla --num-heads 128") == "TRITON_MLA");
  const json::value list = json::parse(attnrt_program("list --json", home).out);
  const json::value& plugin = list.at("plugins").at(0);
  if (plugin.at("state") != "loaded") {  // where no NVIDIA driver is
    CHECK(plugin.at("state") == "unavailable");
    CHECK(plugin.at("sentence") == "libcuda.so.1 not found");
    const Outcome idle = attnrt_program("verify TREE_ATTN/AOT", home);
    CHECK(idle.status == 1);
    CHECK_THAT(idle.err, Catch::Contains("is unavailable: libcuda.so.1 not found, wanted its device or --emulate"));
  }
}
#endif

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
