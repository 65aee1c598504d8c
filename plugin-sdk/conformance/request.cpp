// SPDX-License-Identifier: Apache-2.0
#include "conformance/request.hpp"

#include <algorithm>
#include <cmath>

#include "attnrt/check.hpp"
#include "conformance/number.hpp"
#include "conformance/quantised.hpp"
#include "conformance/random.hpp"

namespace attnrt::conformance {
namespace {

constexpr float common_part = 0.8f;  // of a query head's vector that its GQA group shares
constexpr float own_part = 0.6f;

std::size_t at(int64_t i) { return static_cast<std::size_t>(i); }

// Log-odds that let one key own most of a row of n others.
float loudness(int32_t keys) { return std::log(static_cast<float>(std::max(keys, 1))) + 3.5f; }

// A row of few elements may be short by chance: its key would be too large for the type that it is stored in.
float least_square(int64_t size) { return size < 8 ? 0.25f : 1e-6f; }

// Keys worth making loud for row i: the last visible and first hidden one at each edge, a few at tile edges, and a few
// anywhere, which meet masks of other kinds.
std::vector<int64_t> edges(const attnrt_problem& p, const RequestData& r, int32_t i, Random& random) {
  const int64_t q = int64_t{r.seq_len} - r.query_len + i;
  const int64_t tiles[] = {16, 32, 64, 128, 256};
  std::vector<int64_t> positions = {q + 1, q};
  if (p.window_left >= 0) positions.insert(positions.end(), {q - p.window_left - 1, q - p.window_left});
  if (p.window_right >= 0) positions.insert(positions.end(), {q + p.window_right + 1, q + p.window_right});
  std::vector<int64_t> keys;
  for (const int64_t position : positions) {  // local keys of a context-parallel rank, where they are its own
    const int64_t size = std::max<int64_t>(1, p.cp_size), interleave = std::max<int64_t>(1, p.cp_interleave);
    const int64_t local = size == 1 ? position : (position / (size * interleave)) * interleave + position % interleave;
    if (position >= 0 && key_position(p, local) == position) keys.push_back(local);
  }
  const int64_t tile = tiles[random.below(5)];
  keys.push_back(tile * random.below(r.num_keys / tile + 1) + random.below(3) - 1);
  keys.push_back(r.num_keys - 1);
  for (int more = 0; more < 2; ++more) keys.push_back(random.below(r.num_keys));
  return keys;
}

// An element of a dense mask depends on its place alone, so that one mask can serve all requests or heads.
float mask_element(const MaskForm& form, uint64_t seed, int64_t h, int64_t i, int64_t j) {
  Random random(mix(mix(mix(form.one_request ? form.seed : seed, form.one_head ? 0 : static_cast<uint64_t>(h)),
                        form.one_row ? 0 : static_cast<uint64_t>(i)),
                    form.one_column ? 0 : static_cast<uint64_t>(j)));
  if (random.chance(0.2)) return -INFINITY;
  if (form.type == MaskForm::Type::kBool) return 0.0f;
  return rounded(form.type == MaskForm::Type::kBf16 ? ATTNRT_BF16 : ATTNRT_FP16, 0.5f * random.normal());
}

void make_masks(const attnrt_problem& p, const Operands& o, RequestData& r, uint64_t seed, Random& random) {
  const int64_t rows = r.query_len, keys = r.num_keys;
  if (p.features & ATTNRT_FEATURE_DENSE_MASK)
    for (int64_t h = 0; h < p.num_heads; ++h)
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < keys; ++j) r.dense_mask.push_back(mask_element(o.mask, seed, h, i, j));
  if (p.features & ATTNRT_FEATURE_TREE_MASK) {  // a tree: each token sees one chain of parents
    r.tree_mask.assign(at(rows * rows), -INFINITY);
    std::vector<int64_t> parent(at(rows), -1);
    Random chain(o.mask.one_request ? o.mask.seed : seed);
    for (int64_t i = 0; i < rows; ++i) {
      parent[at(i)] = i ? chain.below(i) : -1;
      for (int64_t node = i; node >= 0; node = parent[at(node)]) r.tree_mask[at(i * rows + node)] = 0.0f;
    }
  }
  if (p.features & ATTNRT_FEATURE_MM_PREFIX) {  // one image: its tokens see each other both ways
    const auto low = static_cast<int32_t>(random.below(r.seq_len));
    const auto high = static_cast<int32_t>(std::min<int64_t>(r.seq_len - 1, low + random.below(48)));
    for (int32_t i = 0; i < r.query_len; ++i) {
      const int32_t position = r.seq_len - r.query_len + i;
      const bool inside = position >= low && position <= high;
      r.prefix_ranges.insert(r.prefix_ranges.end(), {inside ? low : -1, inside ? high : -1});
    }
  }
  for (int64_t i = 0; p.sparse_topk && i < rows; ++i)
    for (uint32_t column = 0; column < p.sparse_topk; ++column) {
      const int32_t key = static_cast<int32_t>(random.below(keys));
      const auto row = r.sparse_indices.end() - static_cast<std::ptrdiff_t>(column);
      const bool again = std::find(row, r.sparse_indices.end(), key) != r.sparse_indices.end();
      r.sparse_indices.push_back(keys == 0 || again ? -1 : key);
    }
}

// Values of about one, or as large as the scale lets the cache tell apart.
float v_unit(const attnrt_problem& p, const Operands& o, int64_t head) {
  return p.kv_dtype == ATTNRT_INT8 ? 1.0f : scale_of(o.v_scale, head);
}

// The last keys of the prefix are loud for a request each: to skip them, or to count them twice, cannot go unnoticed.
void share_prefix(const Case& c, const Operands& o, std::vector<RequestData>& requests) {
  const attnrt_problem& p = c.problem;
  const int64_t prefix = c.common_prefix, group = p.num_heads / std::max(1u, p.num_kv_heads), d = p.head_size_qk;
  RequestData* first = nullptr;
  int64_t place = prefix;
  for (RequestData& r : requests) {
    if (prefix == 0 || r.num_keys < prefix) continue;
    r.shared_keys = c.common_prefix;
    if (!first) first = &r;
    if (r.query_len == 0 || quantises(p) || --place < 0) continue;
    for (int64_t h = 0; h < p.num_kv_heads; ++h) {
      const float* q = &r.q[at(((r.query_len - 1) * int64_t{p.num_heads} + h * group) * d)];
      float* k = &first->k[at((place * p.num_kv_heads + h) * d)];
      float square = 0;
      for (int64_t i = 0; i < d; ++i) square += q[i] * q[i];
      for (int64_t i = 0; i < d; ++i) k[i] = loudness(r.num_keys) / (o.scale * std::max(square, least_square(d))) * q[i];
      round_row(p.kv_dtype, k, at(d));
    }
  }
  for (RequestData& r : requests) {
    if (!first || r.shared_keys == 0 || &r == first) continue;
    for (std::vector<float> RequestData::*rows : {&RequestData::k, &RequestData::v, &RequestData::k_given,
                                                  &RequestData::v_given, &RequestData::k_row_scale,
                                                  &RequestData::v_row_scale}) {
      const auto shared = static_cast<std::ptrdiff_t>((first->*rows).size()) / first->num_keys * prefix;
      std::copy_n((first->*rows).begin(), shared, (r.*rows).begin());
    }
  }
}

}  // namespace

Operands make_operands(const Case& c) {
  const attnrt_problem& p = c.problem;
  Random random(mix(c.seed, 0x0be7));
  int32_t longest = 1;
  for (const Length& l : c.lengths) longest = std::max(longest, l.keys);
  Operands o;
  const uint32_t size = p.mla_kv_lora ? p.mla_nope + p.mla_rope : p.head_size_qk;
  o.scale = 1.0f / std::sqrt(static_cast<float>(size ? size : p.head_size_qk));
  if (p.features & ATTNRT_FEATURE_SINKS)
    for (uint32_t h = 0; h < p.num_heads; ++h)
      o.sinks.push_back(rounded(p.q_dtype, std::log(static_cast<float>(longest)) + 2.0f * random.normal()));
  if (p.features & (ATTNRT_FEATURE_ALIBI | ATTNRT_FEATURE_ALIBI_SQRT))
    for (uint32_t h = 0; h < p.num_heads; ++h) {
      const float slope = std::exp2(-8.0f * static_cast<float>(h + 1) / static_cast<float>(p.num_heads));
      // Keys right of the query gain: bounded, or the rounding of the bias itself is all that is seen.
      const float bound = p.causal == ATTNRT_CAUSAL_ALWAYS ? 1.0f : 24.0f / static_cast<float>(longest);
      o.alibi_slopes.push_back(std::min(slope, bound));
    }
  make_scales(p, o, random);
  if (p.features & ATTNRT_FEATURE_FLEX) o.flex = &flex_case(p);
  if (p.features & ATTNRT_FEATURE_BLOCK_SPARSE)
    o.block_sparse = {sizeof(attnrt_block_sparse), 16, 2, 4, static_cast<uint32_t>(random.below(2)), 0};
  if (p.features & (ATTNRT_FEATURE_DENSE_MASK | ATTNRT_FEATURE_TREE_MASK)) {
    const MaskForm::Type types[] = {MaskForm::Type::kFp32, MaskForm::Type::kFp16, MaskForm::Type::kBf16,
                                    MaskForm::Type::kBool};
    o.mask = {types[random.below(4)], random.chance(0.3), random.chance(0.5), random.chance(0.3),
              random.chance(0.2),     random.chance(0.1), random.next()};
  }
  return o;
}

RequestData make_request(const attnrt_problem& p, const Operands& o, Length length, uint64_t seed) {
  Random random(seed);
  RequestData r;
  r.query_len = length.query;
  const bool own_keys = p.attn_type == ATTNRT_ATTN_ENCODER_DECODER;
  r.seq_len = own_keys ? length.query + 3 : length.keys;
  r.num_keys = length.keys;
  if (p.cp_size > 1) {
    r.num_keys = 0;
    while (key_position(p, r.num_keys) < r.seq_len) ++r.num_keys;
  }
  r.causal = random.chance(0.5);
  if (p.features & ATTNRT_FEATURE_WINDOW_PREFIX)
    r.window_prefix = static_cast<int32_t>(random.below(r.num_keys + 1) / 2);
  make_masks(p, o, r, seed, random);

  const int64_t heads = p.num_heads, kv_heads = p.num_kv_heads, group = heads / kv_heads;
  const int64_t dqk = p.head_size_qk, dv = p.head_size_v;
  const float natural = 1.0f / std::sqrt(static_cast<float>(dqk));
  const float loud = loudness(r.num_keys);
  const float boost = (p.softcap > 0 ? 2.8f * p.softcap / loud : 1.0f) * natural / o.scale;
  std::vector<float> base(at(r.query_len * kv_heads * dqk));
  for (float& x : base) x = random.normal();
  r.q.resize(at(r.query_len * heads * dqk));
  for (int64_t i = 0; i < r.query_len; ++i)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t d = 0; d < dqk; ++d) {
        const float shared = base[at((i * kv_heads + h / group) * dqk + d)];
        r.q[at((i * heads + h) * dqk + d)] = boost * (common_part * shared + own_part * random.normal());
      }
  round_row(p.q_dtype, r.q.data(), r.q.size());

  std::vector<float> k(at(r.num_keys * kv_heads * dqk));
  for (float& x : k) x = random.normal();
  std::vector<uint8_t> owned(at(r.num_keys * kv_heads), 0);
  const auto raise = [&](int32_t i, int64_t j, int64_t kvh) {
    owned[at(j * kv_heads + kvh)] = 1;
    const float* row = base.data() + (i * kv_heads + kvh) * dqk;
    float square = 0;
    for (int64_t d = 0; d < dqk; ++d) square += row[d] * row[d];
    const float factor = loud / (common_part * natural * std::max(square, least_square(dqk)));
    for (int64_t d = 0; d < dqk; ++d) k[at((j * kv_heads + kvh) * dqk + d)] = factor * row[d];
  };
  for (int64_t kvh = 0; kvh < kv_heads && r.num_keys > 0; ++kvh)
    for (int32_t i = 0; i < r.query_len; ++i) {
      // Rows without a loud visible key are needed too: one loud key drowns the mistakes in all others.
      const bool hear = random.chance(0.4);
      for (const int64_t j : edges(p, r, i, random)) {
        if (j < 0 || j >= r.num_keys || owned[at(j * kv_heads + kvh)]) continue;
        const bool seen = visible(p, o, r, static_cast<int32_t>(kvh * group), i, static_cast<int32_t>(j));
        if (seen ? hear && random.chance(0.5) : random.chance(0.8)) raise(i, j, kvh);
      }
    }
  if (p.softcap > 0 && r.query_len > 0)  // the loudest score is seen at least once
    for (int64_t kvh = 0, done = 0; kvh < kv_heads && !done; ++kvh)
      for (int32_t j = r.num_keys - 1; j >= 0 && !done; --j)
        if (visible(p, o, r, static_cast<int32_t>(kvh * group), r.query_len - 1, j))
          raise(r.query_len - 1, j, kvh), done = 1;

  if (quantises(p)) {
    round_row(p.q_dtype, k.data(), k.size());
    r.k_given = std::move(k);
    for (int64_t row = 0; row < int64_t{r.num_keys} * kv_heads && p.family != ATTNRT_FAMILY_MLA; ++row)
      for (int64_t d = 0; d < dv; ++d)
        r.v_given.push_back(v_unit(p, o, row % kv_heads) * random.normal());
    round_row(p.q_dtype, r.v_given.data(), r.v_given.size());
    quantise(p, o, r);
    return r;
  }
  round_row(p.kv_dtype, k.data(), k.size());
  r.k = std::move(k);
  if (p.family == ATTNRT_FAMILY_MLA) return r;
  r.v.resize(at(r.num_keys * kv_heads * dv));
  for (float& x : r.v) x = random.normal();
  round_row(p.kv_dtype, r.v.data(), r.v.size());
  return r;
}

std::vector<RequestData> make_requests(const Case& c, const Operands& operands) {
  std::vector<RequestData> out;
  for (std::size_t i = 0; i < c.lengths.size(); ++i)
    out.push_back(make_request(c.problem, operands, c.lengths[i], mix(c.seed, i)));
  share_prefix(c, operands, out);
  return out;
}

}  // namespace attnrt::conformance
