// SPDX-License-Identifier: Apache-2.0
//
// tuning.hpp: every number here that was chosen because it was fastest, with the case that measured it. Those of
// `Tuning` are chosen once, when an op is created, for the maker of the processor and the instruction set; no result
// depends on one of them. Those that size arrays or decide the order of a sum are constants of the build.
#ifndef ATTNRT_CPU_ATTN_TUNING_HPP
#define ATTNRT_CPU_ATTN_TUNING_HPP
#include <cstdint>

namespace attnrt::cpu {

/// Query rows and keys of a tile of the portable kernel, for which four rows by eight columns fit the registers of SSE2.
constexpr int32_t kItemRows = 64, kTileKeys = 64;
/// Bounds of the panel kernels' items and tiles.
constexpr int32_t kMaxItemRows = 264, kMaxTileKeys = 256;
/// KV heads that one worker attends together, at most.
constexpr int32_t kMaxItemHeads = 32;
/// Keys of a tile of the onednn variant.
constexpr int32_t kMatmulKeys = 128;
/// Where a long request may be split among workers: at 0, kSplitKeys, 2 kSplitKeys of its keys, and nowhere else. Part
/// of the bits: splits are folded in this order whoever computed them.
constexpr int32_t kSplitKeys = 1024;
/// Dims that fp32 scores sum at a time, in panels and in portable tiles. Part of the bits: short sums err less than one
/// long one.
constexpr int64_t kSumBlockDims = 64, kPortableSumBlockDims = 32;
/// Strips of one item that divide the prefetching of the next tile among them. With more, products take most of the
/// time; more were not measured to gain (decision 0016: 8 requests of 4,096 keys, 6 to 32 rows a KV head).
constexpr int kMaxSlices = 12;
/// Does a lone strip prefetch the next page into the first cache, in the place of the next tile into the second?
/// Decision 0016: 0.91 to 0.98 of the time with AVX-512, decode_b1_32768 and decode_b16_4096. With the bf16 dot it was not
/// tried.
constexpr bool prefetches_next_page(int lanes, bool has_bf16_dot) { return lanes == 16 && !has_bf16_dot; }

/// The kernels of one instruction set; the two of oneDNN are one.
enum class Isa { portable, avx2, avx512, avx512_bf16, amx_bf16, onednn };

struct Tuning {
  /// An item with fewer rows waits for memory, as decode does; one with at least overlap_rows computes long enough to
  /// prefetch for such an item (decision 0012: mixed_paged, 0.82 to 0.91 of the time).
  int32_t decode_rows = 12, overlap_rows = 48;
  /// How much faster than an even pace it prefetches: some steps prefetch nothing, those of an item's first strip and of
  /// few columns (decision 0012).
  float overlap_pace = 1.25f;

  /// The most rows of a KV head that read keys and values in place, without packing; 0 = none.
  int32_t in_place_rows = 0;
  /// The same where a head's rows follow each other in a page (HND): there packing reads in the order of memory too.
  int32_t in_place_rows_hnd = 0;
  /// Bytes of keys, or of values, of all of an item's KV heads that are read in place before the next: the second cache
  /// holds them twice (decision 0016, tables of "nhd" and "hnd").
  int64_t slab_bytes = 64 << 10;

  /// The most strips that widen native pages of 8 bits each for itself, with fp32 sums and with the bf16 dot; above,
  /// one expansion serves all (decision 0011).
  int32_t kv8_strips_fp32 = 3, kv8_strips_bf16 = 5;
  /// Are native tiles of 16 bits widened to fp32 once for all rows? Faster on Intel's Ice Lake (decision 0012: prefill_512
  /// and mixed_paged in fp16 and bf16). On AMD's Zen 4 tiles that widen in registers reach the FMA rate that
  /// docs/performance/amd-zen4.md shows, and this was not tried.
  bool widens_once = false;
  /// It pays above so many strips, which divide the prefetching among them (decision 0016).
  int32_t widen_strips = 11;

  /// Keys between a latent key in use and the one that is prefetched: enough to hide memory, few enough that a request
  /// starts at once.
  int64_t latent_prefetch_keys = 32;

  /// From so many requests and keys on a common prefix is attended together. Fewer were slower: what two requests save
  /// of reading keys, the second pass takes back, and a short prefix is in the processor's cache anyway. More requests
  /// where each alone would read rows in place, because together they are packed.
  int32_t prefix_requests = 4, prefix_requests_in_place = 6, prefix_keys = 512;

  /// Items that each worker should find, so that none waits long for another at the end (decision 0014).
  int64_t items_per_worker = 4;
  /// Reading or packing keys costs about as much as so many rows against them.
  int64_t key_rows = 12;
};

/// For the processor that this runs on, whose maker is `intel` or another. Decision 0016: in place up to 24 rows of NHD
/// (32 rows took 0.97 to 1.17 of packing's time in bf16 and fp16), up to 12 of HND; with the bf16 dot 12, as many as one
/// transposition of keys serves, since more was not measured. Elsewhere no tiles read in place. [thread-safe]
constexpr Tuning tuning_for(bool intel, Isa isa) {
  Tuning tuning;
  tuning.widens_once = intel;
  tuning.in_place_rows = isa == Isa::avx512 ? 24 : isa == Isa::avx512_bf16 ? 12 : 0;
  tuning.in_place_rows_hnd = tuning.in_place_rows > 0 ? 12 : 0;
  return tuning;
}

/// Most query rows of an item. Of panel kernels: enough that packing or reading keys is cheap beside them, few enough
/// that a tile stays in a megabyte of cache; of MLA all heads together, where they fit, for which one packed tile serves
/// them all. `in_registers`: native pages of 16 bits or more that each strip reads for itself.
constexpr int32_t item_rows_for(Isa isa, int32_t head_size_qk, int32_t head_size_v, int32_t group, bool in_registers) {
  if (isa == Isa::portable) return kItemRows;
  if (isa == Isa::onednn || isa == Isa::amx_bf16) return 256;  // the largest product; eight strips of 32 rows
  if (head_size_qk + head_size_v <= 256) return in_registers ? 144 : 258;
  if (head_size_qk + head_size_v <= 512) return 144;
  return group >= 64 && group <= 128 ? group : 96;
}

/// Keys of a tile: fewer where rows are wide, so that keys, values and scores of a tile stay in the cache together.
/// `row_bytes`: of a key and its value as the products read them.
constexpr int32_t tile_keys_for(Isa isa, int64_t row_bytes) {
  if (isa == Isa::onednn) return kMatmulKeys;
  return row_bytes > 1024 ? kMaxTileKeys / 2 : kMaxTileKeys;
}

}  // namespace attnrt::cpu
#endif
