// SPDX-License-Identifier: Apache-2.0
// Where the library finds its own parts, and that they are asked the same questions as plugins.
#include <sys/stat.h>

#include "folder.hpp"

using Catch::Matchers::Contains;

namespace {

/// A copy of the build's library, program, helper and tables.
class Installation {
 public:
  Installation() {
    const fs::path build = ATTNRT_BUILD;
    for (const char* part : {"bin", "lib/attnrt/plugins", "libexec/attnrt", "share/attnrt"})
      fs::create_directories(root() / part);
    for (const char* file : {"bin/attnrt", "lib/libattnrt.so.0", "libexec/attnrt/attnrt-probe"})
      fs::copy_file(build / file, root() / file);
    fs::copy(build / "share/attnrt/configs", root() / "share/attnrt/configs");
    fs::copy_file(ATTNRT_CHDIR_OPEN, root() / "bin/chdir_open");
  }
  fs::path root() const { return folder_.path() / "other"; }
  const Folder& folder() const { return folder_; }
  /// Runs a line with the library of this installation; what it said on both streams, and its status.
  std::pair<int, std::string> run(const std::string& line, const std::string& library_path) const {
    const fs::path out = folder_.path() / "said";
    const int status = shell("cd '" + root().string() + "' && export LD_LIBRARY_PATH='" + library_path + "' XDG_CACHE_HOME='" +
                             folder_.path().string() + "' && " + line + " > '" + out.string() + "' 2>&1");
    return {status, read_bytes(out)};
  }

 private:
  Folder folder_;
};

}  // namespace

TEST_CASE("a helper or table that others may write is not used") {
  const Installation here;
  here.folder().install("well");
  const std::string list = "bin/attnrt --plugin-path '" + here.folder().plugins().string() + "' list --json";
  const std::string lib = (here.root() / "lib").string();
  CHECK(told(here.run(list + " 2>/dev/null", lib).second).at("well.so").state == "loaded");
  fs::remove_all(here.folder().cache());

  const fs::path helper = here.root() / "libexec/attnrt/attnrt-probe";
  chmod(helper.c_str(), 0777);
  const Told seen = told(here.run(list + " 2>/dev/null", lib).second).at("well.so");
  CHECK(seen.state == "unprobed");
  CHECK_THAT(seen.sentence, Contains("attnrt-probe is not trusted: the file " + helper.string() + " is world-writable"));
  chmod(helper.c_str(), 0755);
  chmod((here.root() / "libexec").c_str(), 0777);
  CHECK_THAT(told(here.run(list + " 2>/dev/null", lib).second).at("well.so").sentence,
             Contains("attnrt-probe is not trusted: the folder"));
  chmod((here.root() / "libexec").c_str(), 0755);

  chmod((here.root() / "share/attnrt/configs/priority.json").c_str(), 0666);
  const auto refused = here.run(list, lib);
  CHECK(refused.first != 0);
  CHECK_THAT(refused.second, Contains("the shipped priority table is not trusted: the file") && Contains("world-writable"));
}

TEST_CASE("the library's place is the one that it was loaded from, wherever the process goes") {
  const Installation here;
  const fs::path job = here.folder().path() / "job";
  fs::create_directories(job / "lib/attnrt/plugins");
  fs::create_directories(job / "libexec/attnrt");
  fs::copy_file(bad_plugin("well"), job / "lib/attnrt/plugins/well.so");
  fs::copy_file(bad_plugin("twin_a"), here.root() / "lib/attnrt/plugins/twin_a.so");
  for (const std::string& lib : {std::string("lib"), (here.root() / "lib").string()}) {
    for (const std::string& to : {job.string(), std::string("/")}) {
      CAPTURE(lib, to);
      const auto [status, said] = here.run("bin/chdir_open '" + to + "'", lib);
      INFO(said);
      REQUIRE(status == 0);
      const auto seen = told(said);
      CHECK(seen.size() == 1);
      CHECK(seen.contains("twin_a.so"));
    }
  }
}

TEST_CASE("doctor tells that nothing is remembered, and why") {
  const Folder folder;
  folder.install("well");
  fs::create_directories(folder.cache());
  chmod(folder.cache().c_str(), 0777);
  std::string lines;
  attnrt::Options options = folder.options();
  options.log = [&lines](int32_t, const char* text) { lines += std::string(text) + "\n"; };
  attnrt::Runtime runtime(options);
  const std::string why = "nothing is remembered between processes: the folder " + folder.cache().string() +
                          " is world-writable";
  CHECK_THAT(runtime.doctor(), Contains(why));
  CHECK_THAT(lines, Contains(why));
  CHECK(lines.find(why) == lines.rfind(why));  // once, however often it is opened
  runtime.rescan();
  CHECK(lines.find(why) == lines.rfind(why));
  options.cache_folder = "";
  CHECK_THAT(attnrt::Runtime(options).doctor(), Contains("there is no cache folder"));
}
