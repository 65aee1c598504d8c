// SPDX-License-Identifier: Apache-2.0
#include "conformance/grid.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <set>

#include "conformance/pairwise.hpp"
#include "conformance/kv_8bit.hpp"
#include "conformance/request.hpp"
#include "naive_plugin.hpp"

using namespace attnrt::conformance;

TEST_CASE("a pairwise cover holds every admissible pair") {
  const std::vector<std::size_t> sizes = {3, 4, 2, 5};
  const auto admits = [](const Point& p) { return !(p[0] == 1 && p[3] == 2); };
  const std::vector<Point> points = pairwise_cover(sizes, 1000, 7, admits);
  CHECK(points.size() < 40);
  for (std::size_t a = 0; a < sizes.size(); ++a)
    for (std::size_t b = a + 1; b < sizes.size(); ++b)
      for (std::size_t i = 0; i < sizes[a]; ++i)
        for (std::size_t j = 0; j < sizes[b]; ++j) {
          bool found = false;
          for (const Point& p : points) found |= p[a] == i && p[b] == j;
          CAPTURE(a, i, b, j);
          CHECK(found == !(a == 0 && i == 1 && b == 3 && j == 2));
        }
  CHECK(pairwise_cover(sizes, 5, 7, admits).size() == 5);
}

TEST_CASE("the grid is admitted, bounded, the same each time, and different for another seed") {
  const attnrt_variant& variant = *naive_correct()->backends[0]->variants[0];
  const std::vector<Case> grid = make_grid(variant, {}), again = make_grid(variant, {});
  REQUIRE(grid.size() <= 200);
  REQUIRE(grid.size() == again.size());
  std::set<std::string> texts;
  uint64_t features = 0;
  uint32_t layouts = 0, types = 0, phases = 0;
  for (std::size_t i = 0; i < grid.size(); ++i) {
    CHECK(admitted(variant, grid[i].problem));
    CHECK(multiply_adds(grid[i]) <= 2e8);
    CHECK(text(grid[i]) == text(again[i]));
    texts.insert(text(grid[i]));
    features |= grid[i].problem.features;
    layouts |= grid[i].problem.kv_layouts;
    types |= grid[i].problem.attn_type;
    phases |= grid[i].problem.phase;
  }
  CHECK(texts.size() == grid.size());
  CHECK(features == variant.caps->features);
  CHECK(layouts == variant.caps->kv_layouts);
  CHECK(types == variant.caps->attn_types);
  CHECK(phases == variant.caps->phases);
  GridOptions other;
  other.seed = 2;
  CHECK(text(make_grid(variant, other)[0]) != text(grid[0]));
}

TEST_CASE("hidden keys beside an edge are loud") {
  Case c;
  c.problem = empty_problem(0);
  attnrt_problem& p = c.problem;
  p.family = ATTNRT_FAMILY_STANDARD;
  p.attn_type = ATTNRT_ATTN_DECODER;
  p.causal = ATTNRT_CAUSAL_ALWAYS;
  p.num_heads = p.num_kv_heads = 2;
  p.head_size_qk = p.head_size_v = 64;
  p.window_left = 63;
  c.lengths = {{40, 400}};
  const Operands operands = make_operands(c);
  const RequestData r = make_requests(c, operands)[0];
  int owned[2] = {0, 0};
  for (int32_t i = 0; i + 1 < r.query_len; ++i) {
    Row row;
    reference_row(p, operands, r, i, 0, row);
    const int32_t position = r.seq_len - r.query_len + i, edges[] = {position + 1, position - 64};
    for (int e = 0; e < 2; ++e) {
      double score = 0;
      for (std::size_t d = 0; d < 64; ++d)
        score += r.q[static_cast<std::size_t>(i) * 128 + d] * r.k[static_cast<std::size_t>(edges[e]) * 128 + d];
      owned[e] += score * operands.scale > row.lse;  // alone it would own more than half
    }
  }
  CHECK(owned[0] >= 10);
  CHECK(owned[1] >= 10);
}

TEST_CASE("softcap cases score above twice the cap") {
  const attnrt_variant& variant = *naive_correct()->backends[0]->variants[0];
  int seen = 0;
  for (const Case& c : make_grid(variant, {})) {
    if (c.problem.softcap == 0 || c.lengths.size() != 1 || c.lengths[0].query != 1) continue;
    const Operands operands = make_operands(c);
    double top = 0;
    for (const RequestData& r : make_requests(c, operands))
      for (int32_t h = 0; h < static_cast<int32_t>(c.problem.num_heads); ++h) {
        const attnrt_problem& p = c.problem;
        const auto size = static_cast<std::size_t>(p.head_size_qk), kv_heads = static_cast<std::size_t>(p.num_kv_heads);
        const auto kvh = static_cast<std::size_t>(h) / (p.num_heads / p.num_kv_heads);
        for (int32_t j = 0; j < r.num_keys; ++j) {
          if (!visible(p, operands, r, h, 0, j)) continue;
          double score = 0;
          for (std::size_t d = 0; d < size; ++d)
            score += r.q[static_cast<std::size_t>(h) * size + d] *
                     r.k[(static_cast<std::size_t>(j) * kv_heads + kvh) * size + d];
          score *= scale_of(operands.k_scale, static_cast<int64_t>(kvh));
          if (!r.k_row_scale.empty()) score *= r.k_row_scale[static_cast<std::size_t>(j) * kv_heads + kvh];
          top = std::max(top, std::fabs(score * operands.scale));
        }
      }
    if (top == 0) continue;  // nothing is visible to this rank
    CAPTURE(text(c));
    CHECK(top >= 2 * c.problem.softcap);
    ++seen;
  }
  CHECK(seen >= 5);
}
