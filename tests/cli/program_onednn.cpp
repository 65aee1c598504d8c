// SPDX-License-Identifier: Apache-2.0
//
// A variant whose library is missing: CPU_ATTN/onednn without libdnnl.so.2.
#include <catch2/catch.hpp>
#include <fstream>

#include "attnrt/cpu_isa.hpp"
#include "program.hpp"
#include "scratch.hpp"

namespace json = boost::json;

namespace {

constexpr const char* kMissing = "onednn is unavailable: libdnnl.so.2 not found, wanted oneDNN 2 (Debian: libdnnl2)";

bool built_in() {
  const json::value sheet = attnrt_json("show CPU_ATTN --json");
  for (const json::value& variant : sheet.at("variants").as_array())
    if (variant.at("name") == "onednn") return true;
  return false;
}

// An environment in which the loader finds a file of the library's name that is none.
std::string without_library(const Scratch& scratch) {
  std::ofstream(scratch.file("libdnnl.so.2"));
  return "LD_LIBRARY_PATH=" + scratch.file("");
}

}  // namespace

TEST_CASE("without its library the onednn variant says so, and the others serve") {
  if (!built_in()) {
    WARN("CPU_ATTN/onednn is not built");
    return;
  }
  if (!(attnrt::sdk::cpu_isa() & ATTNRT_ISA_AVX512)) {
    WARN("CPU_ATTN/onednn wants AVX-512");
    return;
  }
  const Scratch scratch("onednn");
  const std::string environment = without_library(scratch) + " XDG_CACHE_HOME=" + scratch.file("cache");
  const std::string run = "run " + fixture("minilm_decoder_l3");

  const Outcome forced = attnrt_program("--attention-backend CPU_ATTN/onednn " + run, environment);
  CHECK(forced.status == 1);
  CHECK_THAT(forced.err, Catch::Contains(kMissing));
  CHECK(attnrt_program("--attention-backend CPU_ATTN " + run, environment).status == 0);

  const Outcome verified = attnrt_program("verify CPU_ATTN/onednn --quick --check quiet --json", environment);
  INFO(verified.err << verified.out);
  CHECK(verified.status == 1);  // nothing was verified
  const json::value check = json::parse(verified.out).at("checks").at(0);
  CHECK(check.at("result") == "skipped");
  CHECK_THAT(json::serialize(check), Catch::Contains(kMissing));
}
