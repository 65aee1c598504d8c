// SPDX-License-Identifier: Apache-2.0
// A step in steady state asks the heap for nothing, from the engine's face down to the kernel.
#include <cstdlib>
#include <new>

#include "engine.hpp"

namespace {
thread_local int64_t allocations = 0;
}

void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size ? size : 1)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

TEST_CASE("a step allocates nothing") {
  const attnrt::Runtime rt(only_plugins());
  const attnrt::Op op = rt.op(rt.select(rt.decoder(4, 2, 32, ATTNRT_BF16, "cpu").with_block_size(16)));
  attnrt::KvCache cache = op.make_cache(16);
  const auto limits = attnrt::Limits(3, 64, 80).with_cache(cache);
  attnrt::Plan plan = op.plan(limits);
  attnrt::Batch batch = op.make_batch(limits);
  std::vector<attnrt::bfloat16> q(64 * 4 * 32, 0.5f), kv(64 * 2 * 32, 0.25f), out(q);
  std::vector<int32_t> blocks[3];
  for (int32_t r = 0; r < 3; ++r)
    for (int32_t i = 0; i < 5; ++i) blocks[r].push_back(r * 5 + i);
  const auto step = [&](int32_t query_len, int32_t seq_len) {
    const int64_t before = allocations;
    batch.clear();
    for (const auto& row : blocks) batch.add({query_len, seq_len, row});
    const int64_t tokens = batch.num_tokens();
    plan.update(batch);
    op.write({kv, {tokens, 2, 32}}, {kv, {tokens, 2, 32}}, batch.slots(), cache);
    plan.run({q, {tokens, 4, 32}}, cache, {out, {tokens, 4, 32}});
    return allocations - before;
  };
  const int64_t prefill = step(20, 20);
  CHECK(prefill == 0);
  for (int32_t length = 21; length <= 80; ++length) REQUIRE(step(1, length) == 0);
  CHECK(allocations > 0);  // the counter counts
}
