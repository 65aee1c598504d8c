// SPDX-License-Identifier: Apache-2.0
//
// attnrt/check/batch.hpp: the batch of a plan. Header-only, C++17. [thread-safe]
#ifndef ATTNRT_CHECK_BATCH_HPP
#define ATTNRT_CHECK_BATCH_HPP
#include <algorithm>
#include <cstdint>

#include "attnrt/check/range.hpp"
#include "attnrt/match.hpp"
#include "attnrt/plugin.h"

namespace attnrt::sdk {

/// What `run` needs to know of the last batch to check its tensors.
struct BatchShape {
  int32_t num_seqs = 0;
  int32_t num_tokens = 0;
  int32_t num_kv_rows = 0; ///< rows of k and v where there is no cache; 0 where the host cannot know
};

/// A batch within the limits: ascending offsets, lengths that hold their queries, block ids inside the cache. On
/// success `shape` describes it.
inline bool check_batch(const Diag& diag, const attnrt_problem& p, const attnrt_limits& l, const attnrt_batch& b,
                        BatchShape& shape) {
  using detail::within;
  const bool paged = is_paged(p.kv_layouts), cpu = p.device_type == ATTNRT_DEVICE_CPU;
  shape = {b.num_seqs, b.num_tokens, 0};
  if (!within(diag, "batch.num_seqs", b.num_seqs, 0, l.max_seqs)) return false;
  if (!within(diag, "batch.num_tokens", b.num_tokens, 0, l.max_tokens)) return false;
  if (!within(diag, "batch.max_query_len", b.max_query_len, 0, l.max_query_len)) return false;
  if (!within(diag, "batch.max_seq_len", b.max_seq_len, 0, l.max_seq_len)) return false;
  if (!within(diag, "batch.num_decodes", b.num_decodes, 0, b.num_seqs)) return false;
  if (!within(diag, "batch.common_prefix_len", b.common_prefix_len, 0, l.max_seq_len)) return false;
  if (!b.query_start_loc) return diag.fail("batch.query_start_loc is NULL, wanted num_seqs + 1 offsets");
  if (b.num_seqs && !b.seq_lens) return diag.fail("batch.seq_lens is NULL, wanted num_seqs lengths");
  if (paged && b.num_seqs && !b.block_table)
    return diag.fail("batch.block_table is NULL, wanted the table of a paged cache");
  if (paged && b.block_table_stride < b.block_table_width)
    return diag.fail(say("batch.block_table_stride is ", b.block_table_stride, ", wanted at least the width ",
                         b.block_table_width));
  if (paged && !within(diag, "batch.block_table_width", b.block_table_width, 0, INT32_MAX - 1)) return false;
  if (!paged && !b.kv_start_loc) return diag.fail("batch.kv_start_loc is NULL, wanted num_seqs + 1 offsets of k and v");
  const bool per_request = p.causal == ATTNRT_CAUSAL_PER_REQUEST;
  if (per_request != (b.causal != nullptr) && b.num_seqs)
    return diag.fail(per_request ? "batch.causal is NULL, wanted a flag for each request"
                                 : "batch.causal is set, wanted NULL where the problem fixes causality");
  if ((b.window_prefix_lens != nullptr) != ((p.features & ATTNRT_FEATURE_WINDOW_PREFIX) != 0) && b.num_seqs)
    return diag.fail("batch.window_prefix_lens is to be given exactly with the feature WINDOW_PREFIX");

  if (!cpu && (p.provides & ATTNRT_HOST_LENGTHS) && (!b.query_start_loc_host || (b.num_seqs && !b.seq_lens_host)))
    return diag.fail(
        "batch.query_start_loc_host or seq_lens_host is NULL, wanted both: problem.provides promises HOST_LENGTHS");

  const int32_t* qsl = b.query_start_loc_host ? b.query_start_loc_host : cpu ? b.query_start_loc : nullptr;
  const int32_t* lens = b.seq_lens_host ? b.seq_lens_host : cpu ? b.seq_lens : nullptr;
  const int32_t* kvl = b.kv_lens_host ? b.kv_lens_host : cpu ? b.kv_lens : nullptr;
  const int32_t* kvs = b.kv_start_loc_host ? b.kv_start_loc_host : cpu ? b.kv_start_loc : nullptr;
  if (qsl && qsl[0] != 0) return diag.fail(say("query_start_loc[0] is ", qsl[0], ", wanted 0"));
  if (kvs && kvs[0] < 0) return diag.fail(say("kv_start_loc[0] is ", kvs[0], ", wanted 0 or more"));
  int32_t first_sharer = -1;  // requests without queries share nothing
  for (int32_t r = 0; r < b.num_seqs; ++r) {
    const int64_t query_len = qsl ? int64_t{qsl[r + 1]} - qsl[r] : 0;
    if (query_len < 0)
      return diag.fail(say("query_start_loc[", r + 1, "] is ", qsl[r + 1], ", wanted at least ", qsl[r]));
    if (query_len > b.max_query_len)
      return diag.fail(
          say("request ", r, " has query length ", query_len, ", wanted at most max_query_len ", b.max_query_len));
    // A cache holds the query's own keys. Without one a query may be longer than what it sees.
    const int64_t least = paged ? query_len : 0;
    if (lens && (lens[r] < least || lens[r] > b.max_seq_len))
      return diag.fail(say("seq_lens[", r, "] is ", lens[r], ", wanted ", least, paged ? " (its query)" : "",
                           " to max_seq_len ", b.max_seq_len));
    int64_t keys = lens ? lens[r] : 0;
    if (!paged && kvs) {
      keys = int64_t{kvs[r + 1]} - kvs[r];
      if (keys < 0) return diag.fail(say("kv_start_loc[", r + 1, "] is ", kvs[r + 1], ", wanted at least ", kvs[r]));
    }
    if (kvl && b.kv_lens) {
      if (kvl[r] < 0 || kvl[r] > l.max_seq_len || (!paged && kvl[r] > keys))
        return diag.fail(say("kv_lens[", r, "] is ", kvl[r], ", wanted 0 to ", paged ? l.max_seq_len : keys));
      keys = kvl[r];
    }
    if ((paged ? lens : kvs) && query_len > 0 && b.common_prefix_len > keys)
      return diag.fail(say("batch.common_prefix_len is ", b.common_prefix_len, ", wanted at most the ", keys,
                           " keys of request ", r));
    if (!paged || !cpu) continue;
    const int64_t blocks = (keys + p.block_size - 1) / p.block_size;
    const int64_t width = std::min<int64_t>(b.block_table_width, l.max_blocks_per_seq);
    if (blocks > width)
      return diag.fail(
          say("request ", r, " needs ", blocks, " blocks for ", keys, " keys, the block table holds ", width));
    const int32_t* row = b.block_table + r * b.block_table_stride;
    for (int64_t i = 0; i < blocks; ++i)
      if (row[i] < 0 || row[i] >= l.num_blocks)
        return diag.fail(say("block_table[", r, "][", i, "] is ", row[i], ", wanted 0 to ", l.num_blocks - 1));
    if (query_len == 0) continue;
    if (first_sharer < 0) first_sharer = r;
    const int32_t* shared = b.block_table + first_sharer * b.block_table_stride;
    for (int64_t i = 0; i < b.common_prefix_len / static_cast<int64_t>(p.block_size); ++i)
      if (row[i] != shared[i])
        return diag.fail(say("block_table[", r, "][", i, "] is ", row[i], ", wanted ", shared[i], " as in request ",
                             first_sharer, ": common_prefix_len is ", b.common_prefix_len));
  }
  if (qsl && qsl[b.num_seqs] != b.num_tokens)
    return diag.fail(
        say("query_start_loc[", b.num_seqs, "] is ", qsl[b.num_seqs], ", wanted num_tokens ", b.num_tokens));
  if (!paged && kvs) {
    shape.num_kv_rows = kvs[b.num_seqs];
    if (shape.num_kv_rows > l.max_kv_tokens)
      return diag.fail(
          say("kv_start_loc ends at ", shape.num_kv_rows, ", wanted at most max_kv_tokens ", l.max_kv_tokens));
  }
  return true;
}

}  // namespace attnrt::sdk
#endif
