// SPDX-License-Identifier: Apache-2.0
// After a fork at any moment: old ops answer FAILED, new ones work, nothing hangs.
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <thread>

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
    syscall(SYS_exit_group, ok ? 0 : 1);  // a sanitizer's _exit looks for threads that only the parent has
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
  const std::function<attnrt_status()> calls[] = {[&] { return attnrt_plan_update(plan, &step.batch, nullptr); },
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
  pool->parallel_for(
      pool->self, 100, 1, [](void*, int64_t, int64_t, uint32_t) {}, nullptr);
  CHECK(in_child([&] {
          attnrt_close(runtime);
          return true;
        }) == 0);
  attnrt_close(runtime);
}

namespace {

/// Forks again and again while another thread does `busy`; the number of children that did not answer true.
int failures_beside(const std::function<void()>& busy, const std::function<bool()>& child, int children = 8) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  WARN("not tried: the sanitizer's allocator may be locked by another thread while this one forks");
  children = 0;
#endif
  std::atomic<bool> stop{false};
  std::atomic<int> rounds{0};
  std::thread other([&] {
    for (; !stop; ++rounds) busy();
  });
  while (rounds == 0) std::this_thread::yield();
  int failures = 0;
  for (int i = 0; i < children; ++i) {
    usleep(static_cast<useconds_t>(500 + 700 * i));
    if (in_child(child) != 0) ++failures;
  }
  stop = true;
  other.join();
  return failures;
}

void nothing(void*, int64_t, int64_t, uint32_t) {}

}  // namespace

TEST_CASE("a fork while another thread computes leaves a child that computes, with the old pool and with its own") {
  attnrt::Runtime runtime(only_plugins());
  const attnrt_executor* pool = runtime.executor(4);
  const auto loop = [pool] { pool->parallel_for(pool->self, 100000, 1, &nothing, nullptr); };
  CHECK(failures_beside(loop, [&] { return computes(runtime, pool); }) == 0);
  CHECK(failures_beside(loop, [&] {
          const attnrt_executor* own = runtime.executor(4);
          return own != pool && own->num_workers == 4 && computes(runtime, own);
        }) == 0);
}

TEST_CASE("a fork while another thread asks the runtime leaves a child that can ask the same") {
  const Scratch folder;
  attnrt::Options options = only_plugins();
  options.cache_folder = folder.path().string();
  options.log = [](int32_t, const char*) {};
  attnrt::Runtime runtime(options);
  const attnrt_problem problem = small_problem(runtime, ATTNRT_KV_NHD);
  const std::pair<const char*, std::function<void()>> calls[] = {
      {"rescan", [&] { runtime.rescan(); }},
      {"executor", [&] { runtime.executor(2); }},
      {"new executor", [&] { attnrt::Runtime(only_plugins()).executor(2); }},
      {"select", [&] { runtime.select(problem); }},
      {"explain", [&] { runtime.select(problem).explain(); }},
      {"open", [&] { attnrt::Runtime another(options); }},
      {"force", [&] { runtime.force_backend("CPU_ATTN"); }},
      {"record", [&] { runtime.record("CPU_ATTN", "portable", "cpu", "a test", true); }}};
  for (const auto& [name, call] : calls) {
    INFO(name);
    const auto& asked = call;
    CHECK(failures_beside(asked, [&asked] {
            asked();
            return true;
          }) == 0);
  }
}

TEST_CASE("a fork while another thread is inside a rescan leaves a child that rescans") {
  std::atomic<bool> held{false}, inside{false}, leave{false};
  attnrt::Options options = only_plugins();
  options.log = [&](int32_t, const char*) {
    inside = held.load();
    while (held && !leave) std::this_thread::yield();
  };
  attnrt::Runtime runtime(options);
  held = true;
  std::thread other([&] { runtime.rescan(); });
  while (!inside) std::this_thread::yield();
  CHECK(in_child([&] {
          held = false;
          runtime.rescan();
          return runtime.select(small_problem(runtime, ATTNRT_KV_NHD)).backend() == "CPU_ATTN";
        }) == 0);
  leave = true;
  other.join();
}

TEST_CASE("a fork while another thread reads a choice's texts for the first time leaves a child that reads them") {
  const attnrt::Runtime runtime(only_plugins());
  for (int round = 0; round < 8; ++round) {
    const attnrt::Choice choice = runtime.select(small_problem(runtime, ATTNRT_KV_NHD));
    std::atomic<bool> started{false};
    std::thread other([&] {
      started = true;
      choice.json();
      choice.explain();
    });
    while (!started) std::this_thread::yield();
    CHECK(in_child([&] {
            return std::string(choice.json()).find("CPU_ATTN") != std::string::npos &&
                   std::string(choice.explain()).find("CPU_ATTN") != std::string::npos;
          }) == 0);
    other.join();
  }
}

TEST_CASE("a task that forks: the child's loop ends, and its op says that it is not finished") {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  WARN("not tried: the sanitizer looks for the parent's other threads when the child ends");
  return;
#endif
  const attnrt::Runtime runtime(only_plugins());
  const attnrt_executor* pool = runtime.executor(3);
  struct Forking {
    std::atomic<pid_t> child{-1};
    std::atomic<bool> done{false};
    uint32_t by_worker = 0;
    static void piece(void* arg, int64_t, int64_t, uint32_t worker) {
      Forking& self = *static_cast<Forking*>(arg);
      if (worker == self.by_worker && !self.done.exchange(true)) {
        self.child = fork();
        if (self.child == 0) alarm(20);
      }
      if (!self.done) usleep(100);  // until the worker that is to fork has come
    }
  };
  for (const uint32_t by_worker : {0u, 1u}) {
    CAPTURE(by_worker);
    Forking forking;
    forking.by_worker = by_worker;
    pool->parallel_for(pool->self, 2000, 1, &Forking::piece, &forking);
    if (forking.child == 0) _exit(0);
    REQUIRE(forking.child > 0);
    int status = -1;
    REQUIRE(waitpid(forking.child, &status, 0) == forking.child);
    CHECK(status == 0);  // not ended by its alarm
  }

  // An engine's own pool, in whose loop somebody forks.
  static pid_t child;
  child = -1;
  attnrt_executor own{sizeof own, 2, nullptr, [](void*, int64_t n, int64_t, attnrt_task task, void* arg) {
                        task(arg, 0, n, 0);
                        child = fork();
                        if (child == 0) alarm(20);
                      }};
  Engine engine(ATTNRT_KV_NHD);
  Step step(true);
  step.limits.num_workers = 2;
  attnrt_op* op = nullptr;
  REQUIRE(attnrt_op_create(engine.runtime.get(), engine.choice.get(), &op) == ATTNRT_OK);
  const attnrt_status written = attnrt_write_kv(op, &step.write, &own);
  if (child == 0)
    _exit(written == ATTNRT_FAILED && std::string(attnrt_last_error()).find("forked") != std::string::npos ? 0 : 1);
  CHECK(written == ATTNRT_OK);
  REQUIRE(child > 0);
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  attnrt_op_free(op);
}
