// SPDX-License-Identifier: Apache-2.0
//
// `attnrt` on triton_attn where no GPU is: on an emulated device, and asked about hardware that is elsewhere.
#include <catch2/catch.hpp>

#include "program.hpp"

namespace json = boost::json;

namespace {

json::value verify(const std::string& arguments, int status, const std::string& environment) {
  const Outcome outcome = attnrt_program("verify --quick --json " + arguments, environment);
  INFO(arguments << "\n" << outcome.err << outcome.out);
  REQUIRE(outcome.status == status);
  return json::parse(outcome.out);
}

const json::value& check_of(const json::value& report, const std::string& backend, const std::string& name) {
  for (const json::value& check : report.at("checks").as_array())
    if (check.at("backend").as_string() == backend && check.at("check").as_string() == name) return check;
  FAIL("no check " << name << " of " << backend);
  return report;
}

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
  CHECK_THAT(
      first_failure(check_of(verify_failing("--check workspace", "cuLaunchKernel=700@9"), "TRITON_MLA", "workspace")),
      Catch::StartsWith("the device is lost: ") && Catch::Contains(" answered 700 (CUDA_ERROR_ILLEGAL_ADDRESS"));
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
