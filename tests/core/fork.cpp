// SPDX-License-Identifier: Apache-2.0
// After a fork: old ops answer FAILED, new ones work, nothing hangs. And threads that cannot be had.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "engine.hpp"

#if defined(__SANITIZE_THREAD__)
/// Its default is to end a child of several threads that starts one.
extern "C" [[gnu::visibility("default")]] const char* __tsan_default_options() { return "die_after_fork=0"; }
#endif

namespace {

/// Runs `body` in a child; 0 = it answered true, else what went wrong. A child that hangs is ended by its alarm.
int in_child(const std::function<bool()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    bool ok = false;
    try {
      ok = body();
    } catch (...) {
    }
    _exit(ok ? 0 : 1);
  }
  int status = -1;
  REQUIRE(child > 0);
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

TEST_CASE("after a fork every call on an old op answers FAILED") {
  Engine engine(ATTNRT_KV_NHD);
  Step step(true);
  attnrt_op* op = nullptr;
  attnrt_plan* plan = nullptr;
  REQUIRE(attnrt_op_create(engine.runtime.get(), engine.choice.get(), &op) == ATTNRT_OK);
  REQUIRE(attnrt_plan_create(op, &step.limits, nullptr, &plan) == ATTNRT_OK);
  REQUIRE(attnrt_plan_update(plan, &step.batch, nullptr) == ATTNRT_OK);
  const std::function<attnrt_status()> calls[] = {
      [&] { return attnrt_plan_update(plan, &step.batch, nullptr); },
      [&] { return attnrt_run(plan, &step.run, nullptr); },
      [&] { return attnrt_write_kv(op, &step.write, nullptr); },
      [&] {
        const auto args = attnrt::sized<attnrt_gather_args>();
        return attnrt_gather_kv(op, &args, nullptr);
      },
      [&] {
        const auto args = attnrt::sized<attnrt_merge_args>();
        return attnrt_merge_states(op, &args, nullptr);
      },
      [&] {
        auto sizes = attnrt::sized<attnrt_workspace>();
        return attnrt_op_workspace(op, &step.limits, &sizes);
      },
      [&] {
        auto layout = attnrt::sized<attnrt_kv_layout>();
        return attnrt_op_kv_layout(op, &layout);
      },
      [&] {
        attnrt_plan* another = nullptr;
        return attnrt_plan_create(op, &step.limits, nullptr, &another);
      }};
  for (std::size_t i = 0; i < std::size(calls); ++i) {
    CAPTURE(i);
    CHECK(in_child([&] {
            return calls[i]() == ATTNRT_FAILED &&
                   std::string(attnrt_last_error()).find("forked after the op was created") != std::string::npos;
          }) == 0);
  }
  CHECK(in_child([&] {
          attnrt_plan_free(plan);
          attnrt_op_free(op);
          return true;
        }) == 0);
  CHECK(attnrt_run(plan, &step.run, nullptr) == ATTNRT_OK);
  attnrt_plan_free(plan);
  attnrt_op_free(op);
}

TEST_CASE("an op created after the fork works, with the old pool and with a new one") {
  Engine engine(ATTNRT_KV_NHD);
  Step step(true);
  engine.op.write_kv(step.write, engine.runtime.executor(4));
  for (const uint32_t workers : {4u, 3u}) {
    CAPTURE(workers);
    CHECK(in_child([&] {
            const attnrt_executor* pool = engine.runtime.executor(workers);
            const attnrt::Op op = engine.runtime.op(engine.choice);
            attnrt::Plan plan = op.plan(step.limits);
            plan.update(step.batch, pool);
            plan.run(step.run, pool);
            return step.error() < 1e-5;
          }) == 0);
  }
}

TEST_CASE("a runtime whose pool ran before the fork closes in the child") {
  attnrt_runtime* runtime = nullptr;
  auto options = attnrt::sized<attnrt_options>();
  options.plugin_path = ATTNRT_TEST_PLUGINS;
  options.probe = ATTNRT_PROBE_NEVER;
  REQUIRE(attnrt_open(&options, &runtime) == ATTNRT_OK);
  const attnrt_executor* pool = attnrt_default_executor(runtime, 4);
  REQUIRE(pool);
  pool->parallel_for(pool->self, 100, 1, [](void*, int64_t, int64_t, uint32_t) {}, nullptr);
  CHECK(in_child([&] {
          attnrt_close(runtime);
          return true;
        }) == 0);
  attnrt_close(runtime);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("threads that the system refuses are an error, not an end") {
  attnrt::Runtime runtime(only_plugins());
  CHECK(in_child([&] {
          const rlimit little{rlim_t{1} << 29, rlim_t{1} << 29};  // 512 MiB of addresses hold no 4096 stacks
          if (setrlimit(RLIMIT_AS, &little) != 0) return false;
          return attnrt_default_executor(runtime.get(), 4096) == nullptr && *attnrt_last_error() != 0 &&
                 attnrt_default_executor(runtime.get(), 2) != nullptr;
        }) == 0);
}
#endif
