// SPDX-License-Identifier: Apache-2.0
// Which entry of the shipped and the local ledger counts.
#include "ledger.hpp"

#include <fstream>
#include <iterator>

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

TEST_CASE("what passed on an emulator makes nothing verified, and is kept apart") {
  const Scratch cache;
  const CacheFolder folder(cache.path());
  const LedgerEntry emulated{"p", "b", "B", "v", "cuda:9.0", "2026-11-30", "quick", true, true, true};
  REQUIRE(Ledger::record(folder, {emulated}).ok());
  Ledger ledger = Ledger::read(cache.path() / "none.json", folder);
  CHECK_FALSE(ledger.find("b", "B", "v", "cuda:9.0"));
  REQUIRE(ledger.find("b", "B", "v", "cuda:9.0", true));
  CHECK(ledger.find("b", "B", "v", "cuda:9.0", true)->result == "quick");

  // A reader that knows of verified entries alone, as older libraries are, sees none.
  std::ifstream file(cache.path() / "ledger.json");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  CHECK(text.find("\"verified\":[]") != std::string::npos);

  // On the device itself the same kernel failed: neither entry replaces the other.
  LedgerEntry real = emulated;
  real.emulated = real.passed = false;
  REQUIRE(Ledger::record(folder, {real}).ok());
  ledger = Ledger::read(cache.path() / "none.json", folder);
  CHECK_FALSE(ledger.find("b", "B", "v", "cuda:9.0"));
  CHECK(ledger.find("b", "B", "v", "cuda:9.0", true));
}

TEST_CASE("a ledger without a list of emulated entries is read as before") {
  const Scratch shipped;
  const auto file = shipped.write("ledger.json",
                                  R"({"verified": [{"plugin": "p", "build_id": "b", "backend": "B", "variant": "v",)"
                                  R"("device": "cuda:9.0", "result": "r", "date": "2026-11-30", "passed": true}]})");
  const Ledger ledger = Ledger::read(file, CacheFolder({}));
  CHECK(ledger.find("b", "B", "v", "cuda:9.0"));
  CHECK_FALSE(ledger.find("b", "B", "v", "cuda:9.0", true));
}
