// SPDX-License-Identifier: Apache-2.0
//
// tune/sample.hpp: repeated times of one thing, and what they tell of its true median.
#ifndef ATTNRT_CLI_TUNE_SAMPLE_HPP
#define ATTNRT_CLI_TUNE_SAMPLE_HPP
#include <cstddef>
#include <vector>

namespace attnrt::cli {

/// One time a round, in seconds.
class TuneSample {
 public:
  void add(double seconds);
  std::size_t rounds() const noexcept { return sorted_.size(); }
  double best() const { return sorted_.front(); }
  double worst() const { return sorted_.back(); }
  double median() const;
  struct Interval {
    double low, high;
  };
  /// Holds the true median with at least 95 % confidence whatever the distribution of the times: the k-th smallest and
  /// k-th largest (Conover, Practical Nonparametric Statistics, section 3.2). Of fewer than 6 rounds, which cannot
  /// tell, all that was seen.
  Interval interval() const;

 private:
  std::vector<double> sorted_;
};

/// The k of that interval for n rounds: the largest with P(Binomial(n, 1/2) < k) <= 0.025; 1 where there is none. Pure.
std::size_t tune_interval_rank(std::size_t n);

}  // namespace attnrt::cli
#endif
