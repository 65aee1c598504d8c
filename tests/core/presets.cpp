// SPDX-License-Identifier: Apache-2.0
// Problems by name: the presets, their steps, pairs of phases.
#include "engine.hpp"

using Catch::Matchers::Contains;

TEST_CASE("a decoder by name") {
  const attnrt::Runtime rt(only_plugins());
  const attnrt::Problem p = rt.decoder(16, 4, 80, ATTNRT_FP16, "cpu");
  CHECK(p.struct_size == sizeof(attnrt_problem));
  CHECK(p.num_heads == 16);
  CHECK(p.num_kv_heads == 4);
  CHECK(p.head_size_qk == 80);
  CHECK(p.head_size_v == 80);
  CHECK((p.q_dtype == ATTNRT_FP16 && p.kv_dtype == ATTNRT_FP16 && p.out_dtype == ATTNRT_FP16));
  CHECK(p.causal == ATTNRT_CAUSAL_ALWAYS);
  CHECK(rt.select(p).backend() == "CPU_ATTN");

  const attnrt::Problem steps =
      p.with_window(64).with_softcap(30).with_sinks().with_alibi().with_lse().with_dense_mask();
  CHECK(p.window_left == -1);  // a step leaves its problem alone
  CHECK(steps.window_left == 63);
  CHECK(steps.window_right == 0);
  CHECK(steps.softcap == 30.0f);
  CHECK(steps.features ==
        (ATTNRT_FEATURE_SINKS | ATTNRT_FEATURE_ALIBI | ATTNRT_FEATURE_LSE | ATTNRT_FEATURE_DENSE_MASK));
  const attnrt::Choice choice = rt.select(steps);
  CHECK(choice.problem().features & ATTNRT_FEATURE_SLIDING_WINDOW);
  CHECK(choice.problem().features & ATTNRT_FEATURE_SOFTCAP);

  const attnrt::Problem byte = p.with_kv_dtype(ATTNRT_INT8);
  CHECK(byte.kv_dtype == ATTNRT_INT8);
  CHECK(byte.features & ATTNRT_FEATURE_KV_SCALES);
  CHECK_FALSE(p.with_kv_dtype(ATTNRT_FP32).features & ATTNRT_FEATURE_KV_SCALES);
  CHECK(p.with_out_dtype(ATTNRT_FP32).out_dtype == ATTNRT_FP32);
  CHECK(p.with_head_size_v(64).head_size_v == 64);
  CHECK(p.with_kv_layouts(ATTNRT_KV_HND).with_block_size(32).block_size == 32);
  CHECK(p.with_phase(ATTNRT_PHASE_DECODE).with_determinism(ATTNRT_DETERMINISM_REPEATABLE).phase == ATTNRT_PHASE_DECODE);
  CHECK_THAT(refused([&] { (void)p.with_window(0); }), Contains("the window is 0, wanted at least 1"));
  const attnrt::Problem both_ways = p.with_causal(ATTNRT_CAUSAL_NEVER).with_window(5);
  CHECK(both_ways.window_right == 4);
}

TEST_CASE("the plain problem's head_size_v follows its head_size_qk") {
  const attnrt::Runtime rt(only_plugins());
  attnrt_problem p = rt.problem("cpu");
  p.head_size_qk = 80;
  const attnrt::Choice choice = rt.select(p);
  CHECK(choice.problem().head_size_v == 80);
  CHECK_FALSE(choice.problem().features & ATTNRT_FEATURE_DIFF_KV);
}

TEST_CASE("an encoder is not causal") {
  const attnrt::Runtime rt(only_plugins());
  const attnrt::Problem p = rt.encoder(12, 12, 32, ATTNRT_FP32, "cpu");
  const attnrt::Choice choice = rt.select(p);
  CHECK(choice.problem().features & ATTNRT_FEATURE_NON_CAUSAL);
  CHECK_FALSE(choice.problem().features & ATTNRT_FEATURE_CAUSAL);
  CHECK(choice.problem().kv_layouts == ATTNRT_KV_CONTIGUOUS);
  CHECK(choice.problem().block_size == 0);

  attnrt_problem by_hand = rt.problem("cpu");
  by_hand.attn_type = ATTNRT_ATTN_ENCODER_ONLY;
  CHECK_THAT(refused([&] { rt.select(by_hand); }),
             Contains("attn_type is encoder_only and causal is always, wanted causal never"));
}

TEST_CASE("MLA by name is a pair, and the prefill half outlives its choice") {
  const attnrt::Runtime rt(only_plugins());
  const attnrt::Problem p = rt.mla(16, ATTNRT_FP32, "cpu");
  CHECK(attnrt::usual_scale(p) == Approx(1 / std::sqrt(192.0)));
  CHECK(attnrt::usual_scale(rt.decoder(4, 4, 64, ATTNRT_FP32, "cpu")) == 0.125f);
  attnrt::Choice prefill = [&] {
    const attnrt::Choice choice = rt.select(p);
    CHECK(choice.problem().head_size_qk == 576);
    CHECK(choice.problem().head_size_v == 512);
    REQUIRE(choice.prefill());
    return choice.prefill();
  }();
  CHECK(prefill.problem().head_size_qk == 192);
  CHECK(prefill.problem().head_size_v == 128);
  CHECK(prefill.backend() != "");
  const attnrt::Op op = rt.op(prefill);
  CHECK(op.problem().head_size_qk == 192);
  CHECK(attnrt::usual_scale(op.problem()) == Approx(1 / std::sqrt(192.0)));
  CHECK_FALSE(prefill.prefill());

  attnrt::MlaSizes sizes;
  sizes.kv_lora = 256, sizes.rope = 32;
  CHECK(rt.mla(16, ATTNRT_FP32, "cpu", sizes).head_size_qk == 288);
}

TEST_CASE("a missing prefill half says so") {
  const attnrt::Runtime rt(only_plugins());
  const attnrt::Choice choice = rt.select(rt.decoder(8, 8, 64, ATTNRT_FP32, "cpu"));
  const attnrt::Choice none = choice.prefill();
  CHECK_FALSE(none);
  CHECK(none.backend() == "");
  CHECK_THAT(refused([&] { (void)none.problem(); }), Contains("there is no prefill half, wanted a problem with both"));
  CHECK_THAT(refused([&] { rt.op(none); }), Contains("NULL"));
}
