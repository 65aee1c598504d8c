// SPDX-License-Identifier: Apache-2.0
// core/src/match.hpp: which layouts a plugin is asked about. A problem whose layouts are not fixed allows all that its
// family has, among them some that a sheet does not offer; a plugin that judged those refused what it serves.
#include <catch2/catch.hpp>
#include <cstdint>

#include "match.hpp"
#include "problem.hpp"

using namespace attnrt::core;

namespace {

uint32_t asked;  ///< the layouts of the last question

attnrt_status remember(const attnrt_variant*, const attnrt_problem* problem, const attnrt_diag*) {
  asked = problem->kv_layouts;
  return ATTNRT_OK;
}

/// What a variant whose sheet offers `offered` is asked about.
uint32_t layouts_of_question(uint32_t offered, uint32_t acceptable) {
  constexpr attnrt_sizes anything{sizeof(attnrt_sizes), 0, nullptr, 1, 1, 0, 0};
  attnrt_caps caps{};
  caps.struct_size = sizeof caps;
  caps.device_type = ATTNRT_DEVICE_CPU;
  caps.kv_layouts = offered;
  caps.head_sizes = caps.block_sizes = &anything;
  attnrt_variant variant{};
  variant.struct_size = sizeof variant;
  variant.name = "counting";
  variant.caps = &caps;
  variant.supports = &remember;
  attnrt_problem problem = default_problem({ATTNRT_DEVICE_CPU, -1, 0, 0});
  problem.kv_layouts = acceptable;
  asked = 0;
  CHECK(match(variant, problem).by_plugin == 0);
  CHECK(problem.kv_layouts == acceptable);
  return asked;
}

}  // namespace

TEST_CASE("a plugin is asked about those of the acceptable layouts that its sheet offers") {
  constexpr uint32_t paged = ATTNRT_KV_NHD | ATTNRT_KV_HND | ATTNRT_KV_XPACKED | ATTNRT_KV_NATIVE;
  CHECK(layouts_of_question(ATTNRT_KV_NHD | ATTNRT_KV_HND | ATTNRT_KV_CONTIGUOUS, paged) ==
        (ATTNRT_KV_NHD | ATTNRT_KV_HND));
  CHECK(layouts_of_question(ATTNRT_KV_XPACKED | ATTNRT_KV_CONTIGUOUS, paged) == ATTNRT_KV_XPACKED);
  CHECK(layouts_of_question(paged, ATTNRT_KV_HND) == ATTNRT_KV_HND);
}

TEST_CASE("where the sheet offers none of them it is asked about them all") {
  CHECK(layouts_of_question(ATTNRT_KV_CONTIGUOUS, ATTNRT_KV_NHD | ATTNRT_KV_HND) == (ATTNRT_KV_NHD | ATTNRT_KV_HND));
}
