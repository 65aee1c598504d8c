// SPDX-License-Identifier: Apache-2.0
//
// What a cache of 8 bits makes of the rows that are written to it, and what comes back.
#ifndef ATTNRT_CONFORMANCE_QUANTISED_HPP
#define ATTNRT_CONFORMANCE_QUANTISED_HPP
#include <vector>

#include "attnrt/plugin.h"
#include "conformance/random.hpp"
#include "conformance/reference.hpp"

namespace attnrt::conformance {

/// Does the problem's cache hold fewer bits than q? [thread-safe]
constexpr bool quantises(const attnrt_problem& p) { return p.kv_dtype != p.q_dtype && p.kv_dtype >= ATTNRT_FP8_E4M3; }
/// Does each of its rows have a scale of its own? [thread-safe]
constexpr bool has_row_scales(const attnrt_problem& p) {
  return (p.features & ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES) != 0;
}
/// Where the scale of a row of d elements lies, in bytes from its start. [thread-safe]
constexpr int64_t row_scale_at(int64_t d) { return (d + 3) / 4 * 4; }

/// Of a KV head; 1 where there are no scales. [thread-safe]
float scale_of(const std::vector<float>& scales, int64_t head);
/// Scales of the cache, which the features ask for. [thread-safe]
void make_scales(const attnrt_problem& p, Operands& o, Random& random);

/// Sets k, v and their row scales to what is stored of k_given and v_given. [thread-safe]
void quantise(const attnrt_problem& p, const Operands& o, RequestData& r);

/// A request of `rows` keys whose values lie at the edges of the cache's type: between two numbers, above the largest,
/// infinite, below the smallest, all zero. Nobody attends to it. [thread-safe]
RequestData edge_rows(const attnrt_problem& p, const Operands& o, int32_t rows, Random& random);

/// What a read-out in q's dtype gives for a stored number. [thread-safe]
float read_back(const attnrt_problem& p, float stored, float scale, float row_scale);

}  // namespace attnrt::conformance
#endif
