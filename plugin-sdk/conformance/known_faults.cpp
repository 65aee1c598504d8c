// SPDX-License-Identifier: Apache-2.0
#include "conformance/known_faults.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <optional>
#include <utility>

#include "conformance/judge.hpp"

namespace attnrt::conformance {
namespace {

constexpr std::size_t kRows = 24;

// What a row is computed from; a fault changes it.
struct Inputs {
  attnrt_problem problem;
  Operands operands;
  RequestData request;
};

struct KnownFault {
  const char* words;  // after "as if"
  // Changes the inputs. False: the fault would change nothing there; nothing: what it would give cannot be told.
  std::function<std::optional<bool>(Inputs&)> commit;
};

// Before this key no key is too many: masks of a tree or of prefixes rule on their own.
bool plain_causal(const Inputs& in) {
  const bool causal = in.problem.causal == ATTNRT_CAUSAL_ALWAYS ||
                      (in.problem.causal == ATTNRT_CAUSAL_PER_REQUEST && in.request.causal);
  return causal && in.request.tree_mask.empty() && in.request.prefix_ranges.empty();
}

// The causal mask as a window: positions up to `ahead` behind the query's own are seen.
bool see_ahead(Inputs& in, int32_t ahead) {
  if (!plain_causal(in)) return false;
  in.problem.causal = ATTNRT_CAUSAL_NEVER;
  in.problem.window_right = ahead;
  return true;
}

bool widen_left(Inputs& in, int32_t by) {
  in.problem.window_left += by;
  return in.problem.window_left - by >= 0 && in.problem.window_left >= 0;
}

bool widen_right(Inputs& in, int32_t by) {
  in.problem.window_right += by;
  return in.problem.window_right - by >= 0 && in.problem.window_right >= 0;
}

bool take_sinks(Inputs& in) {
  const bool had = !in.operands.sinks.empty();
  in.operands.sinks.clear();
  return had;
}

// The request whose row of the block table is the first: where decodes come first it need not be the first given.
const RequestData& first_in_batch(const attnrt_problem& p, const std::vector<RequestData>& requests) {
  if (p.provides & ATTNRT_DECODES_FIRST)
    for (const RequestData& r : requests)
      if (r.query_len <= static_cast<int32_t>(p.decode_query_len)) return r;
  return requests.front();
}

std::vector<KnownFault> known_faults(const attnrt_problem& p, const std::vector<RequestData>& requests) {
  const RequestData* first = &first_in_batch(p, requests);
  return {
      {"the scale were missing",
       [](Inputs& in) {
         const float scale = std::exchange(in.operands.scale, 1.0f);
         return scale != 1.0f;
       }},
      {"the scale were applied twice",
       [](Inputs& in) {
         in.operands.scale *= in.operands.scale;
         return true;
       }},
      {"the causal mask showed one key too many", [](Inputs& in) { return see_ahead(in, 1); }},
      {"the causal mask hid each query's own key",
       [](Inputs& in) {
         // One position earlier, where nothing else asks for positions.
         if (!plain_causal(in) || in.problem.window_left >= 0 || in.problem.window_right >= 0 ||
             !in.operands.alibi_slopes.empty() || in.operands.block_sparse.block)
           return false;
         --in.request.seq_len;
         return true;
       }},
      {"the causal mask were missing", [](Inputs& in) { return see_ahead(in, INT32_MAX / 2); }},
      {"the window reached one key too far to the left", [](Inputs& in) { return widen_left(in, 1); }},
      {"the window reached one key too few to the left", [](Inputs& in) { return widen_left(in, -1); }},
      {"the window reached one key too far to the right", [](Inputs& in) { return widen_right(in, 1); }},
      {"the window reached one key too few to the right", [](Inputs& in) { return widen_right(in, -1); }},
      {"the window were missing",
       [](Inputs& in) {
         const bool had = in.problem.window_left >= 0 || in.problem.window_right >= 0;
         in.problem.window_left = in.problem.window_right = -1;
         return had;
       }},
      {"the first row of the block table were used for all requests",
       [first](Inputs& in) -> std::optional<bool> {
         if (!in.problem.block_size) return false;
         if (first->num_keys < in.request.num_keys) return std::nullopt;  // blocks behind the first request's last
         const auto copy = [](const std::vector<float>& from, std::vector<float>& to) {
           std::copy_n(from.begin(), std::min(from.size(), to.size()), to.begin());
         };
         copy(first->k, in.request.k), copy(first->v, in.request.v);
         copy(first->k_row_scale, in.request.k_row_scale), copy(first->v_row_scale, in.request.v_row_scale);
         return true;
       }},
      {"the softcap were left out", [](Inputs& in) { return std::exchange(in.problem.softcap, 0.0f) > 0; }},
      {"the sinks were left out", &take_sinks},
      {"the ALiBi slopes were left out",
       [](Inputs& in) {
         const bool had = !in.operands.alibi_slopes.empty();
         in.operands.alibi_slopes.clear();
         return had;
       }},
      {"the ALiBi slopes had the wrong sign",
       [](Inputs& in) {
         for (float& slope : in.operands.alibi_slopes) slope = -slope;
         return !in.operands.alibi_slopes.empty();
       }},
  };
}

std::size_t index_of(const attnrt_problem& p, const ResultRow& at) {
  return static_cast<std::size_t>(at.i) * p.num_heads + static_cast<std::size_t>(at.h);
}

// Is the result at this place that of the row?
bool agrees(const attnrt_problem& p, const Outcome& outcome, const ResultRow& at, const Row& row, bool of_lse) {
  const std::size_t index = index_of(p, at);
  if (of_lse) return lse_agrees(static_cast<double>(outcome.lse[at.request][index]), row.lse);
  for (std::size_t d = 0; d < row.out.size(); ++d) {
    const double got = outcome.out[at.request][index * row.out.size() + d];
    const double allowed = tolerance(p.out_dtype, row.bound[d], row.top_score, row.flushed);
    if (!(std::fabs(got - row.out[d]) <= allowed)) return false;
  }
  return true;
}

// Rows that say most: spread over all that are wrong.
std::vector<ResultRow> spread(const std::vector<ResultRow>& wrong) {
  std::vector<ResultRow> out;
  const std::size_t count = std::min(kRows, wrong.size());
  for (std::size_t n = 0; n < count; ++n) out.push_back(wrong[n * wrong.size() / count]);
  std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.request < b.request; });
  return out;
}

}  // namespace

std::string known_fault(const attnrt_problem& problem, const Operands& operands,
                        const std::vector<RequestData>& requests, const Outcome& outcome,
                        const std::vector<ResultRow>& wrong, bool of_lse) {
  if (wrong.empty()) return "";
  const std::vector<ResultRow> rows = spread(wrong);
  Row row;
  if (of_lse) {
    const double log2e = 1.4426950408889634;
    const bool base_2 = std::all_of(rows.begin(), rows.end(), [&](const ResultRow& at) {
      reference_row(problem, operands, requests[at.request], at.i, at.h, row);
      row.lse *= log2e;
      return agrees(problem, outcome, at, row, true);
    });
    if (base_2) return "it were in base 2";
  }
  for (const KnownFault& fault : known_faults(problem, requests)) {
    Inputs in;
    std::size_t last = std::numeric_limits<std::size_t>::max();
    std::optional<bool> shows;
    std::size_t told = 0;
    const bool explains = std::all_of(rows.begin(), rows.end(), [&](const ResultRow& at) {
      if (at.request != last) {
        in = {problem, operands, requests[at.request]};
        shows = fault.commit(in);
        last = at.request;
      }
      if (!shows) return true;
      if (!*shows) return false;
      ++told;
      reference_row(in.problem, in.operands, in.request, at.i, at.h, row);
      return agrees(problem, outcome, at, row, of_lse);
    });
    if (explains && told) return fault.words;
  }
  return "";
}

}  // namespace attnrt::conformance
