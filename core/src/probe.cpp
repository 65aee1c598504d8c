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

/// The child has ended, or somebody else reaped it. It stays unreaped, so that its group's id stays its own.
bool ended(pid_t child) {
  siginfo_t info{};
  return waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == child;
}

/// Takes what the child says until it has ended or time is up; false = time is up. Its end counts, not its pipe's: it
/// may close that and run on, or leave it to a process of its own.
bool listen(pid_t child, int fd, Clock::time_point deadline, std::string& said) {
  for (bool open = true;;) {
    const bool over = ended(child);
    char buffer[4096];
    const ssize_t got = open ? read(fd, buffer, sizeof buffer) : 0;
    if (got > 0) said.append(buffer, static_cast<std::size_t>(got));
    else if (over) return true;
    if (said.size() > (1u << 16)) said.erase(1u << 12, 1u << 15);  // whoever floods it hides neither end
    if (Clock::now() >= deadline) return over;
    open = got != 0;
    pollfd wait{open ? fd : -1, POLLIN, 0};
    poll(&wait, 1, open ? 20 : 1);
  }
}

/// "SIGSEGV"; those for real time have numbers alone.
std::string signal_name(int number) {
  const char* name = sigabbrev_np(number);
  return name ? std::string("SIG") + name : "signal " + std::to_string(number);
}

State state_of(const std::string& word) {
  for (const State s : {State::unresolved, State::invalid, State::incompatible})
    if (word == state_name(s)) return s;
  return State::invalid;
}

/// No fault of the plugin's, and nothing that is remembered of it.
Loaded not_started(const std::string& why) { return {State::unprobed, "the probe could not start: " + why, nullptr}; }

}  // namespace

std::filesystem::path probe_program() {
  std::error_code error;
  for (const char* place : {"../libexec/attnrt", "../../libexec/attnrt", "../bin"}) {
    std::filesystem::path program = (core_folder() / place / "attnrt-probe").lexically_normal();
    if (std::filesystem::exists(program, error) && access(program.c_str(), X_OK) == 0) return program;
  }
  return {};
}

Loaded probe(const std::filesystem::path& program, const std::filesystem::path& file,
             std::chrono::milliseconds limit) {
  if (program.empty()) return not_started("attnrt-probe is not installed");
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return not_started(std::strerror(errno));
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 3);  // the plugin may print: verdicts have their own descriptor
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addclosefrom_np(&actions, 4);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);  // so that its children end with it
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  const char* const words[] = {program.c_str(), file.c_str(), nullptr};
  char* const* argv = const_cast<char* const*>(words);
  pid_t child = 0;
  const int error = posix_spawn(&child, program.c_str(), &actions, &attributes, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  close(ends[1]);
  std::string said;
  bool in_time = true;
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  if (!error) in_time = listen(child, ends[0], Clock::now() + limit, said);
  close(ends[0]);
  if (error) return not_started(std::strerror(error));

  const std::string stage = last_line(said, "stage");
  siginfo_t info{};
  if (waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG | WNOWAIT) == 0) kill(-child, SIGKILL);
  int status = 0;
  pid_t waited = 0;
  while ((waited = waitpid(child, &status, 0)) < 0 && errno == EINTR) {
  }
  // The engine may reap children itself (waitpid fails then): the helper's own words count first.
  if (const std::string verdict = in_time ? last_line(said, "verdict") : ""; !verdict.empty()) {
    if (verdict == state_name(State::loaded)) return {};
    const std::size_t space = verdict.find(' ');
    return {state_of(verdict.substr(0, space)), space == std::string::npos ? "" : verdict.substr(space + 1), nullptr};
  }
  std::string how = "ended";
  if (waited == child && WIFSIGNALED(status)) how = "crashed with " + signal_name(WTERMSIG(status));
  if (waited == child && WIFEXITED(status)) how = "exited with status " + std::to_string(WEXITSTATUS(status));
  if (!in_time) how = "did not come back within " + std::to_string(limit.count()) + " ms";
  if (stage.empty()) return not_started(program.string() + " " + how + " before it came to the plugin");
  return {in_time ? State::crashed : State::timeout, how + " in " + stage, nullptr};
}

}  // namespace attnrt::core
