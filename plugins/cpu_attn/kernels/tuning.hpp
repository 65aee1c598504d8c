// SPDX-License-Identifier: Apache-2.0
//
// tuning.hpp: the constants of the CPU kernels that were chosen by measurement, each with the case that measured it.
// The members of `Tuning` are set once, when an op is created, for the vendor of the processor and the instruction set;
// results do not depend on them. Constants that size arrays or fix the order of a sum are part of the build.
#ifndef ATTNRT_CPU_ATTN_TUNING_HPP
#define ATTNRT_CPU_ATTN_TUNING_HPP
#include <cstdint>

namespace attnrt::cpu {

/// Query rows and keys of a tile of the portable kernel: its 4 x 8 register blocks fit the registers of SSE2.
constexpr int32_t kItemRows = 64, kTileKeys = 64;
/// Upper bounds of the panel kernels: query rows of an item, and keys of a tile.
constexpr int32_t kMaxItemRows = 264, kMaxTileKeys = 256;
/// The largest number of KV heads that one worker processes as one item.
constexpr int32_t kMaxItemHeads = 32;
/// Keys of a tile of the onednn variant.
constexpr int32_t kMatmulKeys = 128;
/// A long request may be split among workers at multiples of kSplitKeys keys and nowhere else. This determines result
/// bits: the partial results are merged in ascending order, whichever worker computed them.
constexpr int32_t kSplitKeys = 1024;
/// Head dimensions that are summed before they are added to an fp32 score, in panels and in portable tiles. This
/// determines result bits: several short sums have a smaller rounding error than one long sum.
constexpr int64_t kSumBlockDims = 64, kPortableSumBlockDims = 32;
/// The largest number of strips of one item that share the prefetching of the next tile. With more strips the matrix
/// products dominate, and no gain was measured (decision 0016: 8 requests of 4,096 keys, 6 to 32 rows per KV head).
constexpr int kMaxSlices = 12;
/// Whether an item with a single strip prefetches the next page into L1 instead of the next tile into L2. Decision
/// 0016: 0.91 to 0.98 of the time with AVX-512 for decode_b1_32768 and decode_b16_4096. Not measured with the bf16 dot
/// product.
constexpr bool prefetches_next_page(int lanes, bool has_bf16_dot) { return lanes == 16 && !has_bf16_dot; }

/// The instruction set that a kernel is compiled for. Both oneDNN variants share one value.
enum class Isa { portable, avx2, avx512, avx512_bf16, amx_bf16, onednn };

struct Tuning {
  /// An item with fewer than decode_rows rows is bound by memory, as decode is. An item with at least overlap_rows rows
  /// computes long enough to prefetch for a memory-bound one (decision 0012: mixed_paged, 0.82 to 0.91 of the time).
  int32_t decode_rows = 12, overlap_rows = 48;
  /// Factor by which prefetching runs ahead of a constant rate, because the steps of an item's first strip and steps of
  /// few columns prefetch nothing (decision 0012).
  float overlap_pace = 1.25f;

  /// The largest number of query rows per KV head that read keys and values in place, without packing; 0 = never.
  int32_t in_place_rows = 0;
  /// The same for HND, where the rows of a head are contiguous in a page, so that packing reads memory in order too.
  int32_t in_place_rows_hnd = 0;
  /// Bytes of keys, or of values, that are read in place for all KV heads of an item before the next slab begins: L2
  /// holds two slabs (decision 0016, tables of "nhd" and "hnd").
  int64_t slab_bytes = 64 << 10;

  /// The largest number of strips that each widen native 8-bit pages separately, with fp32 sums and with the bf16 dot
  /// product. With more strips, the page is widened once and shared (decision 0011).
  int32_t kv8_strips_fp32 = 3, kv8_strips_bf16 = 5;
  /// Whether native 16-bit tiles are widened to fp32 once for all rows. Faster on Intel Ice Lake (decision 0012:
  /// prefill_512 and mixed_paged in fp16 and bf16). On AMD Zen 4, widening in registers reaches the FMA rate that
  /// docs/performance/amd-zen4.md shows, and widening once was not measured.
  bool widens_once = false;
  /// Widening once is used above this number of strips, which share the prefetching (decision 0016).
  int32_t widen_strips = 11;

  /// Prefetch distance of the MLA latent cache, in keys: large enough to hide memory latency, small enough that
  /// little of a request's start is read without prefetching.
  int64_t latent_prefetch_keys = 32;

  /// The smallest number of requests, and of keys, for which a common prefix is attended once for all requests. Below,
  /// the second pass costs more than is saved by reading keys once, and a short prefix is in the cache anyway. Requests
  /// that read rows in place alone need a larger number, because they are packed when they are attended together.
  int32_t prefix_requests = 4, prefix_requests_in_place = 6, prefix_keys = 512;

  /// Target number of items per worker, so that workers finish at nearly the same time (decision 0014).
  int64_t items_per_worker = 4;
  /// The cost of reading or packing keys, in query rows that are multiplied with these keys.
  int64_t key_rows = 12;
};

/// The values for this processor; `intel`: its vendor is Intel. Decision 0016: rows are read in place up to 24 of NHD
/// (32 took 0.97 to 1.17 of packing's time in bf16 and fp16) and 12 of HND; with the bf16 dot product up to 12, the
/// number that one transposition of keys serves, since more was not measured. Others always pack. [thread-safe]
constexpr Tuning tuning_for(bool intel, Isa isa) {
  Tuning tuning;
  tuning.widens_once = intel;
  tuning.in_place_rows = isa == Isa::avx512 ? 24 : isa == Isa::avx512_bf16 ? 12 : 0;
  tuning.in_place_rows_hnd = tuning.in_place_rows > 0 ? 12 : 0;
  return tuning;
}

/// The largest number of query rows of an item. Panel kernels take enough rows to make packing or reading keys cheap,
/// and few enough that a tile stays in 1 MiB of cache; MLA takes all heads of a token where they fit, so that they
/// share one packed tile. `in_registers`: native pages of 16 bits or more, which each strip reads separately.
constexpr int32_t item_rows_for(Isa isa, int32_t head_size_qk, int32_t head_size_v, int32_t group, bool in_registers) {
  if (isa == Isa::portable) return kItemRows;
  if (isa == Isa::onednn || isa == Isa::amx_bf16) return 256;  // the largest product; eight strips of 32 rows
  if (head_size_qk + head_size_v <= 256) return in_registers ? 144 : 258;
  if (head_size_qk + head_size_v <= 512) return 144;
  return group >= 64 && group <= 128 ? group : 96;
}

/// Keys of a tile: fewer where rows are wide, so that the keys, values and scores of a tile fit the cache together.
/// `row_bytes`: size of one key and its value in the form that the matrix products read.
constexpr int32_t tile_keys_for(Isa isa, int64_t row_bytes) {
  if (isa == Isa::onednn) return kMatmulKeys;
  return row_bytes > 1024 ? kMaxTileKeys / 2 : kMaxTileKeys;
}

}  // namespace attnrt::cpu
#endif
