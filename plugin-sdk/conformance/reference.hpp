// SPDX-License-Identifier: Apache-2.0
//
// Attention as plugin.h defines it, in plain loops: in float64 as the truth, in float32 as the measure of what rounding
// alone costs. One request, one query row and one head at a time. Inputs are the values as stored.
#ifndef ATTNRT_CONFORMANCE_REFERENCE_HPP
#define ATTNRT_CONFORMANCE_REFERENCE_HPP
#include <cstdint>
#include <vector>

#include "attnrt/plugin.h"
#include "conformance/flex_case.hpp"

namespace attnrt::conformance {

/// The least normal number of fp32 and of bf16. Processors may flush what is smaller to zero, each result for itself.
inline constexpr double kLeastNormal = 0x1p-126;

/// How a mask is handed over: the type of its elements, whether one serves all requests or all heads, whether a dense
/// one has one row for all queries or one column for all keys, and whether its keys or its queries lie side by side.
struct MaskForm {
  enum class Type : uint8_t { kFp32, kFp16, kBf16, kBool };
  Type type = Type::kFp32;
  bool one_request = false, one_head = false, turned = false;
  bool one_row = false, one_column = false;
  uint64_t seed = 0;  ///< of the one that serves all requests
};

/// Operands that all requests of a call share.
struct Operands {
  float scale = 1.0f;
  std::vector<float> sinks;         ///< [Hq], empty = none
  std::vector<float> alibi_slopes;  ///< [Hq], empty = none
  std::vector<float> k_scale;       ///< [1] or [Hkv], value = stored * scale, empty = 1
  std::vector<float> v_scale;       ///< likewise
  attnrt_block_sparse block_sparse{};
  MaskForm mask;                   ///< dense or tree
  const FlexCase* flex = nullptr;  ///< the problem's program
};

/// One request: lengths, tensors as stored (decoded), and the operands that go with its tokens.
struct RequestData {
  int32_t query_len = 0;
  int32_t seq_len = 0;                  ///< query i stands at seq_len - query_len + i
  int32_t num_keys = 0;                 ///< keys it may see at all
  int32_t shared_keys = 0;              ///< of them, first ones that the batch's other requests have too
  bool causal = true;                   ///< with CAUSAL_PER_REQUEST
  int32_t window_prefix = 0;            ///< with WINDOW_PREFIX
  std::vector<float> q;                 ///< [query_len, Hq, Dqk]
  std::vector<float> k;                 ///< [num_keys, Hkv, Dqk]
  std::vector<float> v;                 ///< [num_keys, Hkv, Dv]; MLA latent: empty, V is the first Dv columns of k
  std::vector<float> k_given, v_given;  ///< as given to the cache, where it is of 8 bits; else empty
  std::vector<float> k_row_scale;       ///< [num_keys, Hkv] with PER_TOKEN_HEAD_SCALES; empty = 1
  std::vector<float> v_row_scale;       ///< likewise
  std::vector<float> dense_mask;        ///< [Hq, query_len, num_keys], added; -inf hides; empty = none
  std::vector<float> tree_mask;         ///< [query_len, query_len], added; empty = none
  std::vector<int32_t> prefix_ranges;   ///< [query_len, 2]; empty = none
  std::vector<int32_t> sparse_indices;  ///< [query_len, topk]; empty = none
};

/// One row of the result.
struct Row {
  std::vector<double> out;    ///< [Dv]
  std::vector<double> bound;  ///< [Dv], sum over keys of p |v|
  double lse = 0;             ///< natural log, sink included
  double top_score = 0;       ///< size of the scores: the largest |scale * q.k| seen, and what q is good for
  double flushed = 0;         ///< what an element of out may lack where results below kLeastNormal become 0
};

/// Where local key j stands in its sequence (context parallelism). [thread-safe]
int64_t key_position(const attnrt_problem& problem, int64_t j);

/// Does query row i of head h see key j, whatever a program says? Additive masks hide with -inf. [thread-safe]
bool visible(const attnrt_problem& problem, const Operands& operands, const RequestData& request, int32_t h, int32_t i,
             int32_t j);

/// Row i of head h in float64. [thread-safe]
void reference_row(const attnrt_problem& problem, const Operands& operands, const RequestData& request, int32_t i,
                   int32_t h, Row& row);

/// The same over keys [first, last) alone in float32, not yet rounded to the output's type. [thread-safe]
void plain_row(const attnrt_problem& problem, const Operands& operands, const RequestData& request, int32_t i,
               int32_t h, int32_t first, int32_t last, std::vector<float>& out, float& lse);

}  // namespace attnrt::conformance
#endif
