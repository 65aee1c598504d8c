// SPDX-License-Identifier: Apache-2.0
//
// What attnrt keeps between processes: never read from others, never written through their links, never waited for long.
#include "cache_folder.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <thread>

#include "scratch.hpp"
#include "strangers.hpp"

namespace fs = std::filesystem;
using namespace attnrt::core;
using Catch::Matchers::Contains;

namespace {

mode_t mode_of(const fs::path& path) {
  struct stat info {};
  REQUIRE(lstat(path.c_str(), &info) == 0);
  return info.st_mode & 07777;
}

Status put(const CacheFolder& folder, const std::string& bytes) {
  return folder.rewrite("memory.json", [&](const std::optional<std::string>&) { return bytes; });
}

/// Seconds that a call took.
template <class Call>
double seconds(Call&& call) {
  const auto begin = std::chrono::steady_clock::now();
  call();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

TEST_CASE("cache folder: made for its owner alone, whatever the umask") {
  const Scratch one;
  const fs::path place = one.path() / "home/.cache/attnrt";
  const mode_t before = umask(0);
  const CacheFolder folder(place);
  CHECK(folder.usable());
  CHECK_FALSE(fs::exists(place));
  CHECK(folder.read("memory.json") == std::nullopt);
  const Status written = put(folder, "one");
  umask(before);
  CHECK(written.text == "");
  CHECK(folder.read("memory.json") == "one");
  CHECK(mode_of(one.path() / "home") == 0700);
  CHECK(mode_of(place) == 0700);
  CHECK(mode_of(place / "memory.json") == 0600);
  CHECK(mode_of(place / "memory.json.lock") == 0600);
  CHECK(std::distance(fs::directory_iterator(place), fs::directory_iterator()) == 2);
}

TEST_CASE("cache folder: no folder, nothing kept") {
  const CacheFolder none{fs::path()};
  CHECK_FALSE(none.usable());
  CHECK(none.refusal() == "");
  CHECK(put(none, "one").code == ATTNRT_FAILED);
}

TEST_CASE("cache folder: nothing is written through links") {
  const Scratch one, target;
  const fs::path victim = target.write("precious", "kept");
  for (const char* name : {"memory.json", "memory.json.lock"}) {
    CAPTURE(name);
    fs::create_symlink(victim, one.path() / name);
    const CacheFolder folder(one.path());
    CHECK(folder.read("memory.json") == std::nullopt);
    [[maybe_unused]] const Status ignored = put(folder, "one");
    CHECK(read_bytes(victim) == "kept");
    for (const char* left : {"memory.json", "memory.json.lock"}) fs::remove(one.path() / left);
  }
}

TEST_CASE("cache folder: odd files are refused at once") {
  const Scratch one;
  const CacheFolder folder(one.path());
  REQUIRE(mkfifo((one.path() / "memory.json").c_str(), 0600) == 0);
  CHECK(seconds([&] { CHECK(folder.read("memory.json") == std::nullopt); }) < 1);
  CHECK(put(folder, "one").text == "");  // it is replaced
  CHECK(folder.read("memory.json") == "one");
  fs::remove(one.path() / "memory.json.lock");
  REQUIRE(mkfifo((one.path() / "memory.json.lock").c_str(), 0600) == 0);
  CHECK_THAT(put(folder, "two").text, Contains("memory.json.lock is not a regular file"));
  fs::remove(one.path() / "memory.json");
  fs::create_symlink("/dev/zero", one.path() / "memory.json");
  CHECK(folder.read("memory.json") == std::nullopt);
  fs::remove(one.path() / "memory.json");
  one.write("memory.json", "");
  fs::resize_file(one.path() / "memory.json", (16 << 20) + 1);
  CHECK(folder.read("memory.json") == std::nullopt);
}

TEST_CASE("cache folder: others may not be able to write it") {
  const Scratch one;
  fs::create_directory(one.path() / "cache");
  one.write("cache/memory.json", "planted");
  REQUIRE(chmod((one.path() / "cache").c_str(), 0777) == 0);
  const CacheFolder folder(one.path() / "cache");
  CHECK_FALSE(folder.usable());
  CHECK_THAT(folder.refusal(), Contains("is world-writable, wanted no write permission for others"));
  CHECK(folder.read("memory.json") == std::nullopt);
  CHECK_THAT(put(folder, "one").text, Contains("cannot be written: ") && Contains("world-writable"));
  REQUIRE(chmod((one.path() / "cache").c_str(), 0700) == 0);
  CHECK(CacheFolder(one.path() / "cache").read("memory.json") == "planted");
  REQUIRE(chmod((one.path() / "cache/memory.json").c_str(), 0666) == 0);
  CHECK(CacheFolder(one.path() / "cache").read("memory.json") == std::nullopt);
}

TEST_CASE("cache folder: a stranger's folder, file or way is no memory") {
  if (!can_play_strangers()) return;
  const Scratch home;
  REQUIRE(chmod(home.path().c_str(), 01777) == 0);
  const fs::path place = home.path() / "attnrt";
  REQUIRE(as_stranger([&] {
            std::error_code error;
            fs::create_directory(place, error);
            std::ofstream(place / "memory.json") << "planted";
            return 0;
          }) == 0);
  REQUIRE(fs::exists(place / "memory.json"));
  const CacheFolder theirs(place);
  CHECK_THAT(theirs.refusal(), Contains("belongs to user 54321"));
  CHECK(theirs.read("memory.json") == std::nullopt);
  CHECK(put(theirs, "one").code == ATTNRT_FAILED);
  CHECK(read_bytes(place / "memory.json") == "planted");
  REQUIRE(lchown(place.c_str(), 0, 0) == 0);  // only the file is theirs now
  CHECK(CacheFolder(place).usable());
  CHECK(CacheFolder(place).read("memory.json") == std::nullopt);
  // A root that kept the HOME of somebody else: links there lead into root's own folders.
  const Scratch precious;
  fs::create_directory(home.path() / "theirs");
  fs::create_symlink(precious.path(), home.path() / "theirs/.cache");
  give_away(home.path() / "theirs/.cache");
  give_away(home.path() / "theirs");
  CHECK(put(CacheFolder(home.path() / "theirs/.cache/attnrt"), "one").code == ATTNRT_FAILED);
  CHECK(fs::is_empty(precious.path()));
}

TEST_CASE("cache folder: a lock that somebody keeps is given up after a while") {
  const Scratch one;
  const CacheFolder folder(one.path());
  REQUIRE(put(folder, "one").text == "");
  int ready[2];
  REQUIRE(pipe(ready) == 0);
  const pid_t child = fork();
  if (child == 0) {
    const int fd = open((one.path() / "memory.json.lock").c_str(), O_RDWR);
    struct flock whole {};
    whole.l_type = F_WRLCK;
    const char done = fcntl(fd, F_SETLK, &whole) == 0 ? 'y' : 'n';
    [[maybe_unused]] const ssize_t told = write(ready[1], &done, 1);
    pause();
  }
  char done = 0;
  REQUIRE(read(ready[0], &done, 1) == 1);
  REQUIRE(done == 'y');
  Status refused;
  CHECK(seconds([&] { refused = put(folder, "two"); }) < 10);
  CHECK_THAT(refused.text, Contains("its lock is held by another process"));
  CHECK(folder.read("memory.json") == "one");
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  close(ready[0]), close(ready[1]);
  CHECK(put(folder, "two").text == "");
}

TEST_CASE("cache folder: a forked child keeps no lock") {
  const Scratch one;
  const CacheFolder folder(one.path());
  REQUIRE(put(folder, "0").text == "");
  std::atomic<bool> stop{false};
  std::atomic<int> failed{0};
  std::thread writer([&] {
    while (!stop) failed += put(folder, "x").ok() == false;
  });
  std::vector<pid_t> children;
  for (int i = 0; i < 50; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      pause();  // a worker that lives on
      _exit(0);
    }
    children.push_back(child);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  stop = true;
  writer.join();
  CHECK(failed == 0);
  CHECK(seconds([&] { CHECK(put(folder, "last").text == ""); }) < 1);
  for (const pid_t child : children) {
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
  }
}

TEST_CASE("cache folder: processes that write at once lose nothing") {
  const Scratch one;
  const CacheFolder folder(one.path());
  constexpr int processes = 4, rounds = 20;
  std::vector<pid_t> children;
  for (int p = 0; p < processes; ++p) {
    const pid_t child = fork();
    if (child == 0) {
      int lost = 0;
      for (int i = 0; i < rounds; ++i)
        lost += folder.rewrite("memory.json", [](const std::optional<std::string>& old) {
                        return old.value_or("") + "+";
                      }).ok() == false;
      _exit(lost);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }
  CHECK(folder.read("memory.json") == std::string(processes * rounds, '+'));
}
