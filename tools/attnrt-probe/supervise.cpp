// SPDX-License-Identifier: Apache-2.0
#include "supervise.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace attnrt::probe {
namespace {

/// Of memory that can be written, beyond what this program has at its start (a sanitizer's is terabytes); drivers reserve
/// far more addresses than they write.
constexpr rlim_t kMaxMoreData = rlim_t{8} << 30;
constexpr rlim_t kMaxMoreTasks = 512;
constexpr std::size_t kMaxSaid = 64 << 10;
/// The child's descriptor is far from those that a plugin may close or reuse by number.
constexpr int kFarDescriptor = 700;

volatile sig_atomic_t told_to_end = 0;

void limit(int resource, rlim_t most) {
  rlimit now{};
  if (getrlimit(resource, &now) != 0) return;
  now.rlim_cur = now.rlim_cur < most ? now.rlim_cur : most;
  now.rlim_max = now.rlim_max < most ? now.rlim_max : most;
  setrlimit(static_cast<__rlimit_resource_t>(resource), &now);
}

/// The tasks of the whole system: RLIMIT_NPROC counts all of a user's, so that a limit below them would stop the first.
rlim_t tasks_now() {
  rlim_t tasks = 0;
  if (FILE* file = std::fopen("/proc/loadavg", "re")) {
    unsigned long all = 0;
    if (std::fscanf(file, "%*f %*f %*f %*u/%lu", &all) == 1) tasks = all;
    std::fclose(file);
  }
  return tasks;
}

/// What RLIMIT_DATA counts of this process, in bytes; 0 = not known.
rlim_t data_now() {
  unsigned long pages = 0;
  if (FILE* file = std::fopen("/proc/self/statm", "re")) {
    if (std::fscanf(file, "%*u %*u %*u %*u %*u %lu", &pages) != 1) pages = 0;
    std::fclose(file);
  }
  return rlim_t{pages} * static_cast<rlim_t>(sysconf(_SC_PAGESIZE));
}

void confine() {
  limit(RLIMIT_CORE, 0);
  if (const rlim_t data = data_now()) limit(RLIMIT_DATA, data + kMaxMoreData);
  if (const rlim_t tasks = tasks_now()) limit(RLIMIT_NPROC, tasks + kMaxMoreTasks);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (FILE* file = std::fopen("/proc/self/oom_score_adj", "we")) {
    std::fputs("1000", file);
    std::fclose(file);
  }
}

std::vector<pid_t> children() {
  std::vector<pid_t> out;
  if (FILE* file = std::fopen(("/proc/self/task/" + std::to_string(getpid()) + "/children").c_str(), "re")) {
    int pid = 0;
    while (std::fscanf(file, "%d", &pid) == 1) out.push_back(pid);
    std::fclose(file);
  }
  return out;
}

/// Ends every descendant: as subreaper this process inherits those whose parents end. Bounded, for one that is stuck in
/// the kernel cannot be waited for.
void end_all() {
  for (int round = 0; round < 200; ++round) {
    for (const pid_t pid : children()) kill(pid, SIGKILL);
    pid_t ended = 0;
    while ((ended = waitpid(-1, nullptr, WNOHANG)) > 0) {
    }
    if (ended < 0 && errno == ECHILD) return;
    usleep(round < 20 ? 500 : 5000);
  }
}

void tell(int host, const std::string& text) {
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t put = write(host, text.data() + at, text.size() - at);
    if (put < 0 && errno != EINTR) return;
    at += put > 0 ? static_cast<std::size_t>(put) : 0;
  }
}

/// Passes on what the child says, up to a limit, until it has ended; its status.
int relay(int host, int from, pid_t child) {
  std::size_t said = 0;
  int status = 0;
  bool open = true;
  for (;;) {
    const pid_t ended = waitpid(child, &status, WNOHANG);
    char buffer[4096];
    for (ssize_t got = 0; open && (got = read(from, buffer, sizeof buffer)) != -1;) {
      open = got > 0;
      if (said < kMaxSaid) tell(host, std::string(buffer, static_cast<std::size_t>(got)));
      said += static_cast<std::size_t>(got);
      if (!ended && said >= kMaxSaid) break;  // a child that floods must not keep this loop from its end
    }
    if (ended == child || (ended < 0 && errno == ECHILD)) return status;
    if (told_to_end) return 0;
    pollfd wait{open && said < kMaxSaid ? from : -1, POLLIN, 0};
    poll(&wait, 1, 5);
  }
}

}  // namespace

int supervise(int host, void (*work)(int descriptor, void* arg), void* arg) {
  struct sigaction action {};
  action.sa_handler = [](int) { told_to_end = 1; };
  sigaction(SIGTERM, &action, nullptr);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  confine();
  signal(SIGPIPE, SIG_IGN);  // a host that is gone must not end this before its children
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return 1;
  const pid_t parent = getpid(), child = fork();
  if (child < 0) return 1;
  if (child == 0) {
    signal(SIGTERM, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    const int far = fcntl(ends[1], F_DUPFD_CLOEXEC, kFarDescriptor);
    const int out = far >= 0 ? far : fcntl(ends[1], F_DUPFD_CLOEXEC, 100);
    for (const int fd : {host, ends[0], ends[1]}) close(fd);
    work(out, arg);
    std::exit(0);
  }
  close(ends[1]);
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  const int status = relay(host, ends[0], child);
  if (told_to_end == 0)
    tell(host, WIFSIGNALED(status) ? "\nend signal " + std::to_string(WTERMSIG(status)) + "\n"
                                   : "\nend exit " + std::to_string(WEXITSTATUS(status)) + "\n");
  end_all();
  return 0;
}

}  // namespace attnrt::probe
