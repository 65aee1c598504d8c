// SPDX-License-Identifier: Apache-2.0
//
// Pairwise cover: few points of a grid in which every admissible pair of values occurs.
#ifndef ATTNRT_CONFORMANCE_PAIRWISE_HPP
#define ATTNRT_CONFORMANCE_PAIRWISE_HPP
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace attnrt::conformance {

/// A value's index on each axis.
using Point = std::vector<std::size_t>;

/// Points over axes of these sizes, at most `limit`, each admitted. Greedy, after Cohen, Dalal, Fredman and Patton
/// (AETG, 1997): each point is the best of some random ones around a pair that is still missing. [thread-safe]
std::vector<Point> pairwise_cover(const std::vector<std::size_t>& sizes, std::size_t limit, uint64_t seed,
                                  const std::function<bool(const Point&)>& admits);

}  // namespace attnrt::conformance
#endif
