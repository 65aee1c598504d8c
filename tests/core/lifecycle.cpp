// SPDX-License-Identifier: Apache-2.0
// From open to run through the public API, with the real CPU_ATTN.
#include "engine.hpp"

#include <atomic>
#include <thread>

using Catch::Matchers::Contains;

TEST_CASE("the default pool lives as long as an op that may use it") {
  auto engine = std::make_unique<Engine>(ATTNRT_KV_NHD);
  const attnrt_executor* pool = engine->runtime.executor(3);
  const attnrt::Op op = engine->runtime.op(engine->choice);
  engine.reset();  // closes the runtime
  Step step(true);
  attnrt::Plan plan = op.plan(step.limits);
  op.write_kv(step.write, pool);
  plan.update(step.batch, pool);
  plan.run(step.run, pool);
  CHECK(step.error() < 1e-5);
}

TEST_CASE("a paged layer, from the choice to the output") {
  for (const uint32_t layout : {ATTNRT_KV_NHD, ATTNRT_KV_HND}) {
    Engine engine(layout);
    CHECK(engine.choice.backend() == "CPU_ATTN");
    const attnrt_kv_layout cache = engine.op.kv_layout();
    CHECK(cache.kind == layout);
    CHECK(cache.block_size == 16);
    CHECK(cache.block_bytes == 2 * 16 * 2 * 32 * sizeof(float));
    Step step(true);
    const attnrt_workspace sizes = engine.op.workspace(step.limits);
    CHECK(sizes.plan_bytes > 0);
    attnrt::Plan plan = engine.op.plan(step.limits);
    for (const uint32_t workers : {0u, 1u, 4u}) {
      const attnrt_executor* pool = workers ? engine.runtime.executor(workers) : nullptr;
      engine.op.write_kv(step.write, pool);
      plan.update(step.batch, pool);
      std::fill(step.out_data.begin(), step.out_data.end(), -77.0f);
      plan.run(step.run, pool);
      CHECK(step.error() < 1e-5);
    }
  }
}

TEST_CASE("a layer without a cache") {
  Engine engine(ATTNRT_KV_CONTIGUOUS);
  Step step(false);
  CHECK_THAT(refused([&] { engine.op.kv_layout(); }), Contains("the op has no cache, K and V are given to run"));
  attnrt::Plan plan = engine.op.plan(step.limits);
  plan.update(step.batch);
  plan.run(step.run);
  CHECK(step.error() < 1e-5);
  CHECK_THAT(refused([&] { engine.op.write_kv(step.write); }),
             Contains("the problem has no cache, wanted a paged KV layout"));
}

TEST_CASE("the engine's own memory, exactly as large as asked") {
  Engine engine(ATTNRT_KV_NHD);
  Step step(true);
  const attnrt_workspace sizes = engine.op.workspace(step.limits);
  struct alignas(64) Line { std::byte bytes[64]; };
  const auto lines = [](uint64_t bytes) { return std::vector<Line>(bytes / 64 + 2); };
  auto plan_memory = lines(sizes.plan_bytes), scratch = lines(sizes.scratch_bytes);
  const auto guard = [](std::vector<Line>& memory, uint64_t bytes, bool check) {
    auto* at = reinterpret_cast<unsigned char*>(memory.data());
    for (uint64_t i = bytes; i < memory.size() * 64; ++i) {
      if (!check) at[i] = 0xa5;
      else if (at[i] != 0xa5) FAIL("byte " << i << " of " << bytes << " was written");
    }
  };
  auto memory = attnrt::sized<attnrt_memory>();
  memory.plan = plan_memory.data();
  memory.plan_bytes = sizes.plan_bytes;
  memory.scratch = scratch.data();
  memory.scratch_bytes = sizes.scratch_bytes;
  guard(plan_memory, sizes.plan_bytes, false);
  guard(scratch, sizes.scratch_bytes, false);
  {
    attnrt::Plan plan = engine.op.plan(step.limits, &memory);
    engine.op.write_kv(step.write);
    plan.update(step.batch, engine.runtime.executor(4));
    plan.run(step.run, engine.runtime.executor(4));
    CHECK(step.error() < 1e-5);
  }
  guard(plan_memory, sizes.plan_bytes, true);
  guard(scratch, sizes.scratch_bytes, true);

  memory.plan_bytes -= 1;
  CHECK_THAT(refused([&] { engine.op.plan(step.limits, &memory); }),
             Contains("memory.plan has " + std::to_string(memory.plan_bytes) + " bytes, wanted " +
                      std::to_string(sizes.plan_bytes)));
  memory.plan_bytes += 65;
  memory.plan = reinterpret_cast<std::byte*>(plan_memory.data()) + 8;
  CHECK_THAT(refused([&] { engine.op.plan(step.limits, &memory); }),
             Contains("memory.plan is not aligned to 64 bytes"));
  memory.plan = nullptr;
  CHECK_THAT(refused([&] { engine.op.plan(step.limits, &memory); }), Contains("memory.plan is NULL, wanted"));
  memory.struct_size = 8;
  CHECK_THAT(refused([&] { engine.op.plan(step.limits, &memory); }),
             Contains("memory.struct_size is 8, wanted at least"));
}

TEST_CASE("an empty batch is legal and touches nothing") {
  for (const bool paged : {true, false}) {
    Engine engine(paged ? ATTNRT_KV_NHD : ATTNRT_KV_CONTIGUOUS);
    Step step(paged);
    attnrt::Plan plan = engine.op.plan(step.limits);
    step.batch.num_seqs = step.batch.num_tokens = 0;
    plan.update(step.batch);
    plan.run(step.run);
    for (const float x : step.out_data) REQUIRE(x == -77.0f);
  }
}

TEST_CASE("slot -1 is skipped, rows past the batch are left alone") {
  Engine engine(ATTNRT_KV_NHD);
  Step step(true);
  std::fill(step.slots.begin(), step.slots.end(), -1);
  step.slots[28] = 5 * 16 + 8;
  engine.op.write_kv(step.write);
  std::size_t written = 0;
  for (const float x : step.k_pages) written += !std::isnan(x);
  CHECK(written == 2 * 32);

  Step whole(true);
  engine.op.write_kv(whole.write);
  attnrt::Plan plan = engine.op.plan(whole.limits);
  whole.batch.num_seqs = 1;
  whole.batch.num_tokens = 20;
  plan.update(whole.batch);
  plan.run(whole.run);
  for (std::size_t i = 0; i < 4 * 32; ++i) REQUIRE(whole.out_data[20 * 4 * 32 + i] == -77.0f);
}

TEST_CASE("ops, plans and choices outlive their runtime") {
  Step step(true);
  attnrt_runtime* runtime = nullptr;
  auto options = attnrt::sized<attnrt_options>();
  options.flags = ATTNRT_OPTION_IGNORE_ENVIRONMENT;
  options.plugin_path = ATTNRT_TEST_PLUGINS;
  options.probe = ATTNRT_PROBE_NEVER;
  REQUIRE(attnrt_open(&options, &runtime) == ATTNRT_OK);
  auto problem = attnrt::sized<attnrt_problem>();
  {
    attnrt::Runtime other(only_plugins());
    problem = small_problem(other, ATTNRT_KV_NHD);
  }
  attnrt_choice* choice = nullptr;
  attnrt_op* op = nullptr;
  REQUIRE(attnrt_select(runtime, &problem, &choice) == ATTNRT_OK);
  REQUIRE(attnrt_op_create(runtime, choice, &op) == ATTNRT_OK);
  attnrt_close(runtime);
  CHECK(attnrt_choice_backend(choice) == std::string("CPU_ATTN"));
  CHECK_THAT(attnrt_choice_json(choice), Contains("\"backend\":\"CPU_ATTN\""));
  attnrt_choice_free(choice);
  attnrt_plan* plan = nullptr;
  REQUIRE(attnrt_plan_create(op, &step.limits, nullptr, &plan) == ATTNRT_OK);
  CHECK(attnrt_write_kv(op, &step.write, nullptr) == ATTNRT_OK);
  CHECK(attnrt_plan_update(plan, &step.batch, nullptr) == ATTNRT_OK);
  CHECK(attnrt_run(plan, &step.run, nullptr) == ATTNRT_OK);
  CHECK(step.error() < 1e-5);
  attnrt_plan_free(plan);
  attnrt_op_free(op);
}

TEST_CASE("rows come back out of the cache, halves merge to the whole") {
  Engine engine(ATTNRT_KV_NHD);
  Step step(true);
  engine.op.write_kv(step.write);
  std::vector<float> k(step.k_data.size(), -77), v(k);
  const attnrt::Tensor k_rows(k.data(), {29, 2, 32}), v_rows(v.data(), {29, 2, 32});
  auto gather = attnrt::sized<attnrt_gather_args>();
  gather.num_seqs = 2;
  gather.kv_lens = step.lens.data();
  gather.kv_start_loc = step.kv_starts.data();
  gather.block_table = step.table.data();
  gather.block_table_stride = gather.block_table_width = 2;
  gather.k_cache = step.k_cache.get();
  gather.v_cache = step.v_cache.get();
  gather.k = k_rows.get();
  gather.v = v_rows.get();
  engine.op.gather_kv(gather);
  CHECK(k == step.k_data);
  CHECK(v == step.v_data);

  attnrt::Plan plan = engine.op.plan(step.limits);
  plan.update(step.batch);
  plan.run(step.run);
  // The same result twice, each counted half: the merge doubles the sum and leaves the output.
  std::vector<float> out(step.out_data.size(), -77), lse(step.lse_data.size(), -77);
  const attnrt::Tensor out_tensor(out.data(), {21, 4, 32}), lse_tensor(lse.data(), {21, 4});
  const attnrt_tensor *outs[] = {step.out.get(), step.out.get()}, *lses[] = {step.lse.get(), step.lse.get()};
  auto merge = attnrt::sized<attnrt_merge_args>();
  merge.num_partials = 2;
  merge.outs = outs;
  merge.lses = lses;
  merge.out = out_tensor.get();
  merge.lse = lse_tensor.get();
  merge.num_tokens = merge.num_merged_tokens = 21;
  engine.op.merge_states(merge);
  for (std::size_t i = 0; i < out.size(); ++i) REQUIRE(out[i] == Approx(step.out_data[i]).margin(1e-6));
  for (std::size_t i = 0; i < lse.size(); ++i)
    REQUIRE(lse[i] == Approx(step.lse_data[i] + std::log(2.0f)).margin(1e-5));
}

TEST_CASE("two plans of one op run at once") {
  Engine engine(ATTNRT_KV_NHD);
  Step one(true), two(true);
  engine.op.write_kv(one.write);
  engine.op.write_kv(two.write);
  attnrt::Plan first = engine.op.plan(one.limits), second = engine.op.plan(two.limits);
  std::atomic<int> failures{0};
  const auto steps = [&failures](attnrt::Plan& plan, Step& step) {
    for (int i = 0; i < 50; ++i) {
      try {
        plan.update(step.batch);
        plan.run(step.run);
      } catch (const attnrt::Error&) {
        ++failures;
      }
    }
  };
  std::thread other([&] { steps(second, two); });
  steps(first, one);
  other.join();
  CHECK(failures == 0);
  CHECK(one.error() < 1e-5);
  CHECK(two.error() < 1e-5);
}
