// SPDX-License-Identifier: Apache-2.0
//
// Whose files are believed: each folder and link on the way to a file is asked who may write it.
#include "trust.hpp"

#include <sys/stat.h>
#include <sys/xattr.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <vector>

#include "scratch.hpp"
#include "strangers.hpp"

namespace fs = std::filesystem;
using namespace attnrt::core;
using Catch::Matchers::Contains;

namespace {

void mode(const fs::path& path, mode_t bits) { REQUIRE(chmod(path.c_str(), bits) == 0); }

/// Gives one user rights by an access control list, as setfacl -m u:USER:rwx does; false where there are none here.
bool add_to_list(const fs::path& path, uint32_t user) {
  struct Entry {
    uint16_t tag, permissions;
    uint32_t id;
  };
  const Entry entries[] = {{1, 7, ~0u}, {2, 7, user}, {4, 5, ~0u}, {0x10, 7, ~0u}, {0x20, 5, ~0u}};
  std::vector<char> bytes(4 + sizeof entries);
  const uint32_t version = 2;
  std::memcpy(bytes.data(), &version, 4);
  std::memcpy(bytes.data() + 4, entries, sizeof entries);
  return setxattr(path.c_str(), "system.posix_acl_access", bytes.data(), bytes.size(), 0) == 0;
}

}  // namespace

TEST_CASE("trust: a folder above the plugin folder that others may write") {
  const Scratch one;
  fs::create_directories(one.path() / "open/plugins");
  const fs::path file = one.path() / "open/plugins/a.so";
  std::ofstream(file) << "x";
  CHECK(distrust(file) == "");
  mode(one.path() / "open", 0777);
  CHECK_THAT(distrust(file), Contains("the folder " + (one.path() / "open").string() + " is world-writable"));
  mode(one.path() / "open", 01777);  // sticky: others cannot exchange what is not theirs
  CHECK(distrust(file) == "");
  mode(one.path() / "open", 0755);
  mode(one.path() / "open/plugins", 01777);  // but they could add a hard link to somebody's old library
  CHECK_THAT(distrust(file), Contains("the folder " + (one.path() / "open/plugins").string() + " is world-writable"));
}

TEST_CASE("trust: relative and missing paths") {
  CHECK_THAT(distrust("a.so"), Contains("a.so is relative, wanted an absolute path"));
  CHECK_THAT(distrust("/nowhere/at/all.so"), Contains("the folder /nowhere cannot be looked at: No such file"));
}

TEST_CASE("trust: a circle of links ends") {
  const Scratch one;
  fs::create_symlink(one.path() / "b.so", one.path() / "a.so");
  fs::create_symlink(one.path() / "a.so", one.path() / "b.so");
  CHECK_THAT(distrust(one.path() / "a.so"), Contains("cannot be followed: Too many levels of symbolic links"));
}

TEST_CASE("trust: links that lead up and on are followed as the system follows them") {
  const Scratch one;
  fs::create_directories(one.path() / "x/y");
  fs::create_directories(one.path() / "z");
  const fs::path file = one.write("z/a.so", "bytes");
  fs::create_symlink("../../z", one.path() / "x/y/up");
  fs::create_symlink("a.so", one.path() / "z/b.so");
  const Walk way = walk(one.path() / "x/y/up/b.so", Owners::user_or_core);
  CHECK(way.why == "");
  REQUIRE(way.found);
  CHECK(way.name == "a.so");
  CHECK(way.info.st_size == 5);
}

TEST_CASE("trust: a group that is not the user's own may not write") {
  if (!can_play_strangers()) return;
  const Scratch one;
  const fs::path file = one.write("a.so", "");
  mode(file, 0664);
  CHECK(distrust(file) == "");  // group 0 of user 0 is the user's own
  REQUIRE(chown(file.c_str(), 0, kStranger) == 0);
  CHECK_THAT(distrust(file), Contains("the file") && Contains("is group-writable"));
  mode(file, 0644);
  CHECK(distrust(file) == "");
  REQUIRE(chown(one.path().c_str(), 0, kStranger) == 0);
  mode(one.path(), 0770);
  CHECK_THAT(distrust(file), Contains("the folder") && Contains("is group-writable"));
}

TEST_CASE("trust: an access control list counts as a group that may write") {
  const Scratch one;
  const fs::path file = one.write("a.so", "");
  if (!add_to_list(one.path(), kStranger)) {
    WARN("wants a file system with access control lists");
    return;
  }
  CHECK_THAT(distrust(file), Contains("the folder") && Contains("is group-writable"));
}

TEST_CASE("trust: a stranger's link in a sticky folder on the way is not followed in trust") {
  if (!can_play_strangers()) return;
  const Scratch ours, shared;
  const fs::path file = ours.write("real.so", "");
  mode(shared.path(), 01777);
  fs::create_symlink(file, shared.path() / "theirs.so");
  give_away(shared.path() / "theirs.so");
  fs::create_symlink(shared.path() / "theirs.so", ours.path() / "a.so");
  CHECK_THAT(distrust(ours.path() / "a.so"), Contains("theirs.so belongs to user 54321") || Contains("world-writable"));
  fs::create_directory(shared.path() / "plugins");
  fs::create_symlink(ours.path(), shared.path() / "way");
  give_away(shared.path() / "way");
  CHECK_THAT(distrust(shared.path() / "way/real.so"), Contains("the link") && Contains("belongs to user 54321"));
}

TEST_CASE("trust: a stranger's folder above") {
  if (!can_play_strangers()) return;
  const Scratch one;
  fs::create_directories(one.path() / "theirs/ours");
  const fs::path file = one.write("theirs/ours/a.so", "");
  give_away(one.path() / "theirs");
  CHECK_THAT(distrust(file), Contains("theirs belongs to user 54321, wanted root, user 0 or the owner of libattnrt"));
}
