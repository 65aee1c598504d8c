// SPDX-License-Identifier: Apache-2.0
// Rescans of a folder in which good and bad files come and go, while other threads select and run. Meant for the preset
// tsan as well; tools/bench/soak.cpp does it for minutes.
#include <atomic>
#include <thread>

#include "folder.hpp"

TEST_CASE("threads select and run while files come and go") {
  const Folder folder;
  folder.install(cpu_attn(), "cpu_attn.so");
  attnrt::Runtime runtime(folder.options());
  std::atomic<bool> stop{false};
  std::atomic<int> rounds{0}, wrong{0};
  const auto work = [&] {
    Step step(true);
    while (!stop) {
      try {
        const attnrt::Choice choice = runtime.select(small_problem(runtime, ATTNRT_KV_NHD));
        const attnrt::Op op = runtime.op(choice);
        attnrt::Plan plan = op.plan(step.limits);
        op.write_kv(step.write);
        plan.update(step.batch);
        plan.run(step.run);
        wrong += choice.backend() != "CPU_ATTN" || step.error() > 1e-5;
      } catch (const attnrt::Error&) {
        ++wrong;
      }
      ++rounds;
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(work);
  const std::vector<std::string> names = {"well",   "crash_in_query",    "twin_a",    "twin_b",
                                          "missing", "throw_in_supports", "undefined", "null_caps"};
  for (std::size_t i = 0; i < 20; ++i) {
    const std::string& name = names[i % names.size()];
    folder.install(name);
    folder.write("text.so", name);
    runtime.rescan();
    wrong += told(runtime.list()).count(name + ".so") != 1;
    if (i % 3) fs::remove(folder.plugins() / (names[(i * 5) % names.size()] + ".so"));
  }
  while (rounds < 20) std::this_thread::yield();
  stop = true;
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  check_cpu_attn(runtime);
}
