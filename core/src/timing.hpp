// SPDX-License-Identifier: Apache-2.0
//
// Measured times and the order that follows from them. The order of design holds wherever measuring does not speak
// clearly against it: docs/decisions/0063-a-ranking-that-was-measured.md.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace attnrt::core {

/// How long one run takes: the median of `rounds` rounds and the interval that holds the true median with 95 %
/// confidence (of fewer than kFullRounds: the range of what was seen). Nanoseconds.
struct Timing {
  int64_t median = 0, low = 0, high = 0;
  uint32_t rounds = 0;
};

/// The least number of rounds from which the order statistics of a sample hold its median with 95 % confidence.
constexpr uint32_t kFullRounds = 6;

/// Is `a` faster than `b` beyond doubt? Where the intervals overlap or the medians are within 2 % they tie; within a
/// factor of two where either has fewer than kFullRounds. Pure.
bool faster(const Timing& a, const Timing& b) noexcept;

/// Something to be ranked, as far as its rank depends on it.
struct Measured {
  const Timing* timing = nullptr;  ///< NULL = nothing was measured: it beats nobody and nobody beats it
  uint32_t determinism = 0;        ///< ATTNRT_DETERMINISM_*: only those of one level are compared
  bool verified = false;           ///< one that is not beats none that is
};

/// The ranks of what stands in the order of design, as places in it, best first. Each place goes to the fastest of
/// those that beat the first one left by design, ties among them by design, else to that first one. So nothing stands
/// before the default that did not beat it. Pure.
std::vector<std::size_t> ranks(const std::vector<Measured>& design);

}  // namespace attnrt::core
