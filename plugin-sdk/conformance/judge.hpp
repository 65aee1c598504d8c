// SPDX-License-Identifier: Apache-2.0
//
// A result against the reference.
#ifndef ATTNRT_CONFORMANCE_JUDGE_HPP
#define ATTNRT_CONFORMANCE_JUDGE_HPP
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "conformance/reference.hpp"
#include "conformance/rig.hpp"

namespace attnrt::conformance {

/// Largest distance from the truth that an element may have: 4 u `bound`, where bound is sum(p |v|) of its row; fp32:
/// 64 times that, and more where scores are above 16, for a score of size s is only good to a few u s in fp32 and its
/// error goes into p whole. Where bound is not 0 at least `flushed`, what results may lack that were flushed to zero one
/// by one (Row::flushed), and in fp16 a step between subnormals. [thread-safe]
double tolerance(uint32_t out_dtype, double bound, double top_score = 0, double flushed = kLeastNormal);

/// Largest ratio of a kernel's RMS error over so many rows to that of plain fp32 attention: 1.75, fp32 3. In fp32 one
/// wrong weight moves all elements of its row together, so few rows are few samples and get 1 + 2 / sqrt(rows) times
/// that. [thread-safe]
double rms_ratio(uint32_t out_dtype, std::size_t rows);

/// Largest distance from the truth that an LSE may have: 1e-4 + 1e-5 |lse|, and 16 u of scores of size `top_score`, of
/// which the LSE may be what is left after they cancelled; 0 where it is infinite. [thread-safe]
double lse_tolerance(double wanted, double top_score = 0);

/// Is this LSE the right one? [thread-safe]
bool lse_agrees(double got, double wanted);

struct JudgeOptions {
  double pairs = 1e6;
  uint32_t threads = 2;
  uint64_t seed = 1;
};

/// What is wrong with the results of a batch: faults of the checks "finite", "out", "rms" and "lse". [thread-safe]
std::vector<Fault> judge(const attnrt_problem& problem, const Operands& operands,
                         const std::vector<RequestData>& requests, const Outcome& outcome, const JudgeOptions& options);

}  // namespace attnrt::conformance
#endif
