// SPDX-License-Identifier: Apache-2.0
// What was judged is what is loaded: files that change meanwhile, libraries that a plugin brings in, and plugins that run
// already.
#include <sys/resource.h>
#include <sys/stat.h>

#include <thread>

#include "folder.hpp"

using Catch::Matchers::Contains;

namespace {

/// What another process lists of the folder, which remembers in the folder's cache.
std::map<std::string, Told> listed(const Folder& folder) {
  const fs::path out = folder.path() / "list.json";
  CHECK(shell("XDG_CACHE_HOME='" + folder.path().string() + "' '" ATTNRT_BUILD "/bin/attnrt' --plugin-path '" +
              folder.plugins().string() + "' list --json > '" + out.string() + "'") == 0);
  return told(read_bytes(out));
}

/// Puts `then` in the place of a file as soon as a helper has loaded it.
class Exchange {
 public:
  Exchange(const Folder& folder, const std::string& name, const std::string& then)
      : thread_([&folder, name, then] {
          for (int i = 0; i < 2000 && folder.loaders(name).empty(); ++i) usleep(5000);
          folder.install(bad_plugin(then), name + ".so");
        }) {}
  ~Exchange() { thread_.join(); }
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

 private:
  std::thread thread_;
};

}  // namespace

TEST_CASE("a file that is exchanged while it is probed is not loaded") {
  const Folder folder;
  folder.install("slow_in_create");
  std::map<std::string, Told> seen;
  {
    const Exchange meanwhile(folder, "slow_in_create", "crash_in_constructor");
    seen = folder.open();
  }
  CHECK(seen.at("slow_in_create.so").state == "unprobed");
  CHECK_THAT(seen.at("slow_in_create.so").sentence, Contains("changed"));
  CHECK(folder.open().at("slow_in_create.so").state == "crashed");  // the next scan judges what lies there now
}

TEST_CASE("a file that is patched in place is probed again") {
  const Folder folder;
  const fs::path file = folder.install("well");
  for (int i = 0; i < 2; ++i) CHECK(listed(folder).at("well.so").state == "loaded");
  const std::size_t once = folder.loaders("well").size();
  CHECK(once == 3);  // one helper and two hosts
  const auto time = fs::last_write_time(file);
  const std::string bytes = read_bytes(file);
  std::ofstream(file, std::ios::binary | std::ios::in) << bytes;  // the same inode, size, bytes and, below, time
  fs::last_write_time(file, time);
  CHECK(listed(folder).at("well.so").state == "loaded");
  CHECK(folder.loaders("well").size() == once + 2);
}

TEST_CASE("a library that a plugin brings in is asked the same questions, and its change is noticed") {
  const Folder folder;
  folder.install("missing");
  const fs::path late = folder.plugins() / "late", library = late / fs::path(ATTNRT_ABSENT).filename();
  fs::create_directory(late);
  fs::copy_file(ATTNRT_ABSENT, library);
  for (int i = 0; i < 2; ++i) CHECK(listed(folder).at("missing.so").state == "loaded");
  const std::size_t once = folder.loaders("missing").size();
  CHECK(once == 3);
  fs::remove(library);
  fs::copy_file(ATTNRT_ABSENT, library);
  CHECK(listed(folder).at("missing.so").state == "loaded");
  CHECK(folder.loaders("missing").size() == once + 2);

  REQUIRE(chmod(late.c_str(), 0777) == 0);
  for (int i = 0; i < 2; ++i) {
    const Told seen = listed(folder).at("missing.so");
    CHECK(seen.state == "untrusted");
    CHECK_THAT(seen.sentence, Contains("it brings in " + library.string() + ", but the folder " + late.string() +
                                       " is world-writable"));
  }
}

TEST_CASE("a plugin that runs already stays when a rescan lacks descriptors") {
  const Folder folder;
  folder.install("well");
  attnrt::Options options = folder.options();
  options.cache_folder = "";
  options.priority_file = ATTNRT_BUILD "/share/attnrt/configs/priority.json";  // needs one descriptor, a plugin more
  attnrt::Runtime runtime(options);
  CHECK(told(runtime.list()).at("well.so").state == "loaded");
  rlimit before{}, none{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
  std::vector<int> taken;
  for (int fd = 0; (fd = dup(2)) >= 0 && taken.size() < 8;) taken.push_back(fd);
  none = before;
  none.rlim_cur = static_cast<rlim_t>(taken.front());
  for (const int left : {0, 1, 2, 3, 4}) {
    none.rlim_cur = static_cast<rlim_t>(taken.front() + left);
    for (const int fd : taken) close(fd);
    REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
    std::string trouble;
    try {
      runtime.rescan();
    } catch (const attnrt::Error& failure) {
      trouble = failure.what();  // a scan that cannot read its table changes nothing
    }
    REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
    CAPTURE(left, trouble);
    const auto seen = told(runtime.list());
    REQUIRE(seen.contains("well.so"));
    CHECK(seen.at("well.so").state == "loaded");
    taken.clear();
    for (int i = 0; i < 8; ++i) taken.push_back(dup(2));
  }
  for (const int fd : taken) close(fd);
}
