// SPDX-License-Identifier: Apache-2.0
//
// panel_attention.hpp: fused attention of one item over packed panels (data sheet)
//   ISA           that of the file which includes this: AVX2 + FMA + F16C, or AVX-512, with or without its bf16 dot or
//                 AMX
//   storage       fp32, fp16, bf16, and e4m3, e5m2, int8 with scales, which become bf16 for the bf16 dot, else fp32, in
//                 the registers of a few strips of rows, for more rows once a tile; sums in fp32. With the bf16 dot the
//                 probabilities are rounded to bf16, their sum too; the log-sum-exp takes them unrounded. Scales of
//                 rows multiply the columns of scores and of probabilities, the latter after they were summed
//   layouts       native pages are read in place; on processors of Intel those of fp16 and bf16, where the dot is
//                 fp32's, are widened once a tile for more than eleven strips. Rows (contiguous, NHD, HND) are packed
//                 tile by tile, for few queries under AVX-512 read in place (in_place_tile.hpp), then by all KV heads
//                 slab by slab, so that memory is read in its order: a head's own rows are short parts of pages; latent
//                 rows are keys in place, their values are packed (latent_source.hpp)
//   shapes        head sizes in multiples of 8, K and V of different width, any GQA group, any block size
//   masks         causal by request, window and its prefix, ranges, tree, dense, block-sparse: tiles that no row sees
//                 are skipped, columns at both ends of a strip too; a bias is added only in tiles with holes or
//                 numbers. A block-sparse problem has tiles of 64 keys, and rows in the order of their heads where
//                 heads differ
//   no number     hidden keys and values may be NaN or infinite: their scores are never looked at, and rows that values
//                 spoiled are attended again without them (non_finite.hpp)
//   cascade       rows of many requests attend the whole tiles of a common prefix together; each request's own item
//                 continues from the state that its rows have then, so that no bit depends on the hint
//   mixed         prefill over native pages prefetches what decode reads, which is attended between its strips
//                 (decode_overlap.hpp); other layouts one item after the other
//   positions     local keys of a context-parallel rank; the result then is a part for merge_states
//   tiles         rows of (query, head of the group) x tile_keys; register tile kTileRows x kTileVectors, or
//                 amx_tile.hpp
//   determinism   schedule-invariant: tiles stand at multiples of tile_keys and splits at multiples of kSplitKeys of
//                 every request; a row's probabilities depend on its own keys, hidden keys of a tile add exact zeros;
//                 splits fold in ascending order by one function, whoever computed them
//   algorithm     FlashAttention-2 (arXiv:2307.08691) with GQA heads folded into rows; splits of the keys as in
//                 Flash-Decoding, folded by the worker that finishes last
#ifndef ATTNRT_CPU_ATTN_PANEL_ATTENTION_HPP
#define ATTNRT_CPU_ATTN_PANEL_ATTENTION_HPP
#include <cstddef>
#include <cstdint>

#include "../simd/panel_fold.hpp"
#include "../simd/panel_tile.hpp"
#include "attention.hpp"
#include "in_place_rows.hpp"
#include "item_rows.hpp"
#include "latent_source.hpp"
#include "non_finite.hpp"
#include "panel_probabilities.hpp"
#include "panel_product.hpp"
#include "panel_scratch.hpp"
#include "panel_source.hpp"
#include "prefix_state.hpp"
#include "row_io.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

using cpu::AttentionCall;
using cpu::AttentionItem;
using cpu::AttentionShape;
using cpu::kSplitKeys;

/// S: keys and values as stored; Packed: the dot over packed rows; Direct: the dot over native pages. q is of any type
/// where the dots take fp32, else bf16.
template <class S, class Packed, class Direct>
class PanelAttention {
 public:
  using Overlap = DecodeOverlap<S, Packed, Direct>;

  /// `overlap`: what is attended between its strips, NULL = nothing. `wanted`: the rows whose results are written, NULL
  /// = all.
  PanelAttention(const AttentionCall& call, const AttentionItem& item, int32_t kv_head, const PanelScratch& scratch,
                 Overlap* overlap, Pass pass = Pass::kPlain, const bool* wanted = nullptr)
      : call_(call),
        shape_(call.shape),
        item_(item),
        kv_head_(kv_head),
        pass_(pass),
        wanted_(wanted),
        at_(scratch),
        own_(scratch.part),
        rows_(call, item, kv_head),
        memory_bound_(item.rows < call.shape.tuning.decode_rows),
        in_place_(pass == Pass::kPlain && InPlaceRows::use(call.shape, item)),
        source_(call, item, kv_head, at_, rows_.seen(), rows_.mask().mask().num_keys, last_key(), memory_bound_),
        products_(shape_, at_, rows_, source_, overlap, pass),
        in_place_rows_(call, item, kv_head, at_, last_key()),
        latent_(call, item.request, at_, last_key()),
        probabilities_(call, item, kv_head, at_, rows_, pass),
        prefix_(call, item, kv_head, width()) {
    load_queries();
    const KeySpan seen = item.slot < 0 ? rows_.seen() : rows_.reach();
    first_split_ = seen.begin / kSplitKeys;
    num_splits_ = (seen.end + kSplitKeys - 1) / kSplitKeys - first_split_;
    alone_ = item.slot < 0 && num_splits_ <= 1 && item.prefix_keys == 0;
    split_ = item.slot < 0 ? first_split_ : item.first_split;
    last_split_ = alone_ ? split_ + 1 : item.slot < 0 ? first_split_ + num_splits_ : item.last_split;
    if (item.slot < 0 && !alone_) prefix_.open_total(at_.total);
    if (split_ < last_split_) open_split();
  }

  /// Attends the next tile that its rows see; false where there is none: the rows are finished then. `prefetches`: what
  /// comes next, unless somebody has.
  bool advance(bool prefetches) {
    while (split_ < last_split_) {
      while (tile_ < split_keys_.end) {
        const int64_t tile = tile_;
        tile_ += shape_.tile_keys;
        const int64_t from = split_keys_.begin > tile ? split_keys_.begin : tile;
        const int64_t to = split_keys_.end < tile_ ? split_keys_.end : tile_;
        if (from >= to || !rows_.place(tile, at_.q)) continue;
        attend(tile, from, to, prefetches);
        return true;
      }
      if (item_.slot < 0 && !alone_) prefix_.add(at_.total, at_.part, split_);
      if (++split_ < last_split_) open_split();
    }
    close();
    return false;
  }

  /// The memory that the next tile reads, in native pages.
  int next_lines(LineRange* ranges) const {
    const int64_t from = tile_ > split_keys_.begin ? tile_ : split_keys_.begin, end = last_key();
    const int64_t to = tile_ + shape_.tile_keys < end ? tile_ + shape_.tile_keys : end;
    return split_ < last_split_ && from < to ? source_.find_lines(from, to, ranges) : 0;
  }
  static constexpr int kMaxRanges = PanelSource<S, Packed>::kMaxRanges;

 private:
  using Element = typename Packed::A;
  static_assert(std::is_same_v<Element, typename Direct::A> &&
                Packed::kRoundsProbabilities == Direct::kRoundsProbabilities);
  static constexpr bool kFine = sizeof(S) == 4, kTakesKv8 = PanelSource<S, Packed>::kTakesKv8;
  static constexpr bool kPrefetchesNextPage = cpu::prefetches_next_page(kLanes, kHasBf16Dot);

  int64_t width() const { return source_.packed().padded_v(); }

  /// Where this item or subitem ends.
  int64_t last_key() const {
    const int64_t end = rows_.seen().end, split = int64_t{item_.last_split} * kSplitKeys;
    return item_.slot < 0 || split > end ? end : split;
  }

  PanelRows partial(int64_t split, int64_t splits) const {
    const int64_t floats = panel_split_floats(shape_, rows_.count());
    const int64_t slot = int64_t{kv_head_ / item_.heads} * splits + split;
    return panel_rows(call_.partials + item_.slot + slot * floats, rows_.count());
  }

  int64_t token(int32_t row) const { return call_.batch->query_start_loc[item_.request] + rows_.query(row); }

  void load_queries() {
    auto* to = reinterpret_cast<Element*>(at_.q);
    for (int32_t row = 0; row < rows_.count(); ++row, to += shape_.head_size_qk)
      load_query(call_, token(row), rows_.head(row), to);
    if (shape_.latent) latent_.pack_queries(item_.rows);
  }

  void open_split() {
    at_.part = item_.slot < 0 ? own_ : partial(split_ - first_split_, num_splits_);
    prefix_.open_part(at_.part, split_);
    const KeySpan seen = rows_.seen();
    const int64_t begin = split_ * kSplitKeys, end = begin + kSplitKeys;
    split_keys_ = {seen.begin > begin ? seen.begin : begin, seen.end < end ? seen.end : end};
    tile_ = split_keys_.begin / shape_.tile_keys * shape_.tile_keys;
  }

  void close() {
    if (item_.slot < 0) return finish(alone_ ? at_.part : at_.total);
    at_.part = own_;
    int32_t* counter = call_.counters + int64_t{item_.split_group} * shape_.num_kv_heads + kv_head_;
    if (__atomic_add_fetch(counter, 1, __ATOMIC_ACQ_REL) != item_.num_subitems) return;
    __atomic_store_n(counter, 0, __ATOMIC_RELAXED);
    prefix_.open_total(at_.total);
    for (int64_t split = 0; split < num_splits_; ++split)
      prefix_.add(at_.total, partial(split, num_splits_), first_split_ + split);
    finish(at_.total);
  }

  void attend(int64_t tile, int64_t from, int64_t to, bool prefetches) {
    if (shape_.latent) {
      latent_.find(tile, from, to);
      attend_latent(tile);
    } else if (in_place_ && shape_.kv_8bit) {
      if constexpr (kTakesKv8)
        with_kv8_type(shape_.kv_dtype, [&](auto type) { attend_in_place<decltype(type)>(tile, from, to); });
    } else if (in_place_) {
      attend_in_place<S>(tile, from, to);
    } else if (!shape_.native) {
      source_.pack_rows(tile, from, to);
      if (memory_bound_)
        attend_tile<Packed, Prefetch::kBursts>(tile, source_.packed());
      else
        attend_tile<Packed, Prefetch::kNone>(tile, source_.packed());
    } else if (shape_.kv_8bit) {
      attend_kv8(tile, from, to, prefetches);
    } else {
      attend_pages(tile, from, to, prefetches);
    }
  }

  void attend_pages(int64_t tile, int64_t from, int64_t to, bool prefetches) {
    if constexpr (PanelSource<S, Packed>::kWidens)
      if (shape_.widens && (products_.overlaps_decode() || rows_.num_strips() > shape_.tuning.widen_strips)) {
        source_.widen_pages(tile, from, to);
        return attend_tile<Packed, Prefetch::kNone>(tile, source_.packed());
      }
    if constexpr (kPrefetchesNextPage)
      if (prefetches && rows_.num_strips() == 1 && shape_.block_size == kPanelWidth)
        return attend_native<Direct, Prefetch::kNextPage>(tile, from, to);
    if (prefetches)
      attend_native<Direct, Prefetch::kNextTile>(tile, from, to);
    else
      attend_native<Direct, Prefetch::kNone>(tile, from, to);
  }

  /// Pages of 8 bits: few rows widen them in registers where a dot does, one expansion serves more.
  void attend_kv8(int64_t tile, int64_t from, int64_t to, bool prefetches) {
    if (shape_.row_scales) source_.find_scales(tile, from, to);
    if constexpr (kTakesKv8)
      if (rows_.num_strips() <= (Packed::kPair == 2 ? shape_.tuning.kv8_strips_bf16 : shape_.tuning.kv8_strips_fp32))
        return with_kv8_type(shape_.kv_dtype, [&](auto type) {
          if (prefetches)
            attend_native<DotKv8<decltype(type), Packed>, Prefetch::kNextTile>(tile, from, to);
          else
            attend_native<DotKv8<decltype(type), Packed>, Prefetch::kNone>(tile, from, to);
        });
    source_.expand_pages(tile, from, to);
    attend_tile<Packed, Prefetch::kNone>(tile, source_.packed());
  }

  template <class D, Prefetch Mode>
  void attend_native(int64_t tile, int64_t from, int64_t to) {
    source_.template find_pages<Mode>(tile, from, to);
    attend_tile<D, Mode>(tile, shape_.panels);
  }

  template <class D, Prefetch Mode>
  void attend_tile(int64_t tile, const PanelLayout& layout) {
    products_.template score<D, Mode>(layout);
    probabilities_.place(tile);
    for (int i = 0; i < rows_.num_strips(); ++i)
      probabilities_.make_probabilities(tile, rows_.strip(i), kStepColumns<D>);
    for (int64_t panel = 0; panel < layout.value_panels(); ++panel)
      products_.template add_values<D, Mode>(panel, layout.value_step(panel), layout.panel_dims(panel),
                                             [&](int64_t begin, int64_t end, ValueSegment* segments) {
                                               return source_.template find_segments<D, Mode>(layout, panel, begin, end,
                                                                                              segments);
                                             });
  }

  void attend_latent(int64_t tile) {
    latent_.score(rows_, kFine ? cpu::kSumBlockDims : kLatentQk);
    probabilities_.place(tile);
    for (int i = 0; i < rows_.num_strips(); ++i)
      probabilities_.make_probabilities(tile, rows_.strip(i), kStepColumns<Packed>);
    for (int64_t panel = 0; panel < kLatentV / kPanelWidth; ++panel) {
      latent_.open_panel(panel);
      products_.template add_values<Packed, Prefetch::kNone>(panel, latent_.value_step(), kPanelWidth,
                                                             [&](int64_t begin, int64_t end, ValueSegment* segments) {
                                                               return latent_.find_segments(begin, end, segments);
                                                             });
    }
  }

  /// Rows in place; Stored: their type.
  template <class Stored>
  void attend_in_place([[maybe_unused]] int64_t tile, [[maybe_unused]] int64_t from, [[maybe_unused]] int64_t to) {
#if defined(ATTNRT_KERNEL_AVX512) && !defined(ATTNRT_KERNEL_AMX)
    in_place_rows_.find(tile, from, to);
    probabilities_.place(tile);
    in_place_rows_.template score<Stored, Packed>(rows_, kFine ? cpu::kSumBlockDims : shape_.head_size_qk);
    for (int i = 0, head = -1; i < rows_.num_strips(); ++i) {
      const Strip& strip = rows_.strip(i);
      if (shape_.row_scales && strip.kv_head != head) in_place_rows_.find_scales(head = strip.kv_head);
      probabilities_.make_probabilities(tile, strip, kInPlaceStep<Stored, Packed>);
    }
    in_place_rows_.template add_values<Stored, Packed>(rows_, at_.part.acc, width());
#endif
  }

  void finish(const PanelRows& rows) {
    if (item_.is_prefix()) return prefix_.leave(rows, false);
    const bool has_sink = call_.sinks.data;
    const Vec back = broadcast(pass_ == Pass::kScaled && !shape_.row_scales ? SmallProbabilities::kBack : 1.0f);
    bool again[cpu::kMaxItemRows], any = false;
    for (int32_t row = 0; row < rows_.count(); ++row) {
      again[row] = false;
      if (wanted_ && !wanted_[row]) continue;
      const int64_t t = token(row), h = rows_.head(row);
      const PanelRowEnd end = finish_row<Packed::kRoundsProbabilities>(rows, row, call_.lse.data, has_sink,
                                                                       has_sink ? sink_of(call_, h) : kHidden);
      const float value = scale_of(call_.v_scale, item_.request, h / shape_.group);
      const Vec factor = broadcast(end.factor * value), sum = broadcast(end.sum);
      const Vec both = broadcast(end.factor * value / end.sum);
      const float* acc = rows.acc + row * width();
      write_row(shape_.q_dtype, acc, call_.out.data, t * call_.out.stride[0] + h * call_.out.stride[1],
                shape_.head_size_v, [&](Vec x) { return (kFine ? x * factor / sum : x * both) * back; });
      if (call_.lse.data)
        static_cast<float*>(call_.lse.data)[t * call_.lse.stride[0] + h * call_.lse.stride[1]] = end.lse;
      again[row] = pass_ != Pass::kScaled && end.sum == end.sum && !is_finite(acc, shape_.head_size_v);
      any = any || again[row];
    }
    if (any) attend_again(again);
  }

  /// The next pass for rows of this item, all keys of it. Rows read in place are attended for several KV heads
  /// together; the passes that follow pack them, a KV head at a time.
  [[gnu::noinline]] void attend_again(const bool* rows) {
    for (int32_t head = 0; head < item_.heads; ++head, rows += item_.rows) {
      bool any = false;
      for (int32_t row = 0; row < item_.rows; ++row) any = any || rows[row];
      if (!any) continue;
      AttentionItem item = item_;
      item.slot = -1;
      item.prefix_keys = 0;
      item.heads = 1;
      PanelScratch scratch = at_;
      scratch.part = own_;
      PanelAttention next(call_, item, kv_head_ + head, scratch, nullptr,
                          pass_ == Pass::kPlain ? Pass::kExact : Pass::kScaled, rows);
      while (next.advance(false)) {
      }
    }
  }

  const AttentionCall& call_;
  const AttentionShape& shape_;
  const AttentionItem& item_;
  const int32_t kv_head_;
  const Pass pass_;
  const bool* const wanted_;
  PanelScratch at_;
  const PanelRows own_;
  ItemRows rows_;
  const bool memory_bound_;
  const bool in_place_;  ///< so few rows that packing does not pay
  PanelSource<S, Packed> source_;
  const PanelProducts<S, Packed, Direct> products_;
  InPlaceRows in_place_rows_;
  LatentSource<S, Packed> latent_;
  PanelProbabilities<S, Packed> probabilities_;
  const PrefixState prefix_;
  int64_t first_split_, num_splits_;  ///< of all its keys
  int64_t split_, last_split_;        ///< of this item or subitem
  bool alone_;                        ///< one split is all there is
  KeySpan split_keys_{0, 0};          ///< that are seen of a split
  int64_t tile_ = 0;                  ///< the next one
};

template <class S, class Packed, class Direct>
void attend_panels(const AttentionCall& call, const AttentionItem& item, int32_t kv_head, std::byte* scratch) {
  PanelAttention<S, Packed, Direct> attention(call, item, kv_head, PanelScratch(scratch, call.shape), nullptr);
  while (attention.advance(true)) {
  }
}

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
