// SPDX-License-Identifier: Apache-2.0
//
// Decode with any number of rows a KV head: groups of one head to many, alone and with drafted tokens. A kernel may
// take other ways for few rows than for many, and for one layout of the cache than for another: each number is right,
// and has the same bits in every layout.
#include <catch2/catch.hpp>

#include "conformance/request.hpp"
#include "conformance/rig.hpp"
#include "decoder_case.hpp"

using namespace attnrt::conformance;

namespace {

constexpr uint32_t kLayouts[] = {ATTNRT_KV_NHD, ATTNRT_KV_HND, ATTNRT_KV_NATIVE};

Case decode_case(uint32_t layout, uint32_t group, uint32_t block_size, uint32_t head_size) {
  Case c = decoder_case(layout, 2, group, block_size, head_size);
  c.lengths = {{1, 700}, {1, 33}, {1, 1290}, {3, 300}};
  c.seed = group;
  c.placement.workers = block_size == 64 ? 1 : 2;
  return c;
}

Outcome run(const attnrt_variant& variant, HostMemory& memory, const Case& c) {
  const Operands operands = make_operands(c);
  const std::vector<RequestData> requests = make_requests(c, operands);
  std::vector<const RequestData*> all;
  for (const RequestData& r : requests) all.push_back(&r);
  return Rig(variant, memory, c.problem).run(operands, all, c.lse, c.placement);
}

struct Change {
  uint32_t kv_dtype = subject_dtype(), head_size_v = 0;
  int32_t window = 0;
};

void compare(const attnrt_variant& variant, uint32_t group, uint32_t block_size, uint32_t head_size,
             const Change& change = {}) {
  HostMemory memory;
  NumericsOptions options;
  options.reference_pairs = 3e4;
  Outcome first;
  for (const uint32_t layout : kLayouts) {
    if (!(variant.caps->kv_layouts & layout)) continue;
    Case c = decode_case(layout, group, block_size, head_size);
    c.problem.kv_dtype = change.kv_dtype;
    if (change.kv_dtype == ATTNRT_INT8) c.problem.features |= ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES;
    if (change.head_size_v) {
      c.problem.features |= ATTNRT_FEATURE_DIFF_KV;
      c.problem.head_size_v = change.head_size_v;
    }
    if (change.window) {
      c.problem.features |= ATTNRT_FEATURE_SLIDING_WINDOW;
      c.problem.window_left = change.window;
    }
    INFO(variant.name << " " << text(c));
    for (const Finding& finding : failures(check_case(variant, memory, c, options)))
      FAIL_CHECK(finding.check << ": " << finding.sentence);
    Outcome outcome = run(variant, memory, c);
    REQUIRE(outcome.done);
    if (!first.done) first = std::move(outcome);
    else CHECK((outcome.bytes == first.bytes && outcome.lse == first.lse));
  }
}

std::vector<const attnrt_variant*> claimants() {
  return batch_invariant_variants([](const attnrt_caps& caps) { return caps.kv_layouts & ATTNRT_KV_NATIVE; });
}

}  // namespace

TEST_CASE("decode has the bits of its rows in every layout, whatever their number") {
  for (const attnrt_variant* variant : claimants())
    for (const uint32_t group : {1u, 3u, 6u, 7u, 8u, 12u, 13u, 16u, 20u, 24u, 25u, 36u, 64u, 80u}) {
      compare(*variant, group, group % 2 ? 16 : 64, 64);
      compare(*variant, group, group % 2 ? 64 : 16, 104);
    }
  CHECK(why_no_variant() == "");
}

TEST_CASE("so does decode with windows, short heads, and keys and values of different width") {
  for (const attnrt_variant* variant : claimants())
    for (const uint32_t group : {4u, 8u, 12u, 16u, 24u}) {
      compare(*variant, group, 64, 16);
      compare(*variant, group, 64, 40, {.window = 250});
      compare(*variant, group, 16, 128, {.head_size_v = 48, .window = 300});
      compare(*variant, group, 64, 64, {.head_size_v = 192});
    }
}

TEST_CASE("so does decode from keys of 8 bits") {
  for (const attnrt_variant* variant : claimants())
    for (const uint32_t group : {5u, 8u, 16u, 24u, 32u})
      for (const uint32_t kv_dtype : {ATTNRT_FP8_E4M3, ATTNRT_INT8})
        if (variant->caps->kv_dtypes >> kv_dtype & 1u)
          for (const uint32_t head_size : {32u, 136u})
            compare(*variant, group, group % 2 ? 16 : 64, head_size, {.kv_dtype = kv_dtype});
}
