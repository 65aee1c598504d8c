// SPDX-License-Identifier: Apache-2.0
#include "conformance/quantised.hpp"

#include <algorithm>
#include <cmath>

#include "conformance/number.hpp"

namespace attnrt::conformance {
namespace {

std::size_t at(int64_t i) { return static_cast<std::size_t>(i); }

// Rows of d values, head after head.
void store_rows(const attnrt_problem& p, const std::vector<float>& given, const std::vector<float>& scales, int64_t d,
                std::vector<float>& stored, std::vector<float>& row_scales) {
  const int64_t heads = p.num_kv_heads, rows = static_cast<int64_t>(given.size()) / d;
  stored.resize(given.size());
  row_scales.clear();
  for (int64_t row = 0; row < rows; ++row) {
    const float* from = given.data() + row * d;
    float scale = scale_of(scales, row % heads);
    if (has_row_scales(p)) {
      float most = 0;
      for (int64_t i = 0; i < d; ++i) most = std::max(most, std::fabs(from[i]));
      scale = most / largest(p.kv_dtype);
      row_scales.push_back(scale);
    }
    // What `quantised` does, a row at a time.
    const float most = p.kv_dtype == ATTNRT_INT8 ? INFINITY : largest(p.kv_dtype);
    float* to = stored.data() + row * d;
    for (int64_t i = 0; i < d; ++i) {
      const float x = scale == 0 ? 0.0f : from[i] / scale;
      to[i] = x > most ? most : x < -most ? -most : x;
    }
    round_row(p.kv_dtype, to, at(d));
  }
}

}  // namespace

float scale_of(const std::vector<float>& scales, int64_t head) {
  return scales.empty() ? 1.0f : scales[scales.size() == 1 ? 0 : at(head)];
}

// Any number will do for a scale: the reference reads what was stored. int8 needs one that its range fits.
void make_scales(const attnrt_problem& p, Operands& o, Random& random) {
  if (!(p.features & (ATTNRT_FEATURE_KV_SCALES | ATTNRT_FEATURE_PER_HEAD_SCALES))) return;
  const uint32_t count = p.features & ATTNRT_FEATURE_PER_HEAD_SCALES ? p.num_kv_heads : 1;
  const float unit = p.kv_dtype == ATTNRT_INT8 ? 0x1p-5f : 1.0f;
  const auto any = [&] { return unit * std::exp2(static_cast<float>(random.below(4001) - 2000) * 1e-3f); };
  for (uint32_t i = 0; i < count; ++i) {
    o.k_scale.push_back(any());
    o.v_scale.push_back(p.family == ATTNRT_FAMILY_MLA ? o.k_scale.back() : any());
  }
}

void quantise(const attnrt_problem& p, const Operands& o, RequestData& r) {
  store_rows(p, r.k_given, o.k_scale, p.head_size_qk, r.k, r.k_row_scale);
  store_rows(p, r.v_given, o.v_scale, p.head_size_v, r.v, r.v_row_scale);
}

RequestData edge_rows(const attnrt_problem& p, const Operands& o, int32_t rows, Random& random) {
  RequestData r;
  r.num_keys = r.seq_len = rows;
  const float most = largest(p.kv_dtype), few = p.kv_dtype == ATTNRT_INT8 ? 1.0f : rounded(p.kv_dtype, 0x1p-9f);
  const auto fill = [&](std::vector<float>& to, const std::vector<float>& scales, int64_t d) {
    for (int64_t row = 0; row < int64_t{rows} * p.num_kv_heads; ++row) {
      const float scale = has_row_scales(p) ? 0.125f : scale_of(scales, row % p.num_kv_heads);
      const bool zero = row == 1, big = !has_row_scales(p) && row % 2 == 0;
      for (int64_t i = 0; i < d; ++i) {
        const float edges[] = {few / 2, few * 1.5f, few * static_cast<float>(random.below(9)), 8.5f, 9.5f, 10.5f,
                               big ? most * 1.25f : 100.5f, big ? most * 300.0f : 17.0f, big ? INFINITY : 19.0f, 0.0f};
        const float x = edges[random.below(10)] * scale;
        to.push_back(zero ? 0.0f : rounded(p.q_dtype, random.chance(0.5) ? x : -x));
      }
    }
  };
  fill(r.k_given, o.k_scale, p.head_size_qk);
  if (p.family != ATTNRT_FAMILY_MLA) fill(r.v_given, o.v_scale, p.head_size_v);
  quantise(p, o, r);
  return r;
}

float read_back(const attnrt_problem& p, float stored, float scale, float row_scale) {
  return rounded(p.q_dtype, stored * (has_row_scales(p) ? row_scale : scale));
}

}  // namespace attnrt::conformance
