// SPDX-License-Identifier: Apache-2.0
//
// Prefill and decode in one batch over pages of a plugin's own layout, which a kernel may attend by turns: each request
// keeps the bits that it has alone, and is right. Pages below, at and above a tile, streams that are longer and shorter
// than what goes on beside them, split and whole, one to four threads.
#include <catch2/catch.hpp>

#include "conformance/request.hpp"
#include "conformance/rig.hpp"
#include "decoder_case.hpp"

using namespace attnrt::conformance;

namespace {

Case mixed_case(uint32_t block_size, uint32_t head_size, uint32_t workers) {
  Case c = decoder_case(ATTNRT_KV_NATIVE, 2, 4, block_size, head_size);
  c.seed = block_size * 10 + workers;
  c.placement.workers = workers;
  return c;
}

const std::vector<Length> kManyStreams{{1, 700},  {300, 300},  {1, 5},   {2, 1100},
                                       {1, 2300}, {40, 1400}, {1, 257}, {1, 64}};
const std::vector<Length> kFewStreams{{1, 40}, {290, 1290}, {200, 200}};
const std::vector<Length> kLongStream{{1, 4500}, {60, 61}};

void compare(const attnrt_variant& variant, Case c) {
  HostMemory memory;
  NumericsOptions options;
  options.reference_pairs = 5e4;
  for (const std::vector<Length>& lengths : {kManyStreams, kFewStreams, kLongStream}) {
    c.lengths = lengths;
    INFO(variant.name << " " << text(c));
    for (const Finding& finding : failures(check_case(variant, memory, c, options)))
      FAIL_CHECK(finding.check << ": " << finding.sentence);
    const Operands operands = make_operands(c);
    const std::vector<RequestData> requests = make_requests(c, operands);
    std::vector<const RequestData*> all;
    for (const RequestData& r : requests) all.push_back(&r);
    const Rig rig(variant, memory, c.problem);
    const Outcome together = rig.run(operands, all, c.lse, c.placement);
    REQUIRE(together.done);
    Placement single;
    for (std::size_t r = 0; r < requests.size(); ++r) {
      const Outcome alone = rig.run(operands, {all[r]}, c.lse, single);
      REQUIRE(alone.done);
      CAPTURE(r);
      CHECK(together.bytes[r] == alone.bytes[0]);
      CHECK(together.lse[r] == alone.lse[0]);
    }
  }
}

std::vector<const attnrt_variant*> claimants() {
  return batch_invariant_variants([](const attnrt_caps& caps) { return caps.kv_layouts & ATTNRT_KV_NATIVE; });
}

}  // namespace

TEST_CASE("prefill and decode of one batch change no bit of each other") {
  for (const attnrt_variant* variant : claimants())
    for (uint32_t workers = 1; workers <= 4; ++workers)
      for (const uint32_t block_size : {16u, 64u, 512u}) compare(*variant, mixed_case(block_size, 64, workers));
  CHECK(why_no_variant() == "");
}

TEST_CASE("prefill and decode share a batch with wide heads, windows and caches of 8 bits") {
  for (const attnrt_variant* variant : claimants()) {
    compare(*variant, mixed_case(32, 136, 2));
    Case window = mixed_case(64, 64, 2);
    window.problem.features |= ATTNRT_FEATURE_SLIDING_WINDOW;
    window.problem.window_left = 600;
    compare(*variant, window);
    if (!(variant->caps->kv_dtypes >> ATTNRT_FP8_E4M3 & 1u)) continue;
    Case scaled = mixed_case(64, 64, 1);
    scaled.problem.kv_dtype = ATTNRT_FP8_E4M3;
    scaled.problem.features |= ATTNRT_FEATURE_KV_SCALES;
    compare(*variant, scaled);
    Case rows = mixed_case(64, 128, 2);
    rows.problem.kv_dtype = ATTNRT_INT8;
    rows.problem.features |= ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES;
    compare(*variant, rows);
  }
}
