// SPDX-License-Identifier: Apache-2.0
#include "conformance/checks.hpp"

#include "conformance/features.hpp"
#include "conformance/graphs.hpp"
#include "conformance/invariance.hpp"
#include "conformance/merge.hpp"
#include "conformance/numerics.hpp"
#include "conformance/plans.hpp"
#include "conformance/quiet.hpp"
#include "conformance/refusals.hpp"
#include "conformance/sheet.hpp"

namespace attnrt::conformance {
namespace {

GridOptions grid_of(const CheckOptions& options) {
  GridOptions grid;
  grid.isa = options.isa;
  grid.arch = options.arch;
  grid.seed = options.seed;
  grid.all = options.depth == Depth::all;
  if (options.depth == Depth::quick) {
    grid.max_cases = 40;
    grid.max_multiply_adds = 1e7;
  }
  return grid;
}

NumericsOptions numerics_of(const CheckOptions& options) {
  NumericsOptions numerics;
  numerics.grid = grid_of(options);
  if (options.depth == Depth::quick) numerics.reference_pairs = 2e4;
  if (options.progress) {
    numerics.begin = [&options](std::size_t done, std::size_t total, const Case& next) {
      options.progress(done, total, text(next));
    };
  }
  return numerics;
}

Findings invariance(const attnrt_variant& variant, Memory& memory, const CheckOptions& options) {
  InvarianceOptions invariance;
  invariance.isa = options.isa;
  invariance.arch = options.arch;
  invariance.seed = options.seed;
  if (options.depth == Depth::quick) {
    invariance.problems = 1;
    invariance.rounds = 3;
    invariance.longest = 1024;
  }
  if (options.depth == Depth::all) invariance.rounds = 14;
  if (variant.caps->determinism == ATTNRT_DETERMINISM_NONE)
    return {{"determinism", variant.name, true, "the sheet claims none", true}};
  return check_invariance(variant, memory, invariance);
}

Findings merge(const attnrt_variant& variant, Memory& memory, const CheckOptions& options) {
  if (!variant.merge_states) return {{"merge", variant.name, true, "merge_states is NULL", true}};
  return check_merge_states(variant, memory, numerics_of(options));
}

Findings refusals(const attnrt_variant& variant, Memory& memory, const CheckOptions& options) {
  if (options.host_checks)
    return {{"refusals", variant.name, true, std::string("the plugin leaves wrong calls to its host (") + kHostChecks + ")",
             true}};
  return check_refusals(variant, memory, grid_of(options));
}

}  // namespace

const std::vector<Check>& variant_checks() {
  static const std::vector<Check> checks = {
      {"sheet", "claims that belong together stand together, and the grid reaches each",
       [](const attnrt_variant& v, Memory&, const CheckOptions& o) { return check_sheet(v, grid_of(o)); }},
      {"supports", "what sheet and supports() admit is served, what they refuse is refused with a reason",
       [](const attnrt_variant& v, Memory& m, const CheckOptions& o) { return check_supports(v, m, grid_of(o)); }},
      {"refusals", "wrong structs, bits, tensors, lengths, ids and slots are refused and change nothing",
       &refusals},
      {"workspace", "its answers depend on limits alone",
       [](const attnrt_variant& v, Memory& m, const CheckOptions& o) { return check_workspace(v, m, grid_of(o)); }},
      {"plans", "plans of one op are independent of each other",
       [](const attnrt_variant& v, Memory& m, const CheckOptions& o) { return check_plans(v, m, grid_of(o)); }},
      {"concurrency", "plans of one op run in many threads at once",
       [](const attnrt_variant& v, Memory& m, const CheckOptions& o) { return check_concurrency(v, m, grid_of(o)); }},
      {"quiet", "plan_update and run neither allocate nor call the operating system",
       [](const attnrt_variant& v, Memory& m, const CheckOptions& o) { return check_quiet(v, m, grid_of(o)); }},
      {"graphs", "a captured run, replayed, serves later batches of other lengths in the same buffers",
       [](const attnrt_variant& v, Memory& m, const CheckOptions& o) { return check_graphs(v, m, grid_of(o)); }},
      {"features", "each claimed feature is at work, and the cases would tell if it were not",
       [](const attnrt_variant& v, Memory& m, const CheckOptions& o) { return check_features(v, m, numerics_of(o)); }},
      {"numerics", "every case of the grid is float64 attention within the tolerances, in all layouts and strides",
       [](const attnrt_variant& v, Memory& m, const CheckOptions& o) { return check_numerics(v, m, numerics_of(o)); }},
      {"merge", "partial results merge into the whole", &merge},
      {"determinism", "the claimed level, bit by bit, with a control that other orders give other bits", &invariance},
  };
  return checks;
}

}  // namespace attnrt::conformance
