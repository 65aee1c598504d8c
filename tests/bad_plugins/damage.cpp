// SPDX-License-Identifier: Apache-2.0
// Bytes of a right plugin exchanged at random, through the whole path in another process: whatever each file became, that
// process lists all of them and ends well.
#include <random>

#include "folder.hpp"

TEST_CASE("a folder of damaged plugins costs sentences, until and through the end of the host") {
  const Folder folder;
  const std::string whole = read_bytes(bad_plugin("well"));
  std::mt19937 random(7);
  constexpr int kFiles = 150;
  for (int i = 0; i < kFiles; ++i) {
    std::string bytes = whole;
    // Half of them in the first kilobytes, where headers, notes and tables lie.
    const std::size_t reach = i % 2 ? bytes.size() : std::min<std::size_t>(bytes.size(), 4096);
    for (int flips = 1 + i % 3; flips > 0; --flips) bytes[random() % reach] ^= static_cast<char>(1u << random() % 8);
    folder.write("damaged_" + std::to_string(i) + ".so", bytes);
  }
  folder.install(cpu_attn(), "cpu_attn.so");
  const fs::path out = folder.path() / "list.json";
  for (int times = 0; times < 2; ++times) {  // with nothing remembered, and with what the first time remembered
    REQUIRE(shell("XDG_CACHE_HOME='" + folder.path().string() + "' '" ATTNRT_BUILD "/bin/attnrt' --plugin-path '" +
                  folder.plugins().string() + "' list --json > '" + out.string() + "'") == 0);
    const auto seen = told(read_bytes(out));
    CHECK(seen.size() == kFiles + 1);
    CHECK(seen.at("cpu_attn.so").state == "loaded");
    for (const auto& [file, what] : seen)
      if (what.state != "loaded") CHECK(what.sentence.size() > 3);
  }
}
