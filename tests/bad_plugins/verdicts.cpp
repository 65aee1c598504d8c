// SPDX-License-Identifier: Apache-2.0
// What is remembered of a plugin, for whom, and until when; the probe's three settings; a build without its helper.
#include "folder.hpp"

using Catch::Matchers::Contains;

namespace {

const std::string crash = "crash_in_constructor";

std::string state(const std::map<std::string, Told>& all, const std::string& name) {
  return all.at(name + ".so").state;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

/// `attnrt list --json` by a program of a build folder, with the folder's cache; what it says.
std::map<std::string, Told> list_by(const fs::path& build, const Folder& folder, const std::string& path,
                                    const std::string& redirect = "") {
  const fs::path out = folder.path() / "list.json";
  const std::string line = "LD_LIBRARY_PATH='" + (build / "lib").string() + "' HOME='" + folder.path().string() +
                           "' XDG_CACHE_HOME='" + folder.path().string() + "' '" + (build / "bin/attnrt").string() +
                           "' --plugin-path '" + path + "' list --json " + redirect + " > '" + out.string() + "'";
  CHECK(shell(line) == 0);
  return told(read_bytes(out));
}

}  // namespace

TEST_CASE("a crash is remembered until it is forgiven") {
  const Folder folder;
  folder.install(crash);
  CHECK(state(folder.open(), crash) == "crashed");
  CHECK(folder.loaders(crash).size() == 1);
  CHECK(state(folder.open(), crash) == "quarantined");
  CHECK(folder.loaders(crash).size() == 1);

  attnrt::Runtime runtime(folder.options());
  CHECK_THAT(refused([&] { runtime.forgive("nobody"); }), Contains("no crash or timeout of 'nobody' is remembered"));
  for (const std::string& name : {crash, crash + ".so"}) {
    runtime.forgive(name);
    CHECK(state(told(runtime.list()), crash) == "crashed");
    runtime.rescan();
    CHECK(state(told(runtime.list()), crash) == "quarantined");
  }
  CHECK(folder.loaders(crash).size() == 3);

  // By the program, and for the next process.
  CHECK(state(list_by(ATTNRT_BUILD, folder, folder.plugins().string()), crash) == "quarantined");
  CHECK(shell("XDG_CACHE_HOME='" + folder.path().string() + "' '" ATTNRT_BUILD "/bin/attnrt' --plugin-path '" +
              folder.plugins().string() + "' forgive " + crash + " > /dev/null") == 0);
  CHECK(folder.loaders(crash).size() == 4);
}

TEST_CASE("a mended file is another file") {
  const Folder folder;
  folder.install(bad_plugin("crash_in_query"), "one.so");
  CHECK(state(folder.open(), "one") == "crashed");
  CHECK(state(folder.open(), "one") == "quarantined");
  folder.install(bad_plugin("well"), "one.so");
  CHECK(state(folder.open(), "one") == "loaded");
}

TEST_CASE("always probes whatever is remembered, never probes nothing, auto probes once") {
  const Folder folder;
  folder.install(crash);
  folder.install("well");
  for (std::size_t times = 1; times <= 2; ++times) {
    const auto seen = folder.open(ATTNRT_PROBE_ALWAYS);
    CHECK(state(seen, crash) == "crashed");
    CHECK(state(seen, "well") == "loaded");
    CHECK(folder.loaders(crash).size() == times);
    CHECK(folder.loaders("well").size() == times);
  }
  CHECK(state(folder.open(), "well") == "loaded");
  CHECK(folder.loaders("well").size() == 2);
  fs::remove(folder.plugins() / (crash + ".so"));  // it would end this process
  CHECK(state(folder.open(ATTNRT_PROBE_NEVER), "well") == "loaded");
  CHECK(folder.loaders("well").size() == 2);
}

TEST_CASE("a missing library is looked for each time") {
  const Folder folder;
  folder.install("missing");
  attnrt::Runtime runtime(folder.options());
  CHECK(state(told(runtime.list()), "missing") == "unresolved");
  runtime.rescan();
  CHECK(state(told(runtime.list()), "missing") == "unresolved");
  fs::create_directory(folder.plugins() / "late");
  fs::copy_file(ATTNRT_ABSENT, folder.plugins() / "late" / fs::path(ATTNRT_ABSENT).filename());
  runtime.rescan();
  CHECK(state(told(runtime.list()), "missing") == "loaded");
}

TEST_CASE("a memory that is broken or cannot be written costs a probe, nothing else") {
  const Folder folder;
  folder.install(crash);
  folder.install("well");
  const fs::path file = folder.cache() / "verdicts.json";
  CHECK(state(folder.open(), crash) == "crashed");
  const std::string good = read_bytes(file);
  const std::string states[] = {replaced(good, "\"crashed\"", "\"weird\""), replaced(good, "\"crashed\"", "[7]")};
  for (const std::string& text : {std::string(), std::string("{"), std::string("[]"), good.substr(0, good.size() / 2),
                                  states[0], states[1], std::string(100000, '['), std::string("\0\xff\xfe", 3)}) {
    CHECK(text != good);
    std::ofstream(file, std::ios::binary) << text;
    const auto seen = folder.open();
    CHECK(state(seen, crash) == "crashed");
    CHECK(state(seen, "well") == "loaded");
    CHECK(state(folder.open(), crash) == "quarantined");  // and it is whole again
  }
  fs::remove(file);
  fs::create_directories(file / "in_the_way");
  CHECK(state(folder.open(), crash) == "crashed");
  CHECK(std::distance(fs::directory_iterator(folder.cache()), {}) == 2);  // the lock and what is in the way
  for (const char* nowhere : {"", "/dev/null/cache", "/proc/self/cache"}) {
    attnrt::Options options = folder.options();
    options.cache_folder = nowhere;
    for (int i = 0; i < 2; ++i) CHECK(state(told(attnrt::Runtime(options).list()), crash) == "crashed");
  }
}

TEST_CASE("several processes at once share one memory") {
  const Folder folder;
  for (const char* name : {"crash_in_query", "crash_in_create", "leave_in_query", "well"}) folder.install(name);
  const std::string home = folder.path().string();
  const std::string one = "XDG_CACHE_HOME='" + home + "' '" ATTNRT_BUILD "/bin/attnrt' --plugin-path '" + home +
                          "/plugins' list --json > /dev/null || echo failed >> '" + home + "/failures' & ";
  CHECK(shell("(" + one + one + one + one + " wait)") == 0);
  CHECK_FALSE(fs::exists(folder.path() / "failures"));
  const boost::json::value all = boost::json::parse(read_bytes(folder.cache() / "verdicts.json"));
  CHECK(all.as_object().size() == 4);
  const auto seen = list_by(ATTNRT_BUILD, folder, folder.plugins().string());
  for (const char* name : {"crash_in_query", "crash_in_create", "leave_in_query"})
    CHECK(state(seen, name) == "quarantined");
  CHECK(state(seen, "well") == "loaded");
}

TEST_CASE("another build of the library forgets; where its helper cannot start it believes its own folder alone") {
  const Folder folder;
  folder.install(crash);
  folder.install("well");
  CHECK(state(list_by(ATTNRT_BUILD, folder, folder.plugins().string()), crash) == "crashed");
  CHECK(state(list_by(ATTNRT_BUILD, folder, folder.plugins().string()), crash) == "quarantined");

  const fs::path other = folder.path() / "other", build = ATTNRT_BUILD, home = other / "lib/attnrt/plugins";
  for (const char* part : {"bin", "lib/attnrt/plugins", "libexec/attnrt", "share/attnrt"})
    fs::create_directories(other / part);
  for (const char* file : {"bin/attnrt", "lib/libattnrt.so.0", "libexec/attnrt/attnrt-probe"})
    fs::copy_file(build / file, other / file);
  fs::copy(build / "share/attnrt/configs", other / "share/attnrt/configs");
  CHECK(state(list_by(other, folder, folder.plugins().string()), crash) == "crashed");
  CHECK(state(list_by(other, folder, folder.plugins().string()), crash) == "quarantined");
  CHECK(state(list_by(ATTNRT_BUILD, folder, folder.plugins().string()), crash) == "quarantined");

  fs::copy_file(bad_plugin("twin_a"), home / "twin_a.so");
  const fs::path helper = other / "libexec/attnrt/attnrt-probe";
  for (const bool there : {false, true}) {
    fs::remove(helper);
    fs::remove_all(folder.cache());
    if (there) {
      std::ofstream(helper) << "#!/nonexistent\n";
      fs::permissions(helper, fs::perms::owner_all);
    }
    const auto seen = list_by(other, folder, ":" + folder.plugins().string());
    CHECK(state(seen, "twin_a") == "loaded");
    for (const std::string& name : {crash, std::string("well")}) {
      CHECK(state(seen, name) == "unprobed");
      CHECK_THAT(seen.at(name + ".so").sentence,
                 Contains(there ? "the probe could not start: No such file or directory"
                                : "the probe could not start: attnrt-probe is not installed") &&
                     Contains("plugins are loaded from " + home.string() + " alone"));
    }
    CHECK_FALSE(fs::exists(folder.cache() / "verdicts.json"));
  }
  fs::remove(helper);
  fs::copy_file(build / "libexec/attnrt/attnrt-probe", helper);
  CHECK(state(list_by(other, folder, folder.plugins().string()), "well") == "loaded");
}

TEST_CASE("a host that was started without standard streams probes as well") {
  const Folder folder;
  folder.install(crash);
  folder.install("well");
  const auto seen = list_by(ATTNRT_BUILD, folder, folder.plugins().string(), "0<&- 2>&-");
  CHECK(state(seen, crash) == "crashed");
  CHECK(state(seen, "well") == "loaded");
}

TEST_CASE("a helper whose host is ended does not go on alone") {
  const Folder folder;
  folder.install("hang_in_query");
  const pid_t host = fork();
  if (host == 0) {
    execl(ATTNRT_BUILD "/bin/attnrt", "attnrt", "--plugin-path", folder.plugins().c_str(), "list", nullptr);
    _exit(99);
  }
  for (int i = 0; i < 800 && folder.loaders("hang_in_query").empty(); ++i) usleep(10000);
  const auto helpers = folder.loaders("hang_in_query");
  kill(host, SIGKILL);
  waitpid(host, nullptr, 0);
  REQUIRE(helpers.size() == 1);
  CHECK(gone(helpers.begin()->first));
}
