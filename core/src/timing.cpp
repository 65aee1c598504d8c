// SPDX-License-Identifier: Apache-2.0
#include "timing.hpp"

#include <algorithm>
#include <numeric>

namespace attnrt::core {
namespace {

bool beats(const Measured& a, const Measured& b) {
  return a.timing && b.timing && a.determinism == b.determinism && (a.verified || !b.verified) &&
         faster(*a.timing, *b.timing);
}

}  // namespace

bool faster(const Timing& a, const Timing& b) noexcept {
  const bool full = a.rounds >= kFullRounds && b.rounds >= kFullRounds;
  const double ratio = static_cast<double>(b.median) / static_cast<double>(std::max<int64_t>(1, a.median));
  return a.high < b.low && ratio > (full ? 1.02 : 2.0);
}

std::vector<std::size_t> ranks(const std::vector<Measured>& design) {
  std::vector<std::size_t> left(design.size()), out;
  std::iota(left.begin(), left.end(), std::size_t{0});
  out.reserve(left.size());
  while (!left.empty()) {
    std::vector<std::size_t> better;
    for (const std::size_t i : left)
      if (beats(design[i], design[left.front()])) better.push_back(i);
    std::size_t next = left.front();
    if (!better.empty()) {
      const std::size_t fastest = *std::min_element(better.begin(), better.end(), [&](std::size_t a, std::size_t b) {
        return design[a].timing->median < design[b].timing->median;
      });
      next = *std::find_if(better.begin(), better.end(),
                           [&](std::size_t i) { return i == fastest || !beats(design[fastest], design[i]); });
    }
    out.push_back(next);
    left.erase(std::find(left.begin(), left.end(), next));
  }
  return out;
}

}  // namespace attnrt::core
