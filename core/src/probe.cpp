// SPDX-License-Identifier: Apache-2.0
#include "probe.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "search.hpp"

extern char** environ;

namespace attnrt::core {
namespace {

using Clock = std::chrono::steady_clock;

/// The last line that begins with `word`, without it.
std::string last_line(const std::string& text, const std::string& word) {
  const std::size_t at = ("\n" + text).rfind("\n" + word + " ");
  if (at == std::string::npos) return "";
  const std::size_t begin = at + word.size() + 1;
  return text.substr(begin, text.find('\n', begin) - begin);
}

/// Reads what the child says until it closes its end or time is up; false = time is up.
bool listen(int fd, Clock::time_point deadline, std::string& said) {
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd wait{fd, POLLIN, 0};
    const int ready = left > 0 ? poll(&wait, 1, static_cast<int>(left)) : 0;
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return false;
    char buffer[4096];
    const ssize_t got = read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return true;
    if (said.size() < (1u << 16)) said.append(buffer, static_cast<std::size_t>(got));
  }
}

State state_of(const std::string& word) {
  for (const State s : {State::unresolved, State::invalid, State::incompatible})
    if (word == state_name(s)) return s;
  return State::invalid;
}

}  // namespace

std::filesystem::path probe_program() {
  std::error_code error;
  for (const char* place : {"../libexec/attnrt/attnrt-probe", "../../libexec/attnrt/attnrt-probe", "../bin/attnrt-probe"}) {
    std::filesystem::path program = (core_folder() / place).lexically_normal();
    if (std::filesystem::exists(program, error) && access(program.c_str(), X_OK) == 0) return program;
  }
  return {};
}

Loaded probe(const std::filesystem::path& program, const std::filesystem::path& file, std::chrono::milliseconds limit) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return {State::crashed, std::string("the probe could not start: ") + std::strerror(errno), nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 3);  // the plugin may print: verdicts go to a descriptor of their own
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addclosefrom_np(&actions, 4);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);  // so that a time-out ends its children too
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  const char* const argv[] = {program.c_str(), file.c_str(), nullptr};
  pid_t child = 0;
  const int error = posix_spawn(&child, program.c_str(), &actions, &attributes, const_cast<char* const*>(argv), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  close(ends[1]);
  std::string said;
  bool in_time = true;
  if (!error) in_time = listen(ends[0], Clock::now() + limit, said);
  close(ends[0]);
  if (error) return {State::crashed, std::string("the probe could not start: ") + std::strerror(error), nullptr};

  const std::string stage = last_line(said, "stage");
  if (!in_time) kill(-child, SIGKILL);
  int status = 0;
  pid_t waited = 0;
  while ((waited = waitpid(child, &status, 0)) < 0 && errno == EINTR) {
  }
  if (!in_time) return {State::timeout, "did not come back from " + stage + " within " + std::to_string(limit.count()) + " ms", nullptr};
  // The engine may reap children itself (waitpid fails then): the helper's own words count first.
  if (const std::string verdict = last_line(said, "verdict"); !verdict.empty()) {
    if (verdict == state_name(State::loaded)) return {};
    const std::size_t space = verdict.find(' ');
    return {state_of(verdict.substr(0, space)), space == std::string::npos ? "" : verdict.substr(space + 1), nullptr};
  }
  std::string how = "ended";
  if (waited == child && WIFSIGNALED(status)) how = std::string("crashed with SIG") + sigabbrev_np(WTERMSIG(status));
  if (waited == child && WIFEXITED(status)) how = "exited with status " + std::to_string(WEXITSTATUS(status));
  return {State::crashed, how + " in " + (stage.empty() ? "the probe's start" : stage), nullptr};
}

}  // namespace attnrt::core
