// SPDX-License-Identifier: Apache-2.0
#include "tune/sample.hpp"

#include <algorithm>
#include <cmath>

namespace attnrt::cli {

void TuneSample::add(double seconds) {
  sorted_.insert(std::upper_bound(sorted_.begin(), sorted_.end(), seconds), seconds);
}

double TuneSample::median() const {
  const std::size_t n = sorted_.size();
  return n % 2 ? sorted_[n / 2] : (sorted_[n / 2 - 1] + sorted_[n / 2]) / 2;
}

TuneSample::Interval TuneSample::interval() const {
  const std::size_t k = tune_interval_rank(sorted_.size());
  return {sorted_[k - 1], sorted_[sorted_.size() - k]};
}

std::size_t tune_interval_rank(std::size_t n) {
  double term = std::pow(0.5, static_cast<double>(n)), below = 0;  // P(Binomial = j), P(Binomial < j)
  std::size_t k = 0;
  for (std::size_t j = 0; j < n; ++j) {
    if (below + term > 0.025) break;
    below += term;
    term *= static_cast<double>(n - j) / static_cast<double>(j + 1);
    k = j + 1;
  }
  return std::max<std::size_t>(1, k);
}

}  // namespace attnrt::cli
