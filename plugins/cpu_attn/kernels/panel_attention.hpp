// SPDX-License-Identifier: Apache-2.0
//
// panel_attention.hpp: fused attention of one item over packed panels (data sheet)
//   ISA           that of the file which includes this: AVX2 + FMA + F16C, or AVX-512, with or without its bf16 dot
//   storage       fp32, fp16, bf16; sums in fp32. With the bf16 dot the weights of the values are rounded to bf16, their sum
//                 too; the log-sum-exp takes them as they were
//   layouts       native pages are read as they lie; rows (contiguous, NHD, HND, MLA latent) are packed tile by tile
//   shapes        head sizes in multiples of 8, K and V of different width, any GQA group, any block size
//   tiles         rows of (query, head of the group) x tile_keys; register tile kTileRows x kTileVectors
//   determinism   schedule-invariant: tiles stand at multiples of tile_keys and splits at multiples of kSplitKeys of every
//                 request; a row's weights depend on its own keys, hidden keys inside a tile add exact zeros; splits fold
//                 in ascending order by one function, whoever computed them
//   algorithm     FlashAttention-2 (arXiv:2307.08691) with GQA heads folded into rows; splits of the keys as in
//                 Flash-Decoding, folded by the worker that finishes last
#ifndef ATTNRT_CPU_ATTN_PANEL_ATTENTION_HPP
#define ATTNRT_CPU_ATTN_PANEL_ATTENTION_HPP
#include <cstddef>
#include <cstdint>

#include "../../kernel/kv_walk.hpp"
#include "../../kernel/mask.hpp"
#include "../../kernel/panel_fold.hpp"
#include "../../kernel/panel_pack.hpp"
#include "../../kernel/panel_softmax.hpp"
#include "../../kernel/panel_tile.hpp"
#include "attention.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

using cpu::AttentionCall;
using cpu::AttentionItem;
using cpu::AttentionShape;
using cpu::kMaxItemRows;
using cpu::kMaxTileKeys;
using cpu::kSplitKeys;

/// The page that rows are packed into: one tile of keys.
inline PanelLayout tile_layout(const AttentionShape& shape, int64_t bytes, int64_t pair) {
  return {shape.tile_keys, shape.head_size_qk, shape.head_size_v, bytes, pair};
}

/// One worker's scratch, cut out of the bytes that the plan was given.
struct PanelScratch {
  float *q, *scores, *factors;
  PanelRows part, total;
  char *page, *tail;
  float* zero;  ///< a row of keys or values
  int64_t floats = 0;

  PanelScratch(std::byte* memory, const AttentionShape& shape) {
    const auto take = [&](int64_t count) {
      const int64_t at = floats;
      floats += (count + 15) / 16 * 16;
      return memory ? reinterpret_cast<float*>(memory) + at : nullptr;
    };
    const PanelLayout tile = tile_layout(shape, 4, 1);
    const int64_t rows = shape.item_rows;
    q = take(rows * shape.head_size_qk);
    scores = take(rows * shape.tile_keys);
    factors = take(rows);
    part = panel_rows(take(panel_rows_floats(rows, tile.padded_v())), rows);
    total = panel_rows(take(panel_rows_floats(rows, tile.padded_v())), rows);
    page = reinterpret_cast<char*>(take(tile.head_bytes() / 4));
    tail = reinterpret_cast<char*>(take(tile.padded_v()));
    zero = take(shape.head_size_qk > shape.head_size_v ? shape.head_size_qk : shape.head_size_v);
  }
};

inline std::size_t panel_scratch_bytes(const AttentionShape& shape) {
  return static_cast<std::size_t>(PanelScratch(nullptr, shape).floats) * sizeof(float);
}
inline int64_t panel_split_floats(const AttentionShape& shape, int64_t rows) {
  return (panel_rows_floats(rows, tile_layout(shape, 4, 1).padded_v()) + 15) / 16 * 16;
}

/// T: as stored; Packed: the dot over packed rows; Direct: the dot over native pages.
template <class T, class Packed, class Direct>
class PanelAttention {
 public:
  PanelAttention(const AttentionCall& call, const AttentionItem& item, int32_t kv_head, std::byte* scratch)
      : call_(call),
        shape_(call.shape),
        item_(item),
        kv_head_(kv_head),
        packed_(tile_layout(call.shape, Packed::kBytes, Packed::kPair)),
        at_(scratch, call.shape) {
    const attnrt_batch& b = *call.batch;
    const int32_t r = item.request;
    first_token_ = b.query_start_loc[r];
    const int64_t queries = b.query_start_loc[r + 1] - first_token_;
    const bool paged = shape_.block_size > 0;
    mask_.num_keys = b.kv_lens ? b.kv_lens[r] : paged ? b.seq_lens[r] : b.kv_start_loc[r + 1] - b.kv_start_loc[r];
    mask_.first_position = b.seq_lens[r] - queries;
    mask_.window_left = shape_.window_left;
    mask_.window_right = shape_.window_right;
    mask_.causal =
        shape_.causal == ATTNRT_CAUSAL_PER_REQUEST ? b.causal[r] != 0 : shape_.causal == ATTNRT_CAUSAL_ALWAYS;
    int32_t query_at = static_cast<int32_t>(item.first_row / shape_.group);
    int32_t head_at = static_cast<int32_t>(item.first_row % shape_.group);
    for (int32_t row = 0; row < item.rows; ++row) {
      query_[row] = query_at;
      head_[row] = kv_head * shape_.group + head_at;
      if (++head_at == shape_.group) ++query_at, head_at = 0;
    }
    seen_ = {mask_.span(query(0)).begin, mask_.span(query(item.rows - 1)).end};
    if (shape_.native) {
      blocks_ = b.block_table + r * b.block_table_stride;
    } else {
      keys_ = walk(call.k);
      values_ = walk(call.v);
      const int64_t widest = shape_.head_size_qk > shape_.head_size_v ? shape_.head_size_qk : shape_.head_size_v;
      std::memset(at_.zero, 0, static_cast<std::size_t>(widest) * sizeof(float));
    }
    last_key_ = item.slot < 0 || int64_t{item.last_split} * kSplitKeys > seen_.end ? seen_.end
                                                                                 : int64_t{item.last_split} * kSplitKeys;
    scale_ = call.scale;
    mapped_ = shape_.softcap > 0.0f || call.alibi_slopes.data || !(scale_ > 0.0f && scale_ < 1e4f);
    const int strips = (item.rows + kTileRows - 1) / kTileRows;
    for (int i = 0, row = 0; i < strips; ++i) {
      strips_[i].row = row;
      strips_[i].rows = item.rows / strips + (i < item.rows % strips ? 1 : 0);
      row += strips_[i].rows;
    }
    num_strips_ = strips;
  }

  void run() {
    load_queries();
    const int64_t first = seen_.begin / kSplitKeys, last = (seen_.end + kSplitKeys - 1) / kSplitKeys;
    if (item_.slot < 0) {
      if (last - first <= 1) {
        attend_split(first);
        return finish(at_.part);
      }
      clear_rows(at_.total, item_.rows, width());
      for (int64_t split = first; split < last; ++split) {
        attend_split(split);
        fold_rows(at_.total, at_.part, item_.rows, width());
      }
      return finish(at_.total);
    }
    const PanelRows own = at_.part;
    for (int64_t split = item_.first_split; split < item_.last_split; ++split) {
      at_.part = partial(split - first, last - first);
      attend_split(split);
    }
    at_.part = own;
    int32_t* counter = call_.counters + int64_t{item_.group} * shape_.num_kv_heads + kv_head_;
    if (__atomic_add_fetch(counter, 1, __ATOMIC_ACQ_REL) != item_.pieces) return;
    __atomic_store_n(counter, 0, __ATOMIC_RELAXED);
    clear_rows(at_.total, item_.rows, width());
    for (int64_t split = first; split < last; ++split)
      fold_rows(at_.total, partial(split - first, last - first), item_.rows, width());
    finish(at_.total);
  }

 private:
  static constexpr int kDegree = sizeof(T) == 4 ? 5 : 4;
  /// Below this many rows keys and values come from memory as fast as they are used: packing asks a tile ahead. Pages are
  /// asked for ahead by the first strip whatever the rows: it finds them in the cache, and so do the others.
  static constexpr int kStreamRows = 2 * kTileRows;
  /// Dims that fp32 scores sum at a time: short sums err less than one long one.
  static constexpr int64_t kPieceSteps = 32;
  static constexpr int64_t kMaxPieces = 2 * kMaxTileKeys;
  static_assert(sizeof(typename Packed::A) == sizeof(typename Direct::A));
  using Element = typename Packed::A;

  struct Strip {
    int row, rows;
    int64_t begin, end;  ///< columns of the tile that its rows see; begin a multiple of kGranule
  };
  /// Tokens of a tile that lie in one page.
  struct Segment {
    const char* page;
    const char* ahead;  ///< keys of the next tile, NULL = none
    int64_t token;      ///< in the page
    int64_t column, end;
  };

  int64_t width() const { return packed_.padded_v(); }
  int64_t query(int32_t row) const { return query_[row]; }
  int64_t head(int32_t row) const { return head_[row]; }

  PanelRows partial(int64_t split, int64_t splits) const {
    const int64_t floats = panel_split_floats(shape_, item_.rows);
    const int64_t slot = int64_t{kv_head_} * splits + split;
    return panel_rows(call_.partials + item_.slot + slot * floats, item_.rows);
  }

  KvWalk<T> walk(const cpu::View& view) const {
    const attnrt_batch& b = *call_.batch;
    const T* base = static_cast<const T*>(view.data) + kv_head_ * view.stride[2];
    if (shape_.block_size > 0)
      return {base, b.block_table + item_.request * b.block_table_stride, view.stride[0], view.stride[1],
              shape_.block_size};
    return {base + b.kv_start_loc[item_.request] * view.stride[1], nullptr, 0, view.stride[1], 1};
  }

  void load_queries() {
    auto* to = reinterpret_cast<Element*>(at_.q);
    const int64_t n = shape_.head_size_qk;
    for (int32_t row = 0; row < item_.rows; ++row, to += n) {
      const T* from = static_cast<const T*>(call_.q.data) + (first_token_ + query(row)) * call_.q.stride[0] +
                      head(row) * call_.q.stride[1];
      if constexpr (sizeof(Element) == sizeof(T))
        std::memcpy(static_cast<void*>(to), from, static_cast<std::size_t>(n) * sizeof(T));
      else
        widen_row(from, to, n);
    }
  }

  void attend_split(int64_t split) {
    clear_rows(at_.part, item_.rows, width());
    const int64_t begin = seen_.begin > split * kSplitKeys ? seen_.begin : split * kSplitKeys;
    const int64_t end = seen_.end < (split + 1) * kSplitKeys ? seen_.end : (split + 1) * kSplitKeys;
    for (int64_t tile = begin / shape_.tile_keys * shape_.tile_keys; tile < end; tile += shape_.tile_keys) {
      const int64_t from = begin > tile ? begin : tile, to = end < tile + shape_.tile_keys ? end : tile + shape_.tile_keys;
      if (from >= to || !place_rows(tile)) continue;
      if (!shape_.native) {
        pack_rows(tile, from, to);
        if (item_.rows < kStreamRows)
          attend_tile<Packed, Ahead::kPieces>(tile, packed_);
        else
          attend_tile<Packed, Ahead::kNothing>(tile, packed_);
      } else {
        find_pages(tile, from, to);
        attend_tile<Direct, Ahead::kStream>(tile, shape_.panels);
      }
    }
  }

  /// What each row sees of a tile; false where none sees anything.
  bool place_rows(int64_t tile) {
    bool any = false;
    int64_t last_query = -1;
    int32_t b = 0, e = 0;
    for (int i = 0; i < num_strips_; ++i) {
      Strip& strip = strips_[i];
      int64_t low = shape_.tile_keys, high = 0;
      for (int row = strip.row; row < strip.row + strip.rows; ++row) {
        if (const int64_t q = query(row); q != last_query) {
          const KeySpan s = mask_.span(q);
          b = clamp(s.begin - tile);
          e = clamp(s.end - tile);
          last_query = q;
        }
        begin_[row] = b;
        end_[row] = e;
        if (b >= e) continue;
        low = b < low ? b : low;
        high = e > high ? e : high;
      }
      strip.begin = low / kGranule * kGranule;
      strip.end = high;
      any = any || low < high;
    }
    return any;
  }
  int32_t clamp(int64_t column) const {
    return column < 0 ? 0 : static_cast<int32_t>(column < shape_.tile_keys ? column : shape_.tile_keys);
  }

  /// Keys [from, to) of a tile out of their rows, into the scratch page. The granule's other tokens are zeros.
  void pack_rows(int64_t tile, int64_t from, int64_t to) {
    const int64_t first = (from - tile) / kGranule * kGranule, end = to - tile;
    const int64_t last = (end + kGranule - 1) / kGranule * kGranule;
    const int64_t ahead = to + kGranule < seen_.end ? to + kGranule : seen_.end;  // the next tile begins with these
    const T* keys[kMaxTileKeys + kGranule];
    const T* values[kMaxTileKeys + kGranule];
    const T* zero = reinterpret_cast<const T*>(at_.zero);
    for (int64_t c = first; c < from - tile; ++c) keys[c] = values[c] = zero;
    keys_.rows(from, ahead, keys + (from - tile));
    values_.rows(from, ahead, values + (from - tile));
    const int64_t words = shape_.head_size_qk / Packed::kPair, known = ahead - tile;
    for (int64_t c = known; c < last; ++c) keys[c] = values[c] = zero;
    const T* later[kMaxTileKeys];
    const int64_t num_later = find_later(tile, later);
    const bool cold = tile / shape_.tile_keys != last_tile_ + 1 || item_.rows >= kStreamRows;
    last_tile_ = tile / shape_.tile_keys;
    const auto rest = [](int64_t n) { return n < 0 ? 0 : n < kGranule ? n : kGranule; };
    for (int64_t c = first; c < end; c += kGranule) {
      const int64_t next = c + kGranule, near = cold ? rest(known - next) : 0;
      key_at_[c / kGranule] = at_.page + packed_.key_at(c);
      pack_keys<Packed::kPair>(keys + c, words, at_.page + packed_.key_at(c), packed_.key_step(),
                               PackAhead<T>{keys + next, later + c, near, rest(num_later - c),
                                            row_bytes(shape_.head_size_qk)});
      pack_values<Packed::kPair>(values + c, c, packed_, at_.page,
                                 PackAhead<T>{values + next, nullptr, near, 0, row_bytes(shape_.head_size_v)});
    }
    segments_[0] = {at_.page, nullptr, first, first, end};
    num_segments_ = 1;
    has_tail_ = false;
  }

  /// Few rows leave time for the next tile to come from memory: its keys while this one is packed (they are returned), its
  /// values while scores are computed.
  int64_t find_later(int64_t tile, const T** keys) {
    num_pieces_ = 0;
    if (item_.rows >= kStreamRows) return 0;
    const int64_t from = tile + shape_.tile_keys;
    const int64_t to = from + shape_.tile_keys < last_key_ ? from + shape_.tile_keys : last_key_;
    if (from >= to) return 0;
    keys_.rows(from, to, keys);
    if (keys_.base == values_.base) return to - from;  // MLA: values are part of the keys
    const T* values[kMaxTileKeys];
    values_.rows(from, to, values);
    for (int64_t i = 0; i < to - from; ++i)
      for (int64_t at = 0; at < row_bytes(shape_.head_size_v) && num_pieces_ < kMaxPieces; at += kPieceBytes)
        pieces_[num_pieces_++] = reinterpret_cast<const char*>(values[i]) + at;
    return to - from;
  }
  static int64_t row_bytes(int64_t size) { return size * static_cast<int64_t>(sizeof(T)); }

  const char* page_of(int64_t token) const {
    return static_cast<const char*>(call_.k.data) + blocks_[token / shape_.block_size] * call_.k.stride[0] +
           kv_head_ * shape_.panels.head_bytes();
  }

  /// Where the keys [from, to) of a tile lie. The last step of values may hold one token that is no key: it is copied
  /// without it.
  void find_pages(int64_t tile, int64_t from, int64_t to) {
    const PanelLayout& layout = shape_.panels;
    const int64_t size = shape_.block_size, first = from / kGranule * kGranule;
    num_segments_ = 0;
    for (int64_t token = first; token < to;) {
      const int64_t slot = token % size;
      int64_t end = token + size - slot;
      if (end > to) end = to;
      const char* page = page_of(token);
      for (int64_t t = token; t < end; t += kGranule) {
        const int64_t s = slot + t - token;
        key_at_[(t - tile) / kGranule] = page + layout.key_at(s);
        const int64_t panel = s / layout.key_width() * layout.key_width();
        fetch_at_[(t - tile) / kGranule] = page + layout.key_bytes() + panel * layout.padded_v() * layout.bytes +
                                           s % layout.key_width() * layout.pair * layout.bytes;
      }
      const int64_t next = token + shape_.tile_keys;
      const char* ahead = next < mask_.num_keys ? page_of(next) + layout.key_at(next % size) : nullptr;
      segments_[num_segments_++] = {page, ahead, slot, token - tile, end - tile};
      token = end;
    }
    has_tail_ = layout.pair == 2 && to == mask_.num_keys && to % 2 != 0;
    if (!has_tail_) return;
    Segment& last = segments_[num_segments_ - 1];
    const int64_t token = last.token + last.end - last.column - 1;
    for (int64_t panel = 0; panel < layout.value_panels(); ++panel) {
      const char* step = last.page + layout.value_at(token, panel);
      for (int64_t at = 0; at < layout.value_step(panel); at += static_cast<int64_t>(sizeof(Vec))) {
        const Vec even = from_bits(bits_of(load_vec(step + at)) & 0xffff);
        std::memcpy(at_.tail + panel * kPanelWidth * 4 + at, &even, sizeof even);
      }
    }
  }

  template <class D, Ahead Mode>
  void attend_tile(int64_t tile, const PanelLayout& layout) {
    score<D, Mode>(layout);
    for (int i = 0; i < num_strips_; ++i) weigh<D>(tile, strips_[i]);
    for (int64_t panel = 0; panel < layout.value_panels(); ++panel) add_values<D, Mode>(layout, panel);
  }

  template <class D, Ahead Mode>
  void score(const PanelLayout& layout) {
    ScoreOperands<D> t;
    t.lda = layout.head_size_qk;
    t.step_bytes = layout.key_step();
    t.steps = layout.head_size_qk / D::kPair;
    t.piece = sizeof(T) == 4 ? kPieceSteps : t.steps;
    t.ldc = shape_.tile_keys;
    t.pieces = nullptr;
    t.num_pieces = 0;
    [[maybe_unused]] int64_t next_piece = 0;
    for (int64_t column = 0; column < shape_.tile_keys; column += kTileColumns)
      for (int i = 0; i < num_strips_; ++i) {
        const Strip& strip = strips_[i];
        const int64_t high = (strip.end + kGranule - 1) / kGranule * kGranule;
        const int64_t from = strip.begin > column ? strip.begin : column;
        const int64_t to = high < column + kTileColumns ? high : column + kTileColumns;
        if (from >= to) continue;
        t.a = reinterpret_cast<const Element*>(at_.q) + strip.row * layout.head_size_qk;
        t.c = at_.scores + strip.row * shape_.tile_keys + from;
        for (int64_t c = from, j = 0; c < to; c += kLanes, ++j) {
          t.b[j] = key_at_[c / kGranule] + c % kGranule * D::kPair * D::kBytes;
          t.ahead[j] = Mode == Ahead::kStream ? fetch_at_[c / kGranule] + c % kGranule * D::kPair * D::kBytes : nullptr;
        }
        if (Mode == Ahead::kPieces && i == 0) {
          t.pieces = pieces_ + next_piece;
          t.num_pieces = num_pieces_ - next_piece < t.steps ? num_pieces_ - next_piece : t.steps;
          next_piece += t.num_pieces;
        }
        if (Mode != Ahead::kNothing && i == 0)
          PanelTiles<D, Mode>::scores(t, strip.rows, (to - from) / kLanes);
        else
          PanelTiles<D, Ahead::kNothing>::scores(t, strip.rows, (to - from) / kLanes);
      }
  }

  template <class D>
  void weigh(int64_t tile, const Strip& strip) {
    if (strip.begin >= strip.end) return;
    const int64_t to = (strip.end + D::kPair - 1) / D::kPair * D::kPair;
    const PanelScoreMap map{scale_, shape_.softcap, call_.alibi_slopes.data != nullptr};
    const float scale = mapped_ ? kLog2e : scale_ * kLog2e;
    for (int row = strip.row; row < strip.row + strip.rows; ++row) {
      float* s = at_.scores + row * shape_.tile_keys;
      const int64_t begin = begin_[row], end = end_[row];
      if (mapped_ && begin < end)
        map_scores(s, begin / kLanes * kLanes, end, map, slope(row), tile - (mask_.first_position + query(row)));
      float& max = at_.part.max[row];
      float *sum = at_.part.sum + row * kStateLanes, *exact = at_.part.exact + row * kStateLanes;
      if (D::kRoundsWeights && call_.lse.data)
        at_.factors[row] = weigh_row<D, kDegree, true>(s, begin, end, strip.begin, to, scale, max, sum, exact);
      else
        at_.factors[row] = weigh_row<D, kDegree, false>(s, begin, end, strip.begin, to, scale, max, sum, exact);
    }
  }

  template <class D, Ahead Mode>
  void add_values(const PanelLayout& layout, int64_t panel) {
    ValueRun runs[kMaxTileKeys / kGranule + 1];
    ValueOperands<D> t;
    t.lda = shape_.tile_keys * 4 / static_cast<int64_t>(sizeof(Element));
    t.step_bytes = layout.value_step(panel);
    t.ldc = width();
    t.runs = runs;
    int64_t begin = -1, end = -1;
    for (int i = 0; i < num_strips_; ++i) {
      const Strip& strip = strips_[i];
      if (strip.begin >= strip.end) continue;
      if (strip.begin != begin || strip.end != end) {
        begin = strip.begin;
        end = strip.end;
        t.num_runs = find_runs<D>(layout, panel, begin, end, runs);
      }
      t.a = reinterpret_cast<const Element*>(at_.scores) + strip.row * t.lda + begin;
      t.factors = at_.factors + strip.row;
      float* c = at_.part.acc + strip.row * width() + panel * kPanelWidth;
      for (int64_t column = 0; column < layout.panel_dims(panel); column += kTileColumns) {
        const int64_t rest = layout.panel_dims(panel) - column;
        t.c = c + column;
        if (column)
          for (int64_t r = 0; r < t.num_runs; ++r) runs[r].b += kTileColumns * D::kPair * D::kBytes;
        const int64_t vectors = (rest < kTileColumns ? rest : kTileColumns) / kLanes;
        if (Mode == Ahead::kStream && i == 0)
          PanelTiles<D, Mode>::values(t, strip.rows, vectors);
        else
          PanelTiles<D, Ahead::kNothing>::values(t, strip.rows, vectors);
      }
      if (layout.panel_dims(panel) > kTileColumns) begin = -1;  // the runs have moved
    }
  }

  /// The runs of a panel's steps for the columns [begin, end).
  template <class D>
  int64_t find_runs(const PanelLayout& layout, int64_t panel, int64_t begin, int64_t end, ValueRun* runs) const {
    int64_t count = 0;
    for (int s = 0; s < num_segments_; ++s) {
      const Segment& seg = segments_[s];
      const int64_t from = seg.column > begin ? seg.column : begin;
      int64_t to = seg.end < end ? seg.end : end;
      if (from >= to) continue;
      const bool cut = has_tail_ && s == num_segments_ - 1 && to == seg.end;
      if (cut) --to;
      const char* b = seg.page + layout.value_at(seg.token + from - seg.column, panel);
      const char* ahead = seg.ahead ? seg.ahead + panel * kPanelWidth * (seg.end - seg.column) * layout.bytes : b;
      if (from < to) runs[count++] = {b, ahead, (to - from + D::kPair - 1) / D::kPair};
      if (cut) runs[count++] = {at_.tail + panel * kPanelWidth * 4, at_.tail, 1};
    }
    return count;
  }

  float slope(int32_t row) const {
    const cpu::View& slopes = call_.alibi_slopes;
    return slopes.data ? static_cast<const float*>(slopes.data)[head(row) * slopes.stride[0]] : 0.0f;
  }

  void finish(const PanelRows& rows) {
    const cpu::View& sinks = call_.sinks;
    for (int32_t row = 0; row < item_.rows; ++row) {
      const int64_t token = first_token_ + query(row), h = head(row);
      float sink = kHidden;
      if (sinks.data) {
        const int64_t i = h * sinks.stride[0];
        sink = call_.sinks_fp32 ? static_cast<const float*>(sinks.data)[i]
                                : widen(static_cast<const T*>(sinks.data)[i]);
      }
      const PanelRowEnd end = finish_row<Packed::kRoundsWeights>(rows, row, call_.lse.data, sinks.data, sink);
      float* acc = rows.acc + row * width();
      const Vec factor = broadcast(end.factor), sum = broadcast(end.sum), both = broadcast(end.factor / end.sum);
      for (int64_t d = 0; d < width(); d += kLanes)
        store(acc + d, sizeof(T) == 4 ? load(acc + d) * factor / sum : load(acc + d) * both);
      narrow_row(acc, static_cast<T*>(call_.out.data) + token * call_.out.stride[0] + h * call_.out.stride[1],
                 shape_.head_size_v);
      if (call_.lse.data)
        static_cast<float*>(call_.lse.data)[token * call_.lse.stride[0] + h * call_.lse.stride[1]] = end.lse;
    }
  }

  const AttentionCall& call_;
  const AttentionShape& shape_;
  const AttentionItem& item_;
  const int32_t kv_head_;
  const PanelLayout packed_;
  PanelScratch at_;
  int64_t first_token_;
  Mask mask_;
  KeySpan seen_;  ///< of all rows together
  KvWalk<T> keys_{}, values_{};
  const int32_t* blocks_ = nullptr;
  float scale_;
  bool mapped_;
  int num_strips_, num_segments_ = 0;
  bool has_tail_ = false;
  Strip strips_[kMaxItemRows / kTileRows + 1];
  int32_t query_[kMaxItemRows], head_[kMaxItemRows];  ///< of each row
  int32_t begin_[kMaxItemRows], end_[kMaxItemRows];    ///< columns of the tile that a row sees
  const char* key_at_[kMaxTileKeys / kGranule];
  const char* fetch_at_[kMaxTileKeys / kGranule];
  const char* pieces_[kMaxPieces];
  int64_t num_pieces_ = 0;
  int64_t last_key_;        ///< of this item or piece
  int64_t last_tile_ = -2;  ///< packed before this one
  Segment segments_[kMaxTileKeys / kGranule + 1];
};

template <class T, class Packed, class Direct>
void attend_panels(const AttentionCall& call, const AttentionItem& item, int32_t kv_head, std::byte* scratch) {
  PanelAttention<T, Packed, Direct>(call, item, kv_head, scratch).run();
}

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
