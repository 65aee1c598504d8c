// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

/// Another user, for tests that run as root.
constexpr uid_t kStranger = 54321;

/// Only root can give files away and act as somebody else; elsewhere the test says that it tried nothing.
inline bool can_play_strangers() {
  if (geteuid() == 0) return true;
  WARN("wants root: another user's files cannot be made here");
  return false;
}

/// Makes a file, folder or link another user's.
inline void give_away(const std::filesystem::path& path) {
  REQUIRE(lchown(path.c_str(), kStranger, kStranger) == 0);
}

/// Runs `act` in a child as the stranger; the status that it returned.
template <class Act>
int as_stranger(Act&& act) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) _exit(setresgid(kStranger, kStranger, kStranger) || setresuid(kStranger, kStranger, kStranger) ? 99 : act());
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}
