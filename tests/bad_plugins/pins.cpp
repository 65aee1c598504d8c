// SPDX-License-Identifier: Apache-2.0
// Pinned files: {"pin": {NAME: "sha256:..."}} in the configuration.
#include <cstdio>
#include <thread>

#include "folder.hpp"

using Catch::Matchers::Contains;

namespace {

/// By the system's own program, so that the core does not check itself.
std::string sha256sum(const fs::path& file) {
  char digest[65] = "";
  FILE* pipe = popen(("sha256sum '" + file.string() + "'").c_str(), "r");
  REQUIRE(pipe);
  REQUIRE(std::fscanf(pipe, "%64s", digest) == 1);
  pclose(pipe);
  return std::string("sha256:") + digest;
}

attnrt::Options pinned(const Folder& folder, const std::string& name, const std::string& digest) {
  attnrt::Options options = folder.options();
  options.attention_config = "{\"pin\": {\"" + name + "\": \"" + digest + "\"}}";
  return options;
}

}  // namespace

TEST_CASE("a pinned plugin is loaded with its digest alone") {
  const Folder folder;
  const fs::path well = folder.install("well");
  folder.install("twin_a");
  const std::string right = sha256sum(well);
  std::string wrong = right;
  wrong.back() = wrong.back() == '0' ? '1' : '0';
  const auto seen = told(attnrt::Runtime(pinned(folder, "well", wrong)).list());
  CHECK(seen.at("well.so").state == "untrusted");
  CHECK(seen.at("well.so").sentence == "its digest is " + right + ", pinned is " + wrong);
  CHECK(seen.at("twin_a.so").state == "loaded");
  CHECK(folder.loaders("well").empty());  // nothing of it ran, not even in the helper
  CHECK(told(attnrt::Runtime(pinned(folder, "well", right)).list()).at("well.so").state == "loaded");
  CHECK(folder.loaders("well").size() == 1);

  // The pin follows the plugin, not its file name.
  folder.install(bad_plugin("well"), "renamed.so");
  CHECK(told(attnrt::Runtime(pinned(folder, "well", wrong)).list()).at("renamed.so").state == "untrusted");
  CHECK(told(attnrt::Runtime(pinned(folder, "nobody", wrong)).list()).at("renamed.so").state == "loaded");
}

TEST_CASE("only what is pinned is loaded where the engine wants it so") {
  const Folder folder;
  const std::string right = sha256sum(folder.install("well"));
  folder.install("twin_a");
  attnrt::Options options = pinned(folder, "well", right);
  options.pinned_only = true;
  const auto seen = told(attnrt::Runtime(options).list());
  CHECK(seen.at("well.so").state == "loaded");
  CHECK(seen.at("twin_a.so").state == "untrusted");
  CHECK(seen.at("twin_a.so").sentence == "no pin names twin_a, and only pinned plugins are loaded");
  CHECK(folder.loaders("twin_a").empty());
}

TEST_CASE("a pin that holds nothing is told") {
  const Folder folder;
  folder.install(cpu_attn(), "cpu_attn.so");
  std::string lines;
  attnrt::Options options = pinned(folder, "CPU_ATTN", "sha256:" + std::string(64, 'a'));  // the backend's name
  options.log = [&lines](int32_t, const char* text) { lines += std::string(text) + "\n"; };
  CHECK(told(attnrt::Runtime(options).list()).at("cpu_attn.so").state == "loaded");
  CHECK_THAT(lines, Contains("the pin of 'CPU_ATTN' holds nothing: no plugin of that name (a plugin's, not a backend's)"));
}

TEST_CASE("a pin holds for what is loaded, whatever happens while it is probed") {
  const Folder folder;
  const fs::path file = folder.install("slow_in_create");
  const std::string digest = sha256sum(file);
  std::thread attacker([&folder] {
    for (int i = 0; i < 2000 && folder.loaders("slow_in_create").empty(); ++i) usleep(5000);
    folder.install(bad_plugin("well"), "slow_in_create.so");
  });
  const auto seen = told(attnrt::Runtime(pinned(folder, "slow_in_create", digest)).list());
  attacker.join();
  CHECK(seen.at("slow_in_create.so").state == "unprobed");
}

TEST_CASE("a malformed pin opens nothing") {
  const Folder folder;
  const std::string hex(64, 'a');
  for (const std::string& digest : {std::string(), hex, "sha256:" + hex + "a", "sha256:" + hex.substr(1), "md5:" + hex,
                                    "sha256:" + std::string(64, 'A'), "sha256:" + std::string(64, 'g')})
    CHECK_THAT(refused([&] { attnrt::Runtime{pinned(folder, "well", digest)}; }),
               Contains("'" + digest + "', wanted sha256: and 64 lower-case hex digits"));
  attnrt::Options options = folder.options();
  for (const char* config : {R"({"pin": "sha256:"})", R"({"pin": {"well": 7}})", R"({"pin": ["well"]})"}) {
    options.attention_config = config;
    CHECK_THAT(refused([&] { attnrt::Runtime{options}; }), Contains("attention-config"));
  }
}
