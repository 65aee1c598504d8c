// SPDX-License-Identifier: Apache-2.0
// Options, the search for plugin files, and whom to trust.
#include "search.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include "options.hpp"
#include "scratch.hpp"
#include "trust.hpp"

using namespace attnrt::core;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

Options option_path(const std::string& path) {
  Options options;
  options.plugin_path = path;
  return options;
}

std::vector<std::string> names(const SearchResult& found) {
  std::vector<std::string> out;
  for (const fs::path& file : found.files) out.push_back(file.filename().string());
  return out;
}

}  // namespace

TEST_CASE("options are copied, their size and flags judged") {
  REQUIRE(Options::from(nullptr));
  CHECK(Options::from(nullptr)->read_environment);

  attnrt_options in{};
  in.struct_size = sizeof in - 1;
  CHECK_THAT(Options::from(&in).error().text, Contains("options.struct_size is") && Contains("wanted at least"));
  in.struct_size = 0;
  CHECK(Options::from(&in).error().code == ATTNRT_INVALID);
  in.struct_size = sizeof in + 64;  // an engine built with newer headers
  CHECK(Options::from(&in));
  in.flags = 1u << 31;
  CHECK_THAT(Options::from(&in).error().text, Contains("unknown bits: 2147483648"));

  in.flags = ATTNRT_OPTION_IGNORE_ENVIRONMENT | ATTNRT_OPTION_TRUST_ANY;
  std::string path = "/somewhere";
  in.plugin_path = path.c_str();
  const auto out = Options::from(&in);
  path = "/elsewhere!";
  REQUIRE(out);
  CHECK_FALSE(out->read_environment);
  CHECK(out->trust_any);
  CHECK(out->plugin_path == "/somewhere");
  CHECK_FALSE(out->priority_file);
}

TEST_CASE("an engine that forbids the environment is obeyed") {
  const EnvironmentVariable path("ATTNRT_PLUGIN_PATH", "/from-the-environment");
  Options options;
  CHECK(options.env("ATTNRT_PLUGIN_PATH") == "/from-the-environment");
  CHECK(options.trusted_env("ATTNRT_PLUGIN_PATH") == "/from-the-environment");
  CHECK_FALSE(options.env("ATTNRT_NOT_SET"));
  options.read_environment = false;
  CHECK_FALSE(options.env("ATTNRT_PLUGIN_PATH"));
  CHECK_FALSE(options.trusted_env("ATTNRT_PLUGIN_PATH"));
  CHECK(search(options).folders.at(0).origin == "default");
}

TEST_CASE("the option comes before ATTNRT_PLUGIN_PATH, the default last") {
  const Scratch option, environment;
  {
    const EnvironmentVariable path("ATTNRT_PLUGIN_PATH", environment.path().string());
    const auto by_option = search(option_path(option.path().string())).folders;
    REQUIRE(by_option.size() == 1);
    CHECK(by_option[0].path == option.path());
    CHECK(by_option[0].origin == "option");
    const auto by_environment = search({}).folders;
    REQUIRE(by_environment.size() == 1);
    CHECK(by_environment[0].path == environment.path());
    CHECK(by_environment[0].origin == "ATTNRT_PLUGIN_PATH");
  }
  for (const std::optional<std::string>& value : {std::optional<std::string>(), std::optional<std::string>("")}) {
    const EnvironmentVariable path("ATTNRT_PLUGIN_PATH", value);
    const auto by_default = search({}).folders;
    REQUIRE(by_default.size() == 1);
    CHECK(by_default[0].origin == "default");
    CHECK(by_default[0].path == fs::canonical(ATTNRT_TEST_PLUGINS));
  }
}

TEST_CASE("files are sorted within a folder, folders stay in order, a folder named twice counts once") {
  const Scratch one, two;
  for (const char* name : {"b.so", "a.so", "c.so", "c.so.1", "readme.txt", "so"}) one.write(name, "");
  two.write("a.so", "");
  const std::string list = one.path().string() + ":" + two.path().string() + ":" + one.path().string() + "/.";
  const SearchResult found = search(option_path(list));
  CHECK(found.folders.size() == 3);
  CHECK(names(found) == std::vector<std::string>{"a.so", "b.so", "c.so", "a.so"});
  CHECK(found.files.at(3).parent_path() == two.path());
  for (const fs::path& file : found.files) CHECK(file.is_absolute());
}

TEST_CASE("an empty element is the default folder") {
  const Scratch one;
  for (const std::string& list :
       {one.path().string() + ":", ":" + one.path().string(), std::string(), std::string("::")}) {
    CAPTURE(list);
    bool found = false;
    for (const Folder& folder : search(option_path(list)).folders)
      found |= folder.origin == "default" && folder.path == fs::canonical(ATTNRT_TEST_PLUGINS);
    CHECK(found);
  }
  const auto twice = search(option_path(":"));
  CHECK(twice.folders.size() == 2);
  CHECK(names(twice) == names(search(option_path(""))));
}

TEST_CASE("relative, missing and unreadable folders get a sentence and no files") {
  const Scratch one;
  const std::string file = one.write("file", "").string();
  const struct { std::string element, fragment;
  } table[] = {{".", "'.' is relative, wanted an absolute path"},
               {"plugins", "'plugins' is relative"},
               {"~/plugins", "is relative"},
               {one.path().string() + "/none", "cannot be read: No such file"},
               {file, "cannot be read: Not a directory"}};
  for (const auto& row : table) {
    const SearchResult found = search(option_path(row.element));
    CHECK(found.files.empty());
    REQUIRE(found.folders.size() == 1);
    CHECK_THAT(found.folders[0].sentence, Contains(row.fragment));
  }
}

TEST_CASE("a world-writable file or folder is not trusted") {
  const Scratch one;
  const fs::path file = one.write("a.so", "");
  CHECK(distrust(file) == "");
  REQUIRE(chmod(file.c_str(), 0666) == 0);
  CHECK_THAT(distrust(file),
             Contains("the file") && Contains("is world-writable, wanted no write permission for others"));
  REQUIRE(chmod(file.c_str(), 0664) == 0);
  CHECK(distrust(file) == "");
  REQUIRE(chmod(one.path().c_str(), 0777) == 0);
  CHECK_THAT(distrust(file), Contains("the folder") && Contains("is world-writable"));
  REQUIRE(chmod(one.path().c_str(), 0700) == 0);
  CHECK_THAT(distrust(one.path() / "none.so"), Contains("cannot be looked at: No such file"));
}

TEST_CASE("a link does not hide the folder that its file lies in") {
  const Scratch one, open_to_all;
  const fs::path file = open_to_all.write("a.so", "");
  fs::create_symlink(file, one.path() / "a.so");
  CHECK(distrust(one.path() / "a.so") == "");
  REQUIRE(chmod(open_to_all.path().c_str(), 0777) == 0);
  CHECK_THAT(distrust(one.path() / "a.so"),
             Contains("the folder " + open_to_all.path().string() + " is world-writable"));
}

TEST_CASE("a file or folder of a foreign user is not trusted") {
  const Scratch one;
  const fs::path file = one.write("a.so", "");
  if (geteuid() != 0) {
    WARN("only root can give a file away");
    return;
  }
  constexpr uid_t stranger = 54321;
  REQUIRE(chown(file.c_str(), stranger, stranger) == 0);
  CHECK_THAT(distrust(file),
             Contains("the file") && Contains("belongs to user 54321, wanted root, user 0 or the owner of libattnrt"));
  REQUIRE(chown(file.c_str(), 0, 0) == 0);
  REQUIRE(chown(one.path().c_str(), stranger, stranger) == 0);
  CHECK_THAT(distrust(file), Contains("the folder") && Contains("belongs to user 54321"));
}
