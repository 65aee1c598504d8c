// SPDX-License-Identifier: Apache-2.0
//
// The shipped table, the examples and the broken tables of tables/bad.json through the parser that users meet.
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "case.hpp"

namespace fs = std::filesystem;
using namespace attnrt;

namespace {

/// The sentence with which a runtime refuses a table, "" = it opens.
std::string refusal(const fs::path& table) {
  tests::clear_environment();
  Options options;
  options.plugin_path = tests::plugin_path("feature_support", {"cpu"});
  options.priority_file = table.string();
  options.probe = ATTNRT_PROBE_NEVER;
  try {
    const Runtime runtime(options);
    return "";
  } catch (const Error& e) {
    CHECK(e.status() == ATTNRT_INVALID);
    return e.what();
  }
}

}  // namespace

TEST_CASE("the shipped table and the examples load") {
  const fs::path configs = fs::path(ATTNRT_SELECTION) / "../../configs";
  CHECK(refusal(configs / "priority.json") == "");
  int examples = 0;
  for (const auto& file : fs::directory_iterator(configs / "examples")) {
    INFO(file.path());
    CHECK(refusal(file.path()) == "");
    ++examples;
  }
  CHECK(examples >= 4);
}

TEST_CASE("broken tables are refused with their place") {
  const fs::path file = fs::path(ATTNRT_SELECTION_SCRATCH) / "broken.json";
  for (const boost::json::value& row : tests::read_rows("tables/bad.json")) {
    const boost::json::value* text = row.as_object().if_contains("text");
    std::ofstream(file) << (text ? std::string(text->as_string().c_str()) : boost::json::serialize(row.at("table")));
    const std::string seen = refusal(file);
    INFO(row.at("name").as_string().c_str() << ": " << seen);
    CHECK(seen.find("broken.json") != std::string::npos);
    std::size_t at = 0;
    for (const boost::json::value& fragment : row.at("error").as_array()) {
      const std::string wanted(fragment.as_string().c_str());
      at = seen.find(wanted, at);
      INFO("wanted in it: " << wanted);
      REQUIRE(at != std::string::npos);
      at += wanted.size();
    }
  }
}

TEST_CASE("a table that is not there is an error") {
  CHECK(refusal("/nowhere/priority.json").find("/nowhere/priority.json cannot be read") != std::string::npos);
}
