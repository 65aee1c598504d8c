// SPDX-License-Identifier: Apache-2.0
//
// kv_cache.hpp: rows into a paged cache and out of it (data sheet)
//   storage  any element type, copied as it is; NHD, HND and MLA latent through strides
//   8 bits   rows of fp32, fp16 and bf16 are divided by their scale and rounded to nearest even, too large ones to the
//            largest number; a scale behind each row where the problem says so. They come back times their scale
//   shapes   any; rows are split over the executor's workers
#ifndef ATTNRT_CPU_ATTN_KV_CACHE_HPP
#define ATTNRT_CPU_ATTN_KV_CACHE_HPP
#include <cstddef>
#include <cstdint>

#include "attnrt/plugin.h"

namespace attnrt::cpu {

/// One side of a copy: the columns [column, column + the rows' width) of a cache belong to the rows of `rows`.
struct CachePart {
  const attnrt_tensor* rows;   ///< [N, Hkv, D]
  const attnrt_tensor* cache;  ///< [num_blocks, block_size, Hkv, at least column + D]
  int64_t column;
  const attnrt_tensor* scale;  ///< [1] or [Hkv], NULL = 1
  bool row_scales;             ///< behind each row of the cache
};

/// One head of row `row` of the part, to or from `cells` with numbers of `dtype` and their scale behind them where rows
/// have one. Where the rows hold `dtype` themselves, bytes are copied and no scale is touched. [thread-safe]
void copy_head(const CachePart& part, uint32_t dtype, int64_t row, int64_t head, std::byte* cells, bool to_cache);

/// Rows to their slots, -1 skipped; of two rows with one slot the later wins only with one worker. [thread-safe]
void write_rows(const CachePart (&parts)[2], const attnrt_tensor& slot_mapping, attnrt_stream stream);

/// The rows of each request, packed at kv_start_loc. [thread-safe]
void gather_rows(const CachePart (&parts)[2], const attnrt_gather_args& args, attnrt_stream stream);

}  // namespace attnrt::cpu
#endif
