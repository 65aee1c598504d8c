// SPDX-License-Identifier: Apache-2.0
#include "conformance/quiet.hpp"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <string>

#include "attnrt/check.hpp"
#include "conformance/allocation_count.hpp"
#include "conformance/launch.hpp"
#include "conformance/request.hpp"

namespace attnrt::conformance {
namespace {

using sdk::say;

// One step on the calling thread, no pool.
bool step(const Rig& rig, const Launch& launch) {
  const attnrt_variant& v = rig.variant();
  sdk::DiagSink deaf(sdk::DiagSink::Keep::count);
  return v.plan_update(launch.plan(), &launch.batch(), nullptr, deaf.get()) == ATTNRT_OK &&
         v.run(launch.plan(), &launch.args(), nullptr, deaf.get()) == ATTNRT_OK;
}

// Exit statuses of the child, beside 0 (silent).
constexpr int no_seccomp = 90, failed = 91, spoke = 92;
int report_pipe = -1;

void tell(int, siginfo_t* info, void*) {
  const int number = info->si_syscall;
  [[maybe_unused]] const ssize_t written = write(report_pipe, &number, sizeof number);
  _exit(spoke);
}

// From here on only write to the report, and leaving, are allowed.
bool forbid_system_calls() {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{sizeof(filter) / sizeof(filter[0]), filter};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

[[noreturn]] void silent_step(const Rig& rig, const Launch& launch) {
  struct sigaction action {};
  action.sa_sigaction = &tell;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSYS, &action, nullptr);
  if (!forbid_system_calls()) _exit(no_seccomp);
  _exit(step(rig, launch) ? 0 : failed);
}

// "" where no call was made.
std::string system_call(const Rig& rig, const Launch& launch, bool& skipped) {
  int ends[2];
  if (pipe(ends) != 0) return "the kit has no pipe";
  report_pipe = ends[1];
  const pid_t child = fork();
  if (child == 0) silent_step(rig, launch);
  close(ends[1]);
  int status = 0, number = -1;
  if (child > 0) waitpid(child, &status, 0);
  const bool told = read(ends[0], &number, sizeof number) == static_cast<ssize_t>(sizeof number);
  close(ends[0]);
  skipped = child < 0 || (WIFEXITED(status) && WEXITSTATUS(status) == no_seccomp);
  if (skipped || (WIFEXITED(status) && WEXITSTATUS(status) == 0)) return "";
  if (told) return say("plan_update and run made system call ", number, ", wanted none");
  return "plan_update and run did not come back in a process without system calls";
}

}  // namespace

Findings check_quiet(const attnrt_variant& v, Memory& memory, const GridOptions& options) {
  if (!can_count_allocations() || v.caps->device_type != ATTNRT_DEVICE_CPU)
    return {{"quiet", v.name, true,
             can_count_allocations() ? "the device's driver allocates and calls as it must" : "a sanitizer allocates",
             true}};
  // Another library's heap is out of the variant's hands: what it does is told. It may not go to the system for it.
  const bool own = std::strncmp(v.caps->impl, "own", 3) == 0;
  Findings out;
  std::size_t steps = 0, silent = 0;
  uint64_t asked = 0;
  for (const Case& base : sample_cases(v, options, 12)) {
    Case c = base;
    c.placement.workers = 1;
    const Rig rig(v, memory, c.problem);
    const Operands operands = make_operands(c);
    const std::vector<RequestData> requests = make_requests(c, operands);
    std::vector<const RequestData*> pointers;
    for (const RequestData& r : requests) pointers.push_back(&r);
    const Launch launch(rig, operands, pointers, c.lse, c.placement);
    if (!launch.plan() || !step(rig, launch)) {
      out.push_back({"allocation", text(c), false, "plan_update and run did not succeed"});
      continue;
    }
    const uint64_t before = allocation_count();
    step(rig, launch);
    const uint64_t made = allocation_count() - before;
    asked += made;
    if (made && own)
      out.push_back(
          {"allocation", text(c), false, say("plan_update and run asked the heap ", made, " times, wanted never")});
    bool skipped = false;
    const std::string told = system_call(rig, launch, skipped);
    if (!told.empty()) out.push_back({"system_call", text(c), false, told});
    ++steps;
    silent += !skipped;
  }
  if (out.empty()) {
    const bool told = asked > 0;
    out.push_back({"allocation", v.name, true,
                   told ? say(v.caps->impl, " asked the heap ", asked, " times in ", steps, " steps")
                        : say(steps, " steps without a heap call"),
                   told});
    out.push_back({"system_call", v.name, true,
                   silent ? say(silent, " steps without a system call") : "this kernel has no seccomp", silent == 0});
  }
  return out;
}

}  // namespace attnrt::conformance
