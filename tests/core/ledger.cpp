// SPDX-License-Identifier: Apache-2.0
// Which entry of the shipped and the local ledger counts.
#include "ledger.hpp"

#include "scratch.hpp"

using namespace attnrt::core;

TEST_CASE("the ledger of this user counts more than the shipped one, whatever the clocks said") {
  const Scratch shipped, cache;
  const auto entry = [](const char* date, bool passed) {
    return std::string(R"({"verified": [{"plugin": "p", "build_id": "b", "backend": "B", "variant": "v", "device": "cpu:avx2",)") +
           R"("result": "r", "date": ")" + date + R"(", "passed": )" + (passed ? "true" : "false") + "}]}";
  };
  const auto file = shipped.write("ledger.json", entry("2026-11-30", true));
  CHECK(Ledger::read(file, CacheFolder({})).find("b", "B", "v", "cpu:avx2"));
  cache.write("ledger.json", entry("2020-01-01", false));
  CHECK_FALSE(Ledger::read(file, CacheFolder(cache.path())).find("b", "B", "v", "cpu:avx2"));
  shipped.write("ledger.json", entry("2026-11-30", false));
  cache.write("ledger.json", entry("2020-01-01", true));
  CHECK(Ledger::read(file, CacheFolder(cache.path())).find("b", "B", "v", "cpu:avx2"));
}
