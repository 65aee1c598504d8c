// SPDX-License-Identifier: Apache-2.0
//
// Every row of cases/*.json against the public API.
#include <catch2/catch.hpp>

#include "case.hpp"

namespace {

void run_file(const std::string& file) {
  const boost::json::array rows = attnrt::tests::read_rows("cases/" + file);
  REQUIRE(!rows.empty());
  for (const boost::json::value& row : rows) {
    const std::string name(row.at("name").as_string().c_str());
    for (const std::string& difference : attnrt::tests::run_case(row.as_object()))
      FAIL_CHECK(file << ": " << name << ": " << difference);
  }
}

}  // namespace

TEST_CASE("priority lists") { run_file("lists.json"); }
TEST_CASE("reasons") { run_file("reasons.json"); }
TEST_CASE("overrides") { run_file("overrides.json"); }
TEST_CASE("switches") { run_file("switches.json"); }
TEST_CASE("words and special problems") { run_file("words.json"); }
