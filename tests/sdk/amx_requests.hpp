// SPDX-License-Identifier: Apache-2.0
//
// amx_requests.hpp: a child process in which the system answers requests for AMX tile data as a test wants, by a filter
// of system calls (seccomp), on every processor.
#ifndef ATTNRT_TESTS_AMX_REQUESTS_HPP
#define ATTNRT_TESTS_AMX_REQUESTS_HPP
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstddef>
#include <iterator>

namespace attnrt::tests {

/// For a filter: the request ends the process by SIGSYS.
constexpr int kKills = 0;

/// From now on the request fails with this errno in this process and all that it starts. False: there are no filters.
inline bool answer_amx_requests(int error) {
  constexpr unsigned request = 0x1023;  // ARCH_REQ_XCOMP_PERM
  const auto at = [](std::size_t offset) { return static_cast<unsigned>(offset); };
  const unsigned answer = error == kKills ? SECCOMP_RET_KILL_PROCESS
                                          : SECCOMP_RET_ERRNO | (static_cast<unsigned>(error) & SECCOMP_RET_DATA);
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at(offsetof(seccomp_data, nr))),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_arch_prctl, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at(offsetof(seccomp_data, args))),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, request, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, answer),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{std::size(code), code};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

constexpr int kNoFilters = 77;

/// How a child ends that calls `act` under the filter: 0 where it is true, 1 where not, kNoFilters, or 1000 and the
/// signal.
template <class Act>
int end_under_filter(int error, Act&& act) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const rlimit no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    alarm(60);
    if (!answer_amx_requests(error)) _exit(kNoFilters);
    bool ok = false;
    try {
      ok = act();
    } catch (...) {
    }
    _exit(ok ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace attnrt::tests
#endif
