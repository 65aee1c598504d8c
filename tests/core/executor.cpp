// SPDX-License-Identifier: Apache-2.0
// The default pool: every item once, pieces within the grain, one worker index at a time.
#include "executor.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

#include "cpu_quota.hpp"
#include "executors.hpp"

using namespace attnrt::core;

namespace {

struct Loop {
  Loop(int64_t n, uint32_t workers, int64_t grain) : seen(static_cast<std::size_t>(n)), busy(workers), limit(grain) {}
  std::vector<std::atomic<int>> seen;
  std::vector<std::atomic<int>> busy;
  int64_t limit;
  std::atomic<int> faults{0};

  static void piece(void* arg, int64_t begin, int64_t end, uint32_t worker) {
    Loop& self = *static_cast<Loop*>(arg);
    const auto n = static_cast<int64_t>(self.seen.size());
    if (worker >= self.busy.size() || begin < 0 || begin >= end || end > n || end - begin > self.limit) {
      ++self.faults;
      return;
    }
    if (self.busy[worker].fetch_add(1) != 0) ++self.faults;
    for (int64_t i = begin; i < end; ++i) ++self.seen[static_cast<std::size_t>(i)];
    self.busy[worker].fetch_sub(1);
  }
  bool done() const {
    return faults == 0 && std::all_of(seen.begin(), seen.end(), [](const auto& times) { return times == 1; });
  }
};

}  // namespace

TEST_CASE("a loop visits every item once, whatever workers and grain") {
  for (const uint32_t workers : {1u, 2u, 3u, 5u, 8u}) {
    Executor pool(workers);
    const attnrt_executor* face = pool.face();
    CHECK(face->struct_size == sizeof(attnrt_executor));
    CHECK(face->num_workers == workers);
    for (const int64_t n : {0, 1, 7, 1000})
      for (const int64_t grain : {1, 3, 64, 5000}) {
        CAPTURE(workers, n, grain);
        Loop loop(n, workers, grain);
        face->parallel_for(face->self, n, grain, &Loop::piece, &loop);
        CHECK(loop.done());
      }
  }
}

TEST_CASE("absurd grains and counts are taken as what is possible") {
  Executor pool(4);
  for (const int64_t grain : {INT64_MIN, int64_t{-1}, int64_t{0}, INT64_MAX, INT64_MAX / 2}) {
    CAPTURE(grain);
    for (int round = 0; round < 20; ++round) {
      Loop loop(9, 4, std::max<int64_t>(1, grain));
      pool.parallel_for(9, grain, &Loop::piece, &loop);
      REQUIRE(loop.done());
    }
  }
  Loop none(0, 4, 1);
  pool.parallel_for(-5, 1, &Loop::piece, &none);
  CHECK(none.done());
}

TEST_CASE("many short loops in a row lose nothing") {
  Executor pool(3);
  for (int round = 0; round < 1000; ++round) {
    Loop loop(round % 13, 3, 2);
    pool.parallel_for(round % 13, 2, &Loop::piece, &loop);
    if (!loop.done()) FAIL("round " << round);
  }
}

TEST_CASE("two callers at once take turns") {
  Executor pool(3);
  std::atomic<int> wrong{0};
  const auto call = [&] {
    for (int round = 0; round < 300; ++round) {
      Loop loop(40, 3, 3);
      pool.parallel_for(40, 3, &Loop::piece, &loop);
      if (!loop.done()) ++wrong;
    }
  };
  std::thread other(call);
  call();
  other.join();
  CHECK(wrong == 0);
}

TEST_CASE("pools come and go, idle and asleep") {
  for (int round = 0; round < 20; ++round) Executor(4);
  Executor pool(2);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // its thread has gone to sleep by now
  Loop loop(100, 2, 1);
  pool.parallel_for(100, 1, &Loop::piece, &loop);
  CHECK(loop.done());
  CHECK(Executor(0).face()->num_workers == 1);
}

TEST_CASE("a runtime has one pool for each number of workers") {
  Executors pools;
  const Log log;
  const attnrt_executor* all = pools.get(0, log);
  CHECK(all->num_workers == usable_cpus());
  CHECK(pools.get(0, log) == all);
  CHECK(pools.get(usable_cpus(), log) == all);
  CHECK(pools.get(5, log) != all);
  CHECK(pools.get(5, log)->num_workers == 5);
}
