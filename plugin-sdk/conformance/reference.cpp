// SPDX-License-Identifier: Apache-2.0
#include "conformance/reference.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "conformance/quantised.hpp"

namespace attnrt::conformance {
namespace {

std::size_t at(int64_t i) { return static_cast<std::size_t>(i); }

// What the distance adds to a score, after scale and softcap.
template <class T>
T alibi(const attnrt_problem& p, const Operands& o, const RequestData& r, int32_t h, int32_t i, int32_t j) {
  if (o.alibi_slopes.empty()) return 0;
  const int64_t distance = key_position(p, j) - (r.seq_len - r.query_len + i);
  const T slope = static_cast<T>(o.alibi_slopes[at(h)]);
  if (p.features & ATTNRT_FEATURE_ALIBI_SQRT)
    return distance < 0 ? -slope * std::sqrt(static_cast<T>(-distance)) : T(0);
  return slope * static_cast<T>(distance);
}

// What masks add to a score, after all that computes it.
template <class T>
T bias(const RequestData& r, int32_t h, int32_t i, int32_t j) {
  T sum = 0;
  if (!r.dense_mask.empty())
    sum += static_cast<T>(r.dense_mask[(at(h) * at(r.query_len) + at(i)) * at(r.num_keys) + at(j)]);
  if (!r.tree_mask.empty() && j >= r.num_keys - r.query_len)
    sum += static_cast<T>(r.tree_mask[at(i) * at(r.query_len) + at(j - (r.num_keys - r.query_len))]);
  return sum;
}

flex::Pair pair_of(const RequestData& r, int32_t h, int32_t i, int32_t j) {
  return {0, h, r.seq_len - r.query_len + i, j, 0};
}

template <class T>
T dot(const float* a, const float* b, int64_t n) {
  T sum[4] = {0, 0, 0, 0};  // four chains, or the adder's latency is all that is measured
  int64_t d = 0;
  for (; d + 4 <= n; d += 4)
    for (int64_t c = 0; c < 4; ++c) sum[c] += static_cast<T>(a[d + c]) * static_cast<T>(b[d + c]);
  for (; d < n; ++d) sum[0] += static_cast<T>(a[d]) * static_cast<T>(b[d]);
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

// How much of a key's contribution may be lost where results below kLeastNormal become 0: its product with the weight,
// the sum that this is added to, and, where the weight is of that size itself, all of it.
double lost_of(double weight, double size, const float* v, int64_t dv) {
  double lost = 2 * kLeastNormal;
  if (std::min(weight, size) < 2 * kLeastNormal) {
    float largest = 0;
    for (int64_t d = 0; d < dv; ++d) largest = std::max(largest, std::fabs(v[d]));
    lost += size * double{largest};
  }
  return lost;
}

template <class T>
T attend(const attnrt_problem& p, const Operands& o, const RequestData& r, int32_t i, int32_t h, int32_t first,
         int32_t last, std::vector<T>& out, Row* row, T& top_score) {
  const int64_t dqk = p.head_size_qk, dv = p.head_size_v, heads = p.num_kv_heads;
  const int64_t kvh = h / static_cast<int32_t>(p.num_heads / p.num_kv_heads);
  const float* q = r.q.data() + (int64_t{i} * p.num_heads + h) * dqk;
  const T scale = static_cast<T>(o.scale) * static_cast<T>(scale_of(o.k_scale, kvh));
  const T hidden = -std::numeric_limits<T>::infinity();
  std::vector<T> score(at(last - first), hidden);
  std::optional<flex::Evaluator> program;
  if (o.flex) program.emplace(o.flex->program, o.flex->views.data());
  T top = o.sinks.empty() ? hidden : static_cast<T>(o.sinks[at(h)]);
  for (int32_t j = first; j < last; ++j) {
    if (!visible(p, o, r, h, i, j) || (program && !program->visible(pair_of(r, h, i, j)))) continue;
    T s = dot<T>(q, r.k.data() + (int64_t{j} * heads + kvh) * dqk, dqk) * scale;
    if (!r.k_row_scale.empty()) s *= static_cast<T>(r.k_row_scale[at(int64_t{j} * heads + kvh)]);
    top_score = std::max(top_score, std::fabs(s));
    if (p.softcap > 0) s = static_cast<T>(p.softcap) * std::tanh(s / static_cast<T>(p.softcap));
    s += alibi<T>(p, o, r, h, i, j);
    if (program) {
      flex::Pair pair = pair_of(r, h, i, j);
      pair.score = static_cast<float>(s);
      s = o.flex->program.score == flex::Program::kNone ? s : static_cast<T>(program->score(pair));
    }
    s += bias<T>(r, h, i, j);
    score[at(j - first)] = s;
    top = std::max(top, s);
  }
  out.assign(at(dv), 0);
  if (row) row->bound.assign(at(dv), 0), row->flushed = 0;
  if (top == hidden) return hidden;
  T sum = o.sinks.empty() ? T(0) : std::exp(static_cast<T>(o.sinks[at(h)]) - top);
  for (int32_t j = first; j < last; ++j) {
    if (score[at(j - first)] == hidden) continue;
    const T weight = std::exp(score[at(j - first)] - top);
    sum += weight;
    const float* v =
        r.v.empty() ? r.k.data() + (int64_t{j} * heads + kvh) * dqk : r.v.data() + (int64_t{j} * heads + kvh) * dv;
    const T size =
        r.v_row_scale.empty() ? weight : weight * static_cast<T>(r.v_row_scale[at(int64_t{j} * heads + kvh)]);
    for (int64_t d = 0; d < dv; ++d) out[at(d)] += size * static_cast<T>(v[d]);
    if (!row) continue;
    for (int64_t d = 0; d < dv; ++d) row->bound[at(d)] += double{size} * double{std::fabs(v[d])};
    row->flushed += lost_of(double{weight}, double{size}, v, dv);
  }
  const T last_scale = static_cast<T>(scale_of(r.v.empty() && o.v_scale.empty() ? o.k_scale : o.v_scale, kvh));
  for (T& x : out) x = x / sum * last_scale;
  if (row) {
    for (double& x : row->bound) x = x / double{sum} * double{last_scale};
    // Values may be scaled before they are summed or after, and the result is rounded once more.
    row->flushed = row->flushed / double{sum} * std::max(1.0, double{last_scale}) + kLeastNormal;
  }
  return top + std::log(sum);
}

}  // namespace

int64_t key_position(const attnrt_problem& p, int64_t j) {
  if (p.cp_size <= 1) return j;
  const int64_t interleave = p.cp_interleave;
  return ((j / interleave) * p.cp_size + p.cp_rank) * interleave + j % interleave;
}

bool visible(const attnrt_problem& p, const Operands& o, const RequestData& r, int32_t h, int32_t i, int32_t j) {
  const int64_t pos_q = int64_t{r.seq_len} - r.query_len + i, pos_k = key_position(p, j);
  const bool causal = p.causal == ATTNRT_CAUSAL_ALWAYS || (p.causal == ATTNRT_CAUSAL_PER_REQUEST && r.causal);
  const bool in_tree = !r.tree_mask.empty() && j >= r.num_keys - r.query_len;
  bool seen = true;
  if (causal && !in_tree) seen = pos_k <= pos_q;
  if (p.window_left >= 0 && pos_k < pos_q - p.window_left && j >= r.window_prefix) seen = false;
  if (p.window_right >= 0 && pos_k > pos_q + p.window_right) seen = false;
  if (!r.prefix_ranges.empty()) {
    const int32_t low = r.prefix_ranges[at(i) * 2], high = r.prefix_ranges[at(i) * 2 + 1];
    seen |= low >= 0 && pos_k >= low && pos_k <= high;
  }
  if (o.block_sparse.block) {
    const int64_t block = o.block_sparse.block, query_block = pos_q / block, key_block = pos_k / block;
    const bool local = query_block - key_block < o.block_sparse.local_blocks;
    const int64_t shifted = key_block + int64_t{h} * o.block_sparse.head_step + 1;
    seen &= local || shifted % o.block_sparse.vertical_stride == 0;
  }
  if (p.sparse_topk && !r.sparse_indices.empty()) {
    const auto row = r.sparse_indices.begin() + static_cast<std::ptrdiff_t>(int64_t{i} * p.sparse_topk);
    seen &= std::find(row, row + static_cast<std::ptrdiff_t>(p.sparse_topk), j) !=
            row + static_cast<std::ptrdiff_t>(p.sparse_topk);
  }
  if (seen && (in_tree || !r.dense_mask.empty())) seen = bias<float>(r, h, i, j) > -INFINITY;
  return seen;
}

void reference_row(const attnrt_problem& p, const Operands& o, const RequestData& r, int32_t i, int32_t h, Row& row) {
  // Even where the score is small its terms are as large as q, and so are their rounding errors.
  const float* q = r.q.data() + (int64_t{i} * p.num_heads + h) * p.head_size_qk;
  const float k_scale = scale_of(o.k_scale, h / static_cast<int32_t>(p.num_heads / p.num_kv_heads));
  row.top_score = 0.5 * o.scale * k_scale * std::sqrt(dot<double>(q, q, p.head_size_qk) * p.head_size_qk);
  row.lse = attend<double>(p, o, r, i, h, 0, r.num_keys, row.out, &row, row.top_score);
}

void plain_row(const attnrt_problem& p, const Operands& o, const RequestData& r, int32_t i, int32_t h, int32_t first,
               int32_t last, std::vector<float>& out, float& lse) {
  float top_score = 0;
  lse = attend<float>(p, o, r, i, h, first, last, out, nullptr, top_score);
}

}  // namespace attnrt::conformance
