// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_CLI_RUN_COMPARE_HPP
#define ATTNRT_CLI_RUN_COMPARE_HPP
#include <optional>

#include "run/compute.hpp"

namespace attnrt::cli {

/// How far a tensor is from the expected one.
struct Comparison {
  double max_error = 0;
  double rms_error = 0;
  double bound = 0;                 ///< the error allowed where it came nearest to it
  std::optional<double> rms_bound;  ///< only where rounding dominates: F32 expected, F16 or BF16 out
  Shape worst;                      ///< index of that element: token, head, column
  double seen = 0, wanted = 0;      ///< its values
  bool passed = true;
};

/// Output against expected.out, by the rule of the conformance kit: allowed for an element is 4 u max|v| over the keys
/// of its request and KV head. u is the unit roundoff of the output's dtype; F32 has 64 times it, for an exp of a few
/// ulp, and in proportion more where the row's scores are larger than 16, but no more than 2 max|v|. Since a row of
/// probabilities sums to at most 1, max|v| bounds sum(p |v|). An expected output in F16 or BF16 adds its own. The RMS
/// error may be 1.75 times that of rounding the expected output to the output's dtype. `sizes` are those of the scores,
/// score_sizes(); `tolerance` multiplies what is allowed.
Comparison compare_out(const RunFile& run, const std::vector<double>& sizes, const Array& out, double tolerance);

/// LSE against expected.lse, by the rule of the kit: 1e-4 + 1e-5 |lse| + 16 times 2^-24 of the size of the row's
/// scores; -inf equals -inf.
Comparison compare_lse(const Array& expected, const std::vector<double>& sizes, const Array& lse, double tolerance);

}  // namespace attnrt::cli
#endif
