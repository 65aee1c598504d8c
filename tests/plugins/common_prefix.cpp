// SPDX-License-Identifier: Apache-2.0
//
// A variant that claims both invariance and a use for common prefixes: what the batch says of them changes no bit, for
// prefixes that end at and beside tiles and splits, few and many ragged requests, one and more heads on a KV head, one
// to four threads.
#include <catch2/catch.hpp>

#include "conformance/launch.hpp"
#include "conformance/numerics.hpp"
#include "conformance/request.hpp"
#include "subject.hpp"

using namespace attnrt::conformance;

namespace {

constexpr uint64_t kClaim = ATTNRT_FEATURE_COMMON_PREFIX;

// Requests of a few queries behind a prefix, and one that is all prefix.
Case shared_case(const attnrt_variant& variant, uint32_t layout, uint32_t group, int32_t prefix, int32_t count) {
  const bool latent = variant.caps->families == ATTNRT_FAMILY_MLA;
  Case c;
  attnrt_problem& p = c.problem;
  p = empty_problem(attnrt::sdk::cpu_isa());
  p.family = variant.caps->families;
  p.attn_type = ATTNRT_ATTN_DECODER;
  p.phase = ATTNRT_PHASE_MIXED;
  p.causal = ATTNRT_CAUSAL_ALWAYS;
  p.features = ATTNRT_FEATURE_CAUSAL | ATTNRT_FEATURE_LSE | kClaim;
  p.num_kv_heads = latent ? 1 : 2;
  p.num_heads = latent ? 4 * group : 2 * group;
  p.head_size_qk = latent ? 576 : 64;
  p.head_size_v = latent ? 512 : 64;
  if (latent) p.mla_kv_lora = 512, p.mla_nope = 128, p.mla_rope = 64, p.mla_v = 128;
  p.q_dtype = p.kv_dtype = p.out_dtype = subject_dtype();
  p.kv_layouts = layout;
  p.block_size = 16;
  c.common_prefix = prefix;
  c.lse = true;
  c.lengths.push_back({1, prefix});
  for (int32_t i = 1; i < count; ++i) c.lengths.push_back({i % 5 == 4 ? 3 : 1, prefix + 3 + i * 37 % 600});
  c.seed = static_cast<uint64_t>(prefix) * 100 + static_cast<uint64_t>(count);
  c.placement.workers = 1 + static_cast<uint32_t>(prefix / 256 + count) % 4;
  return c;
}

std::vector<const attnrt_variant*> claimants() {
  return batch_invariant_variants([](const attnrt_caps& caps) { return caps.features & kClaim; });
}

}  // namespace

TEST_CASE("the hint of a common prefix changes no bit") {
  const std::pair<int32_t, int32_t> batches[] = {{256, 2}, {512, 4}, {512, 40}, {768, 17}, {1024, 4}, {1024, 9},
                                                 {2065, 4}, {2065, 6}};
  HostMemory memory;
  for (const attnrt_variant* variant : claimants())
    for (const uint32_t layout : {ATTNRT_KV_NHD, ATTNRT_KV_NATIVE, ATTNRT_KV_MLA_LATENT})
      for (const uint32_t group : {1u, 4u})
        for (const auto& [prefix, count] : batches) {
          if (!(variant->caps->kv_layouts & layout)) continue;
          const Case c = shared_case(*variant, layout, group, prefix, count);
          NumericsOptions options;
          options.reference_pairs = 5e4;
          for (const Finding& finding : failures(check_case(*variant, memory, c, options)))
            FAIL_CHECK(variant->name << ": " << finding.check << ": " << finding.sentence << "\n" << finding.where);
        }
  CHECK(why_no_variant() == "");
}

// Requests may read the same stored bytes with a scale of their own each.
TEST_CASE("requests that share keys of 8 bits keep their own scales") {
  HostMemory memory;
  for (const attnrt_variant* variant : claimants()) {
    if (!(variant->caps->kv_dtypes >> ATTNRT_FP8_E4M3 & 1u)) continue;
    const bool latent = variant->caps->families == ATTNRT_FAMILY_MLA;
    Case c = shared_case(*variant, latent ? ATTNRT_KV_MLA_LATENT : ATTNRT_KV_NHD, 4, 1041, 6);
    c.problem.kv_dtype = ATTNRT_FP8_E4M3;
    c.problem.features |= ATTNRT_FEATURE_KV_SCALES;
    const Operands operands = make_operands(c);
    const std::vector<RequestData> requests = make_requests(c, operands);
    std::vector<const RequestData*> pointers;
    for (const RequestData& r : requests) pointers.push_back(&r);
    const Rig rig(*variant, memory, c.problem);
    REQUIRE(rig.op());
    const auto bits = [&](bool told, float step) {
      Placement where = c.placement;
      where.tell_prefix = told;
      Launch launch(rig, operands, pointers, c.lse, where);
      REQUIRE(launch.update());
      std::vector<float> scales;
      for (std::size_t r = 0; r < requests.size(); ++r) scales.push_back(0.01f * (1.0f + step * static_cast<float>(r)));
      attnrt_run_args args = launch.args();
      args.k_scale = launch.shelf().tensor(launch.shelf().put(scales), attnrt::sdk::to_dlpack(ATTNRT_FP32),
                                           {static_cast<int64_t>(scales.size()), 1});
      Sink sink;
      REQUIRE(variant->run(launch.plan(), &args, launch.stream(), sink.get()) == ATTNRT_OK);
      launch.collect();
      return launch.outcome().bytes;
    };
    const auto plain = bits(false, 0.1f);
    CAPTURE(variant->name);
    CHECK(bits(true, 0.1f) == plain);
    CHECK(bits(true, 0.0f) != plain);  // the scales are read
  }
}
