// SPDX-License-Identifier: Apache-2.0
// attnrt tune at the shell: what it keeps, who reads it, and what it refuses. No time is asserted.
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "program.hpp"
#include "scratch.hpp"
#include "tune/sample.hpp"

namespace json = boost::json;
using Catch::Matchers::Contains;

namespace {

/// The quickest tuning that there is: one backend, one phase, one dtype, six rounds.
constexpr const char* kQuick = "-q tune --backend CPU_ATTN --dtype fp32 --phase decode --seconds 0 ";

std::string bytes_of(const std::string& file) {
  std::ostringstream out;
  out << std::ifstream(file).rdbuf();
  return out.str();
}

/// Replaces a file of the cache, whose owner alone may write it.
void put(const std::string& file, const std::string& text) {
  std::ofstream(file) << text;
  std::filesystem::permissions(file, std::filesystem::perms(0600));
}

}  // namespace

TEST_CASE("the interval of a median has 95 percent by the binomial distribution") {
  using attnrt::cli::tune_interval_rank;
  for (const std::size_t n : {1, 2, 3, 4, 5, 6, 7, 8}) CHECK(tune_interval_rank(n) == 1);
  CHECK(tune_interval_rank(9) == 2);
  CHECK(tune_interval_rank(12) == 3);
  CHECK(tune_interval_rank(15) == 4);
  CHECK(tune_interval_rank(25) == 8);
  attnrt::cli::TuneSample sample;
  for (const double t : {5.0, 1.0, 9.0, 3.0, 7.0, 2.0, 8.0, 4.0, 6.0}) sample.add(t);
  CHECK(sample.rounds() == 9);
  CHECK(sample.median() == 5.0);
  CHECK(sample.interval().low == 2.0);
  CHECK(sample.interval().high == 8.0);
  sample.add(100.0);
  CHECK(sample.median() == 5.5);
  CHECK(sample.worst() == 100.0);
}

TEST_CASE("a tuning is kept, told by select and doctor, and stale for another build") {
  const Scratch scratch("tune");
  const std::string home = "XDG_CACHE_HOME=" + scratch.file("cache");
  const std::string file = scratch.file("cache/attnrt/tuned.json");
  const std::string select = "select --device cpu --dtype fp32 --phase decode --num-heads 8 --num-kv-heads 2 ";

  const Outcome dry =
      attnrt_program("-q tune --backend CPU_MLA --dtype fp32 --phase decode --seconds 0 --dry-run", home);
  CHECK(dry.status == 0);
  CHECK_THAT(dry.out, Contains("nothing was kept"));
  CHECK_FALSE(std::filesystem::exists(file));
  CHECK_THAT(attnrt_program(select + "--explain", home).out, !Contains("tuned on"));

  const Outcome tuned = attnrt_program(std::string(kQuick) + "--json", home);
  INFO(tuned.err);
  REQUIRE(tuned.status == 0);
  const json::value report = json::parse(tuned.out);
  CHECK(report.at("classes").as_array().size() == 9);
  CHECK(report.at("chosen").as_array().size() == 9);
  for (const json::value& variant : report.at("classes").at(0).at("variants").as_array()) {
    CHECK(variant.at("backend") == "CPU_ATTN");
    CHECK(variant.at("ms_low").as_double() <= variant.at("ms_median").as_double());
    CHECK(variant.at("ms_median").as_double() <= variant.at("ms_high").as_double());
    CHECK(variant.at("rounds").as_int64() >= 3);
  }
  CHECK_THAT(attnrt_program(select + "--explain", home).out, Contains("tuned on 20"));
  const json::value choice = json::parse(attnrt_program(select + "--json", home).out);
  CHECK_THAT(std::string(choice.at("measured").as_string()),
             Contains("decode, fp32, head size 128, 4 query heads a KV head"));
  CHECK_THAT(attnrt_program(select + "--explain --batch-invariant", home).out, !Contains("tuned on"));
  CHECK_THAT(attnrt_program("-ac.rank measured " + select + "--explain", home).out, Contains("rank=measured"));
  CHECK_THAT(attnrt_program("doctor", home).out, Contains("CPU_ATTN  in use"));

  std::string text = bytes_of(file);
  const std::size_t id = text.find("\"build_id\":\"") + 12;
  REQUIRE(id < text.size());
  text[id] = text[id] == '0' ? '1' : '0';
  put(file, text);
  CHECK_THAT(attnrt_program(select + "--explain", home).out, !Contains("tuned on"));
  CHECK_THAT(attnrt_program("doctor", home).out,
             Contains("CPU_ATTN  stale") && Contains("in another build of cpu_attn"));

  put(file, "{\"version\": 7, \"tables\": [");
  const Outcome broken = attnrt_program(select, home);
  CHECK(broken.status == 0);
  CHECK_THAT(broken.err, Contains("what attnrt tune measured is not used: ") && Contains("wanted JSON"));
  put(file, "{\"version\": 7}");
  CHECK_THAT(attnrt_program("doctor --json", home).out, Contains("version is 7, wanted 1: a later attnrt wrote it"));
  CHECK(bytes_of(file) == "{\"version\": 7}");
}

TEST_CASE("what could not be kept is told before anything is measured") {
  const Outcome invariant = attnrt_program("tune", "VLLM_BATCH_INVARIANT=1");
  CHECK(invariant.status == 2);
  CHECK_THAT(invariant.err, Contains("VLLM_BATCH_INVARIANT is set"));
  const Outcome nowhere = attnrt_program("tune", "-u HOME -u XDG_CACHE_HOME");
  CHECK(nowhere.status == 1);
  CHECK_THAT(nowhere.err, Contains("there is no cache folder"));
  const Scratch scratch("tune-later");
  const std::string cache = scratch.file("attnrt");
  std::filesystem::create_directories(cache);
  put(cache + "/tuned.json", "{\"version\": 7}");
  const Outcome later = attnrt_program("tune", "XDG_CACHE_HOME=" + scratch.file(""));
  CHECK(later.status == 1);
  CHECK_THAT(later.err, Contains("version is 7, wanted 1: a later attnrt wrote it"));
}

TEST_CASE("what tune does not understand is usage") {
  const auto said = [](const std::string& flags) {
    const Outcome outcome = attnrt_program("tune " + flags);
    CHECK(outcome.status == 2);
    return outcome.err;
  };
  CHECK_THAT(said("--dtype fp8_e4m3"), Contains("--dtype is 'fp8_e4m3', wanted"));
  CHECK_THAT(said("--phase later"), Contains("--phase is 'later', wanted"));
  CHECK_THAT(said("--dtype ,"), Contains("--dtype or --phase is empty"));
  CHECK_THAT(said("--seconds soon"), Contains("--seconds is 'soon', wanted"));
  CHECK_THAT(said("--backend NOBODY"), Contains("Unknown attention backend: 'NOBODY'"));
  CHECK_THAT(said("-ac.rank fast"), Contains("is 'fast', wanted table or measured"));
}
