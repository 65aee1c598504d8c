// SPDX-License-Identifier: Apache-2.0
#include "conformance/rig.hpp"

#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "conformance/cache.hpp"
#include "conformance/executor.hpp"
#include "conformance/fenced_memory.hpp"
#include "conformance/judge.hpp"
#include "conformance/memory.hpp"
#include "conformance/random.hpp"

using namespace attnrt::conformance;

TEST_CASE("a pool visits every item once and no worker twice at a time") {
  for (const uint32_t workers : {1u, 2u, 4u}) {
    Pool pool(workers);
    struct State {
      std::vector<std::atomic<int>> visits = std::vector<std::atomic<int>>(1000);
      std::atomic<int> busy[4] = {};
      std::atomic<bool> clash{false};
    } state;
    for (int round = 0; round < 20; ++round)
      pool.parallel_for(
          1000, 7,
          [](void* arg, int64_t begin, int64_t end, uint32_t worker) {
            State& s = *static_cast<State*>(arg);
            if (s.busy[worker]++ != 0 || end - begin > 7) s.clash = true;
            for (int64_t i = begin; i < end; ++i) ++s.visits[static_cast<std::size_t>(i)];
            --s.busy[worker];
          },
          &state);
    CHECK_FALSE(state.clash);
    for (const std::atomic<int>& visits : state.visits) CHECK(visits == 20);
  }
}

TEST_CASE("guard bytes tell of writes on both sides") {
  HostMemory memory;
  Buffer buffer(memory, 100);
  CHECK(buffer.guard_damage() == 0);
  buffer.data()[100] = 1;
  buffer.data()[-1] = 1;
  CHECK(buffer.guard_damage() == 2);
}

TEST_CASE("fenced memory ends where no byte may be touched") {
  FencedMemory memory;
  for (const std::size_t bytes : {64u, 100u, 4096u, 10000u}) {
    Buffer buffer(memory, bytes);
    REQUIRE(buffer.ok());
    CHECK(buffer.guard_damage() == 0);
    const char* end = buffer.data() + (bytes + 63) / 64 * 64;
    CHECK(memory.whereabouts(end).find("0 bytes behind") == 0);
    const std::size_t room = (256 + (bytes + 63) / 64 * 64 + 4095) / 4096 * 4096;
    CHECK(memory.whereabouts(end - room - 1).find("before") != std::string::npos);
    CHECK(memory.whereabouts(&memory).empty());
    buffer.name("k_cache");
    CHECK(memory.whereabouts(end).find("0 bytes behind k_cache, a piece of ") == 0);
    buffer.data()[-1] = 1;
    CHECK(buffer.guard_damage() == 1);
    int pipe_ends[2];
    REQUIRE(pipe(pipe_ends) == 0);
    CHECK(write(pipe_ends[1], end, 1) == -1);  // EFAULT: the kernel cannot read it
    close(pipe_ends[0]);
    close(pipe_ends[1]);
  }
}

TEST_CASE("block tables name only blocks of the cache, each once, and end in ids outside of it") {
  RequestData a, b;
  a.num_keys = 33;
  b.num_keys = 16;
  Random random(3);
  const BlockTable table({&a, &b}, 1, 16, random);
  std::vector<int> used(static_cast<std::size_t>(table.num_blocks), 0);
  for (int32_t row = 0; row < 3; ++row)
    for (int32_t i = 0; i < table.stride; ++i) {
      const int32_t id = table.ids[static_cast<std::size_t>(row * table.stride + i)];
      const bool inside = id >= 0 && id < table.num_blocks;
      CHECK(inside == (i < (row == 0 ? 3 : row == 1 ? 1 : 0)));
      if (inside) ++used[static_cast<std::size_t>(id)];
    }
  int total = 0;
  for (const int count : used) {
    CHECK(count <= 1);
    total += count;
  }
  CHECK(total == 4);
  CHECK(table.num_blocks > 4);
}

TEST_CASE("tolerances are those of the output's type") {
  CHECK(tolerance(ATTNRT_BF16, 1.0) == 0x1p-6);
  CHECK(tolerance(ATTNRT_FP16, 1.0) == 0x1p-9);
  CHECK(tolerance(ATTNRT_FP32, 1.0) == 0x1p-16);
  for (const uint32_t dtype : {ATTNRT_FP32, ATTNRT_BF16}) {
    CHECK(tolerance(dtype, 0x1p-140, 0, 0x1p-120) == 0x1p-120);
    CHECK(tolerance(dtype, 1.0, 0, 0x1p-120) == tolerance(dtype, 1.0));
    CHECK(tolerance(dtype, 0.0, 0, 0x1p-120) == 0);  // where no value is but 0 there is nothing to be flushed
    CHECK(std::isnan(tolerance(dtype, NAN, 0, 0x1p-120)));
  }
  CHECK(tolerance(ATTNRT_FP16, 0x1p-140, 0, 0x1p-120) == 0x1p-24);
  CHECK(rms_ratio(ATTNRT_BF16, 1) == 1.75);
  CHECK(rms_ratio(ATTNRT_FP32, 1) == 9.0);
  CHECK(rms_ratio(ATTNRT_FP32, 10000) == Approx(3.06));
  CHECK(lse_agrees(10.00015, 10.0));
  CHECK_FALSE(lse_agrees(10.0003, 10.0));
  CHECK(lse_agrees(-HUGE_VAL, -HUGE_VAL));
  CHECK_FALSE(lse_agrees(-1e30, -HUGE_VAL));
}
