// SPDX-License-Identifier: Apache-2.0
#include "conformance/judge.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "attnrt/check.hpp"
#include "conformance/executor.hpp"
#include "conformance/known_faults.hpp"
#include "conformance/number.hpp"
#include "conformance/random.hpp"

namespace attnrt::conformance {
namespace {

using sdk::say;

// One row of the reference and how far the result is from it.
struct Judged {
  std::size_t request;
  int32_t i, h;
  double square_error = 0, plain_square_error = 0, square_bound = 0;
  double worst = 0, worst_allowed = 0, got = 0, wanted = 0;  // of the element farthest beyond its tolerance
  double lse = 0, wanted_lse = 0;
};

// Rows in random order, the first and last of each request before all others, until there are enough scores.
std::vector<Judged> choose_rows(const attnrt_problem& p, const std::vector<RequestData>& requests,
                                const JudgeOptions& options) {
  std::vector<Judged> ends, rest;
  const auto heads = static_cast<int32_t>(p.num_heads);
  Random random(options.seed);
  double total = 0;
  for (const RequestData& r : requests) total += static_cast<double>(r.query_len) * heads * r.num_keys;
  for (std::size_t r = 0; r < requests.size(); ++r)
    for (int32_t i = 0; i < requests[r].query_len; ++i) {
      const bool end = i == 0 || i + 1 == requests[r].query_len;
      const auto lucky = static_cast<int32_t>(random.below(heads));
      for (int32_t h = 0; h < heads; ++h) (end && h == lucky ? ends : rest).push_back({r, i, h});
    }
  if (total > options.pairs) random.shuffle(rest);
  double used = 0;
  std::vector<Judged> out;
  for (const auto* rows : {&ends, &rest})
    for (const Judged& row : *rows) {
      if (used > options.pairs) return out;
      used += requests[row.request].num_keys;
      out.push_back(row);
    }
  return out;
}

}  // namespace

double tolerance(uint32_t out_dtype, double bound, double top_score, double flushed) {
  if (!(bound > 0)) return 4 * unit_roundoff(out_dtype) * bound;  // all values are 0, or a NaN is among them
  const double allowed = 4 * unit_roundoff(out_dtype) * bound;
  if (out_dtype == ATTNRT_FP32) return std::max(64 * allowed * std::max(1.0, top_score / 16), flushed);
  return std::max({allowed, out_dtype == ATTNRT_FP16 ? 0x1p-24 : 0, flushed});
}

double rms_ratio(uint32_t out_dtype, std::size_t rows) {
  if (out_dtype != ATTNRT_FP32) return 1.75;
  return 3 * (1 + 2 / std::sqrt(static_cast<double>(std::max<std::size_t>(rows, 1))));
}

double lse_tolerance(double wanted, double top_score) {
  return std::isinf(wanted) ? 0 : 1e-4 + 1e-5 * std::fabs(wanted) + 16 * unit_roundoff(ATTNRT_FP32) * top_score;
}

bool lse_agrees(double got, double wanted) {
  if (std::isinf(wanted)) return got == wanted;
  return std::fabs(got - wanted) <= lse_tolerance(wanted);
}

std::vector<Fault> judge(const attnrt_problem& p, const Operands& operands, const std::vector<RequestData>& requests,
                         const Outcome& outcome, const JudgeOptions& options) {
  std::vector<Fault> faults;
  const int64_t heads = p.num_heads, dv = p.head_size_v;
  for (std::size_t r = 0; r < requests.size(); ++r) {
    const auto bad =
        std::find_if(outcome.out[r].begin(), outcome.out[r].end(), [](float x) { return !std::isfinite(x); });
    if (bad == outcome.out[r].end()) continue;
    const int64_t index = bad - outcome.out[r].begin();
    faults.push_back({"finite", say("request ", r, " row ", index / (heads * dv), " head ", index / dv % heads,
                                    " holds ", *bad, ", wanted finite numbers (what may not be read is NaN)")});
    break;
  }

  struct Work {
    const attnrt_problem& p;
    const Operands& operands;
    const std::vector<RequestData>& requests;
    const Outcome& outcome;
    std::vector<Judged> rows;
  } work{p, operands, requests, outcome, choose_rows(p, requests, options)};
  Pool pool(options.threads);
  pool.parallel_for(
      static_cast<int64_t>(work.rows.size()), 8,
      [](void* arg, int64_t begin, int64_t end, uint32_t) {
        Work& w = *static_cast<Work*>(arg);
        Row row;
        std::vector<float> plain;
        for (int64_t n = begin; n < end; ++n) {
          Judged& j = w.rows[static_cast<std::size_t>(n)];
          const RequestData& request = w.requests[j.request];
          reference_row(w.p, w.operands, request, j.i, j.h, row);
          float plain_lse;
          plain_row(w.p, w.operands, request, j.i, j.h, 0, request.num_keys, plain, plain_lse);
          const std::size_t at = static_cast<std::size_t>(j.i) * w.p.num_heads + static_cast<std::size_t>(j.h);
          for (std::size_t d = 0; d < row.out.size(); ++d) {
            const double got = w.outcome.out[j.request][at * row.out.size() + d], wanted = row.out[d];
            const double error = got - wanted;
            const double allowed = tolerance(w.p.out_dtype, row.bound[d], row.top_score, row.flushed);
            const double plain_error = rounded(w.p.out_dtype, plain[d]) - wanted;
            j.square_error += error * error;
            j.plain_square_error += plain_error * plain_error;
            // A score of size s is good to s u in fp32, whatever the order of its sum.
            const double floor = row.bound[d] * (w.p.out_dtype == ATTNRT_FP32 ? std::max(1.0, row.top_score / 4) : 1.0);
            j.square_bound += floor * floor;
            const bool worse =
                !(std::fabs(error) <= allowed) && !(std::fabs(error) - allowed <= j.worst - j.worst_allowed);
            if (worse) j.worst = std::fabs(error), j.worst_allowed = allowed, j.got = got, j.wanted = wanted;
          }
          j.wanted_lse = row.lse;
          j.lse = w.outcome.lse[j.request].empty() ? row.lse : static_cast<double>(w.outcome.lse[j.request][at]);
        }
      },
      &work);

  double square = 0, plain = 0, bound = 0;
  std::size_t telling = 0;  // rows that see no key tell nothing
  std::vector<ResultRow> wrong, wrong_lse;
  const Judged *worst = nullptr, *worst_lse = nullptr;
  for (const Judged& j : work.rows) {
    square += j.square_error;
    plain += j.plain_square_error;
    bound += j.square_bound;
    telling += j.square_bound > 0;
    if (j.worst != 0) {
      wrong.push_back({j.request, j.i, j.h});
      if (!worst || j.worst > worst->worst) worst = &j;
    }
    if (!lse_agrees(j.lse, j.wanted_lse)) {
      wrong_lse.push_back({j.request, j.i, j.h});
      if (!worst_lse) worst_lse = &j;
    }
  }
  const auto number = [](double x) {
    char text[32];
    std::snprintf(text, sizeof(text), "%.6g", x);
    return std::string(text);
  };
  const auto as_if = [&](const std::vector<ResultRow>& rows, bool of_lse) {
    const std::string fault = known_fault(p, operands, requests, outcome, rows, of_lse);
    return fault.empty() ? "" : ", as if " + fault;
  };
  if (worst)
    faults.push_back({"out", say(wrong.size(), " of ", work.rows.size(), " rows are off; request ", worst->request, " row ",
                                 worst->i, " head ", worst->h, " holds ", number(worst->got), ", wanted ",
                                 number(worst->wanted), " within ", number(worst->worst_allowed), as_if(wrong, false))});
  // Where plain attention happens to be exact (one key owns each row) a rounding more is still no mistake.
  const double least = (p.out_dtype == ATTNRT_FP32 ? 1.0 : 0.05) * unit_roundoff(p.out_dtype);
  plain = std::max(plain, least * least * bound);
  const double allowed = rms_ratio(p.out_dtype, telling) * std::sqrt(plain);
  if (!(std::sqrt(square) <= allowed) && !worst)
    faults.push_back({"rms", say("the RMS error is ", number(std::sqrt(square) / std::max(1e-300, std::sqrt(plain))),
                                 " times that of plain fp32 attention, wanted at most ",
                                 number(rms_ratio(p.out_dtype, telling)))});
  if (worst_lse)
    faults.push_back({"lse", say(wrong_lse.size(), " of ", work.rows.size(), " LSE are off; request ", worst_lse->request,
                                 " row ", worst_lse->i, " head ", worst_lse->h, " holds ", number(worst_lse->lse),
                                 ", wanted ", number(worst_lse->wanted_lse), as_if(wrong_lse, true))});
  return faults;
}

}  // namespace attnrt::conformance
