// SPDX-License-Identifier: Apache-2.0
#include "run/compare.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "conformance/judge.hpp"
#include "element.hpp"
#include "run/score_size.hpp"

namespace attnrt::cli {
namespace {

/// Collects elements; NaN, and infinities that differ, count as infinitely wrong.
class Errors {
 public:
  void add(double seen, double wanted, double bound, const Shape& index) {
    double error = seen == wanted ? 0 : std::abs(seen - wanted);
    if (std::isnan(error)) error = std::numeric_limits<double>::infinity();
    ++count_;
    squares_ += error * error;
    result_.max_error = std::max(result_.max_error, error);
    const bool fits = error <= bound;
    result_.passed = result_.passed && fits;
    const double closeness = error == 0 ? 0 : fits ? error / bound : std::numeric_limits<double>::infinity();
    if (closeness > worst_ || result_.worst.empty()) {
      worst_ = closeness;
      result_.worst = index;
      result_.bound = bound;
      result_.seen = seen;
      result_.wanted = wanted;
    }
  }

  Comparison result() const {
    Comparison result = result_;
    if (count_) result.rms_error = std::sqrt(squares_ / static_cast<double>(count_));
    return result;
  }

 private:
  Comparison result_;
  double worst_ = 0, squares_ = 0;
  int64_t count_ = 0;
};

/// Largest |v| of one KV head over the keys of a request, wherever they lie.
double largest_value(const RunFile& run, int64_t request, int64_t head) {
  const Array& v = run.latent ? *run.k_cache : run.paged() ? *run.v_cache : *run.v;
  double largest = 0;
  for (int64_t key = 0; key < run.keys(request); ++key) {
    const int64_t at = key_row(run, request, head, key);
    const int64_t width = (run.latent ? run.head_size() : run.head_size_v) + run.row_tail;
    float scale = 1.0f;
    if (run.row_tail) std::memcpy(&scale, v.data.data() + (at + 1) * width - run.row_tail, sizeof scale);
    for (int64_t column = 0; column < run.head_size_v; ++column)
      largest = std::max(largest, std::abs(element(v, at * width + column) * static_cast<double>(scale)));
  }
  const std::optional<Array>& scales = run.latent ? run.k_scale : run.v_scale;
  const int64_t place = scales && scales->shape[0] > 1 ? head : 0;
  return largest * (scales ? std::abs(static_cast<double>(scales->as<float>()[place])) : 1.0);
}

}  // namespace

Comparison compare_out(const RunFile& run, const std::vector<double>& sizes, const Array& out, double tolerance) {
  const Array& expected = *run.expected_out;
  const Dtype dtype = out.dtype;
  const double expected_units = expected.dtype == Dtype::F32 ? 0 : 4 * roundoff(expected.dtype);
  const int64_t heads = run.num_heads(), group = heads / run.num_kv_heads, width = run.head_size_v;
  Errors errors;
  double rounding = 0, largest = 0;
  for (int64_t r = 0; r < run.num_seqs(); ++r) {
    const auto i = static_cast<std::size_t>(r);
    for (int64_t head = 0; head < run.num_kv_heads; ++head) {
      const double values = largest_value(run, r, head);
      largest = std::max(largest, values);
      for (int64_t token = run.query_start_loc[i]; token < run.query_start_loc[i + 1]; ++token)
        for (int64_t q_head = head * group; q_head < (head + 1) * group; ++q_head) {
          const double size = sizes[static_cast<std::size_t>(token * heads + q_head)];
          // Right or wrong, a mean of values lies no farther than 2 max|v| from another.
          const double allowed = std::min(conformance::tolerance(element_of(dtype), values, size), 2 * values);
          const double bound = tolerance * (allowed + expected_units * values);
          for (int64_t column = 0; column < width; ++column) {
            const int64_t at = (token * heads + q_head) * width + column;
            const double wanted = element(expected, at), off = rounded(wanted, dtype) - wanted;
            rounding += off * off;
            errors.add(element(out, at), wanted, bound, {token, q_head, column});
          }
        }
    }
  }
  Comparison result = errors.result();
  if (dtype != Dtype::F32 && expected.dtype == Dtype::F32) {
    const int64_t count = std::max<int64_t>(out.elements(), 1);
    const double noise = 4 * roundoff(Dtype::F32) * largest;  // where the expected values need no rounding
    result.rms_bound = tolerance * (1.75 * std::sqrt(rounding / static_cast<double>(count)) + noise);
    result.passed = result.passed && result.rms_error <= *result.rms_bound;
  }
  return result;
}

Comparison compare_lse(const Array& expected, const std::vector<double>& sizes, const Array& lse, double tolerance) {
  Errors errors;
  const int64_t heads = expected.shape[1];
  for (int64_t at = 0; at < expected.elements(); ++at) {
    const double wanted = element(expected, at);
    const double bound =
        std::isnan(wanted) ? 0 : tolerance * conformance::lse_tolerance(wanted, sizes[static_cast<std::size_t>(at)]);
    errors.add(element(lse, at), wanted, bound, {at / heads, at % heads});
  }
  return errors.result();
}

}  // namespace attnrt::cli
