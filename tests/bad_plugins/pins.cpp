// SPDX-License-Identifier: Apache-2.0
// Pinned files: {"pin": {NAME: "sha256:..."}} in the configuration.
#include <cstdio>

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
