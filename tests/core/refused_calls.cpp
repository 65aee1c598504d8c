// SPDX-License-Identifier: Apache-2.0
// A system that refuses threads or processes, as a container's seccomp profile or a limit does.
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <functional>

#include "engine.hpp"

using Catch::Matchers::Contains;

namespace {

bool install(sock_filter* filter, unsigned short count) {
  const sock_fprog program{count, filter};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

sock_filter load(std::size_t offset) { return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset)); }
sock_filter answer(int error) { return BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<uint32_t>(error)); }
constexpr sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);

/// From here on this process may not call `number`.
bool refuse(uint32_t number, int error) {
  sock_filter filter[] = {load(offsetof(seccomp_data, nr)), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
                          answer(error), allow};
  return install(filter, std::size(filter));
}

/// No threads; processes as before.
bool refuse_threads() {
  sock_filter filter[] = {load(offsetof(seccomp_data, nr)),
                          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3),
                          load(offsetof(seccomp_data, args)),
                          BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 0, 1),
                          answer(EAGAIN),
                          allow};
  return refuse(SYS_clone3, ENOSYS) && install(filter, std::size(filter));
}

/// What `body` answers in a child whose calls are refused; "refused nothing" where the system has no seccomp.
std::string in_child(const std::function<bool()>& refuse_calls, const std::function<std::string()>& body) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    std::string said;
    try {
      said = refuse_calls() ? body() : "refused nothing";
    } catch (const std::exception& e) {
      said = std::string("threw: ") + e.what();
    }
    const bool written = write(ends[1], said.data(), said.size()) == static_cast<ssize_t>(said.size());
    _exit(written ? 0 : 1);
  }
  close(ends[1]);
  std::string said;
  for (char buffer[4096]; ssize_t got = read(ends[0], buffer, sizeof buffer);) {
    REQUIRE(got > 0);
    said.append(buffer, static_cast<std::size_t>(got));
  }
  close(ends[0]);
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  return said;
}

}  // namespace

TEST_CASE("where the system refuses threads fewer are used, and that is logged") {
  const std::string said = in_child(&refuse_threads, [] {
    std::string logged;
    attnrt::Options options = only_plugins();
    options.log = [&logged](int32_t level, const char* text) {
      if (level == ATTNRT_LOG_WARNING) logged += std::string(text) + "\n";
    };
    const attnrt::Runtime runtime(options);
    const attnrt_executor* pool = runtime.executor(4);
    int64_t done = 0;
    pool->parallel_for(
        pool->self, 100, 3,
        [](void* arg, int64_t begin, int64_t end, uint32_t) { *static_cast<int64_t*>(arg) += end - begin; }, &done);
    const bool right = computes(runtime, pool);
    runtime.executor(4);
    return std::to_string(pool->num_workers) + " workers, " + std::to_string(done) + " items, " +
           (right ? "right" : "wrong") + "\n" + logged;
  });
  CHECK(said ==
        "1 workers, 100 items, right\n"
        "default_executor: 4 workers were wanted and 1 are used: the system refused a thread (Resource temporarily "
        "unavailable)\n");
}

TEST_CASE("a probe that the system does not let start blames no plugin, and the default folder loads without it") {
  const Scratch folder;
  std::filesystem::create_directory(folder.path() / "plugins");
  folder.install(fixture("first"), "plugins/first.so");
  attnrt::Options options = only_plugins((folder.path() / "plugins").string() + ":");
  options.probe = ATTNRT_PROBE_AUTO;
  options.cache_folder = (folder.path() / "cache").string();
  const auto look = [&options] {
    const attnrt::Runtime runtime(options);
    return runtime.list() + (computes(runtime, nullptr) ? "\ncomputes" : "\ndoes not compute");
  };
  const std::string said = in_child([] { return refuse(SYS_clone3, EPERM); }, look);
  CHECK_THAT(said, Contains("\"state\":\"unprobed\"") &&
                       Contains("the probe could not start: Operation not permitted; without it plugins are loaded "
                                "from " ATTNRT_TEST_PLUGINS " alone") &&
                       Contains("\ncomputes"));
  CHECK_FALSE(std::filesystem::exists(folder.path() / "cache" / "verdicts.json"));
  CHECK_THAT(look(), !Contains("unprobed") && Contains("\ncomputes"));  // nothing was remembered of it
}
