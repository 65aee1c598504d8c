// SPDX-License-Identifier: Apache-2.0
//
// Files of compiled kernels: what comes back, and what does not when a file was damaged or another could have written
// it.
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>
#include <vector>

#include "cuda/kernel_cache.hpp"

using attnrt::flex::KernelCache;
namespace fs = std::filesystem;

namespace {

struct Folder {
  Folder() {
    char name[] = "/tmp/attnrt_kernel_cache_XXXXXX";
    REQUIRE(mkdtemp(name));
    path = name;
  }
  ~Folder() { fs::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  fs::path path;
};

std::string bytes_of(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void put(const std::string& file, const std::string& bytes) { std::ofstream(file, std::ios::binary) << bytes; }

const std::string kImage("machine\0code", 12);

}  // namespace

TEST_CASE("an image comes back under its key alone") {
  const Folder folder;
  const KernelCache cache(folder.path / "made" / "here");
  CHECK_FALSE(cache.read("key"));
  cache.write("key", kImage);
  CHECK(cache.read("key") == kImage);
  CHECK(KernelCache(folder.path / "made" / "here").read("key") == kImage);
  CHECK_FALSE(cache.read("another"));
  // Where names collide the key in the file decides.
  put(cache.path("another"), bytes_of(cache.path("key")));
  CHECK_FALSE(cache.read("another"));
  cache.write("key", "newer");
  CHECK(cache.read("key") == std::string("newer"));
  CHECK(std::distance(fs::directory_iterator(folder.path / "made" / "here"), {}) == 2);  // nothing is left beside them
}

TEST_CASE("every damaged byte and every missing one is found, and the file is made anew") {
  const Folder folder;
  const KernelCache cache(folder.path);
  cache.write("key", kImage);
  const std::string file = cache.path("key"), whole = bytes_of(file);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string bytes = whole;
    bytes[i] = static_cast<char>(bytes[i] ^ 1);
    put(file, bytes);
    CHECK_FALSE(cache.read("key"));
    put(file, whole.substr(0, i));
    CHECK_FALSE(cache.read("key"));
  }
  put(file, whole + "more");
  CHECK_FALSE(cache.read("key"));
  cache.write("key", kImage);
  CHECK(bytes_of(file) == whole);
}

TEST_CASE("what others could have written is not read") {
  const Folder folder;
  const fs::path inner = folder.path / "kernels";
  const KernelCache cache(inner);
  cache.write("key", kImage);
  const std::string file = cache.path("key");
  REQUIRE(chmod(file.c_str(), 0620) == 0);
  CHECK_FALSE(cache.read("key"));
  REQUIRE(chmod(file.c_str(), 0600) == 0);
  CHECK(cache.read("key"));
  REQUIRE(chmod(inner.c_str(), 0777) == 0);
  CHECK_FALSE(cache.read("key"));
  cache.write("other", kImage);
  CHECK_FALSE(fs::exists(cache.path("other")));
  REQUIRE(chmod(inner.c_str(), 0700) == 0);
  fs::rename(file, inner / "elsewhere");
  fs::create_symlink(inner / "elsewhere", file);
  CHECK_FALSE(cache.read("key"));
  fs::create_symlink(inner, folder.path / "link");
  CHECK_FALSE(KernelCache(folder.path / "link").read("key"));
}

TEST_CASE("a folder that cannot be made, or none, keeps nothing") {
  const Folder folder;
  put(folder.path / "file", "");
  const KernelCache beside(folder.path / "file" / "inner"), none("");
  for (const KernelCache& cache : {beside, none}) {
    cache.write("key", kImage);
    CHECK_FALSE(cache.read("key"));
  }
  CHECK(none.path("key") == "");
}

TEST_CASE("writers at the same time leave a whole file") {
  const Folder folder;
  const KernelCache cache(folder.path);
  const std::string big(200000, 'x');
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int n = 0; n < 20; ++n) {
        cache.write("key", big);
        if (cache.read("key") != big) std::abort();
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(cache.read("key") == big);
  CHECK(std::distance(fs::directory_iterator(folder.path), {}) == 1);
}

TEST_CASE("the environment names the folder") {
  setenv("HOME", "/home/one", 1);
  unsetenv("XDG_CACHE_HOME");
  unsetenv(attnrt::flex::kCacheVariable);
  CHECK(KernelCache::place() == "/home/one/.cache/attnrt/flex");
  setenv("XDG_CACHE_HOME", "/cache", 1);
  CHECK(KernelCache::place() == "/cache/attnrt/flex");
  setenv(attnrt::flex::kCacheVariable, "/own", 1);
  CHECK(KernelCache::place() == "/own");
  setenv(attnrt::flex::kCacheVariable, "", 1);
  CHECK(KernelCache::place() == "");
  setenv(attnrt::flex::kCacheVariable, "relative", 1);
  CHECK(KernelCache::place() == "");
}
