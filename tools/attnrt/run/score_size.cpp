// SPDX-License-Identifier: Apache-2.0
#include "run/score_size.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "conformance/reference.hpp"
#include "element.hpp"

namespace attnrt::cli {
namespace {

constexpr double kMostScores = 4e6;  // about a second of double products

/// Keys of one request and KV head as numbers, [keys, D].
std::vector<double> keys_of(const RunFile& run, int64_t request, int64_t head) {
  const Array& k = run.paged() ? *run.k_cache : *run.k;
  const int64_t size = run.head_size(), width = size + run.row_tail;
  double whole = 1;
  if (run.k_scale) whole = static_cast<double>(run.k_scale->as<float>()[run.k_scale->shape[0] > 1 ? head : 0]);
  std::vector<double> out;
  out.reserve(static_cast<std::size_t>(run.keys(request) * size));
  for (int64_t key = 0; key < run.keys(request); ++key) {
    const int64_t at = key_row(run, request, head, key);
    float own = 1;
    if (run.row_tail) std::memcpy(&own, k.data.data() + (at + 1) * width - run.row_tail, sizeof own);
    for (int64_t d = 0; d < size; ++d) out.push_back(element(k, at * width + d) * whole * static_cast<double>(own));
  }
  return out;
}

double dot(const double* a, const double* b, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

/// What the kit needs to know to say which keys a row sees.
conformance::RequestData masks_of(const RunFile& run, int64_t request) {
  const auto r = static_cast<std::size_t>(request);
  conformance::RequestData data;
  data.query_len = run.query_start_loc[r + 1] - run.query_start_loc[r];
  data.seq_len = run.seq_lens[r];
  data.num_keys = static_cast<int32_t>(run.keys(request));
  data.causal = run.causal.empty() || run.causal[r] != 0;
  if (!run.attn_mask) return data;
  const Array& mask = *run.attn_mask;
  const auto place = [&mask](std::size_t dim, int64_t i) { return mask.shape[dim] == 1 ? 0 : i; };
  for (int64_t h = 0; h < run.num_heads(); ++h)
    for (int64_t i = 0; i < data.query_len; ++i)
      for (int64_t j = 0; j < data.num_keys; ++j) {
        const int64_t at =
            ((place(0, request) * mask.shape[1] + place(1, h)) * mask.shape[2] + place(2, i)) * mask.shape[3] +
            place(3, j);
        const bool hides = mask.dtype == Dtype::BOOL && mask.as<uint8_t>()[at] == 0;
        data.dense_mask.push_back(hides                       ? -std::numeric_limits<float>::infinity()
                                  : mask.dtype == Dtype::BOOL ? 0.0f
                                                              : static_cast<float>(element(mask, at)));
      }
  return data;
}

}  // namespace

int64_t key_row(const RunFile& run, int64_t request, int64_t head, int64_t key) {
  if (!run.paged()) return (run.kv_start_loc[static_cast<std::size_t>(request)] + key) * run.num_kv_heads + head;
  const int64_t block = run.block_table[static_cast<std::size_t>(request * run.table_width + key / run.block_size)];
  const int64_t slot = key % run.block_size;
  return run.hnd ? (block * run.num_kv_heads + head) * run.block_size + slot
                 : (block * run.block_size + slot) * run.num_kv_heads + head;
}

std::vector<double> score_sizes(const RunFile& run, const attnrt_problem& problem, float scale) {
  const int64_t heads = run.num_heads(), group = heads / run.num_kv_heads, size = run.head_size();
  const double factor = std::abs(static_cast<double>(scale));
  double scores = 0;
  for (int64_t r = 0; r < run.num_seqs(); ++r) {
    const auto i = static_cast<std::size_t>(r);
    scores += static_cast<double>(run.query_start_loc[i + 1] - run.query_start_loc[i]) *
              static_cast<double>(run.keys(r) * heads);
  }
  const bool each = scores <= kMostScores;
  std::vector<double> sizes(static_cast<std::size_t>(run.num_tokens() * heads));
  std::vector<double> q(static_cast<std::size_t>(size));
  for (int64_t r = 0; r < run.num_seqs(); ++r) {
    const conformance::RequestData masks = each ? masks_of(run, r) : conformance::RequestData{};
    const int64_t first = run.query_start_loc[static_cast<std::size_t>(r)],
                  last = run.query_start_loc[static_cast<std::size_t>(r) + 1];
    for (int64_t kv_head = 0; kv_head < run.num_kv_heads; ++kv_head) {
      const std::vector<double> k = keys_of(run, r, kv_head);
      double longest = 0;
      for (int64_t key = 0; key < run.keys(r) && !each; ++key)
        longest = std::max(longest, std::sqrt(dot(k.data() + key * size, k.data() + key * size, size)));
      const double k_scale =
          run.k_scale ? std::abs(static_cast<double>(run.k_scale->as<float>()[run.k_scale->shape[0] > 1 ? kv_head : 0]))
                      : 1.0;
      for (int64_t token = first; token < last; ++token)
        for (int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
          for (int64_t d = 0; d < size; ++d)
            q[static_cast<std::size_t>(d)] = element(run.q, (token * heads + head) * size + d);
          const double length = std::sqrt(dot(q.data(), q.data(), size));
          double top = std::max(0.5 * factor * k_scale * length * std::sqrt(static_cast<double>(size)),
                                factor * length * longest);
          for (int64_t key = 0; key < run.keys(r) && each; ++key)
            if (conformance::visible(problem, {}, masks, static_cast<int32_t>(head),
                                     static_cast<int32_t>(token - first), static_cast<int32_t>(key)))
              top = std::max(top, factor * std::abs(dot(q.data(), k.data() + key * size, size)));
          sizes[static_cast<std::size_t>(token * heads + head)] = std::isfinite(top) ? top : 0;
        }
    }
  }
  return sizes;
}

}  // namespace attnrt::cli
