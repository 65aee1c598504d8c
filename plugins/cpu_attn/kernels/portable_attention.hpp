// SPDX-License-Identifier: Apache-2.0
//
// portable_attention.hpp: fused attention of one item (data sheet)
//   ISA           that of the file which includes this; vectors by plugins/cpu_attn/simd/isa.hpp
//   storage       fp32, fp16, bf16, and e4m3, e5m2, int8 with scales; everything is computed and accumulated in fp32
//   shapes        any head size, K and V of different width, any GQA group, any block size
//   masks         causal by request, window and its prefix, ranges, tree, dense, block-sparse; tiles that no row sees
//                 are skipped; local keys of a context-parallel rank
//   tiles         64 rows of (query, head of the group) x 64 keys; K packed as [d][key], V as [key][d] in fp32;
//                 register tile kTileRows x kTileVectors
//   no number     hidden keys and values may be NaN or infinite: rows that values spoiled are attended again without
//                 them (non_finite.hpp)
//   determinism   schedule-invariant: key tiles stand at absolute positions, a row sums over d and over its own keys in
//                 ascending order, a tile outside its span does not touch it, no split of a row's keys
//   algorithm     online softmax as in FlashAttention-2 (arXiv:2307.08691), GQA heads folded into rows
#ifndef ATTNRT_CPU_ATTN_PORTABLE_ATTENTION_HPP
#define ATTNRT_CPU_ATTN_PORTABLE_ATTENTION_HPP
#include <cstddef>
#include <cstdint>

#include "../simd/dtype.hpp"
#include "../simd/online_softmax.hpp"
#include "../simd/register_tile.hpp"
#include "../simd/transpose.hpp"
#include "attention.hpp"
#include "kv8_rows.hpp"
#include "non_finite.hpp"
#include "request_walk.hpp"
#include "row_io.hpp"
#include "row_mask.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

using cpu::AttentionCall;
using cpu::AttentionItem;
using cpu::kItemRows;
using cpu::kTileKeys;

/// Widths of the packed tiles: V and the accumulator are padded to whole vectors.
ATTNRT_KERNEL_INLINE int64_t padded(int64_t head_size_v) { return (head_size_v + kLanes - 1) / kLanes * kLanes; }

/// One worker's scratch, cut out of the bytes that the plan was given.
struct Scratch {
  float* q;       ///< [kItemRows][head_size_qk]
  float* acc;     ///< [kItemRows][padded]
  float* k;       ///< [head_size_qk][kTileKeys]
  float* v;       ///< [kTileKeys][padded]
  float* scores;  ///< [kTileRows][kTileKeys]
  float* part;    ///< [kTileRows][padded]
  float* stage;   ///< [5][head_size_qk], the last row zero
  float* bias;    ///< [kTileKeys]

  Scratch(std::byte* bytes, int64_t head_size_qk, int64_t head_size_v) {
    float* at = reinterpret_cast<float*>(bytes);
    const auto take = [&at](int64_t n) {
      float* start = at;
      at += (n + 15) / 16 * 16;
      return start;
    };
    const int64_t width = padded(head_size_v);
    q = take(kItemRows * head_size_qk);
    acc = take(kItemRows * width);
    k = take(head_size_qk * kTileKeys);
    v = take(kTileKeys * width);
    scores = take(kTileRows * kTileKeys);
    part = take(kTileRows * width);
    stage = take(5 * head_size_qk);
    bias = take(kTileKeys);
    floats = at - reinterpret_cast<float*>(bytes);
  }
  int64_t floats;
};

inline std::size_t attention_scratch_bytes(const cpu::AttentionShape& shape) {
  const auto up = [](int64_t n) { return (n + 15) / 16 * 16; };
  const int64_t qk = shape.head_size_qk, width = padded(shape.head_size_v);
  const int64_t floats = up(kItemRows * qk) + up(kItemRows * width) + up(qk * kTileKeys) + up(kTileKeys * width) +
                         up(kTileRows * kTileKeys) + up(kTileRows * width) + up(5 * qk) + up(kTileKeys);
  return static_cast<std::size_t>(floats) * sizeof(float);
}

/// Attention of one item: loads its queries, walks the key tiles, writes its rows of out and lse. S: keys and values as
/// stored.
template <class S>
class ItemAttention {
 public:
  ItemAttention(const AttentionCall& call, const AttentionItem& item, int32_t kv_head, std::byte* scratch)
      : call_(call),
        item_(item),
        kv_head_(kv_head),
        qk_(call.shape.head_size_qk),
        v_(call.shape.head_size_v),
        width_(padded(call.shape.head_size_v)),
        at_(scratch, call.shape.head_size_qk, call.shape.head_size_v),
        first_token_(call.batch->query_start_loc[item.request]),
        mask_(call, item.request) {
    if (call.shape.kv_8bit) {
      kv8_keys_ = request_walk<uint8_t>(call, call.k, item.request, kv_head);
      kv8_values_ = request_walk<uint8_t>(call, call.v, item.request, kv_head);
    } else {
      keys_ = request_walk<S>(call, call.k, item.request, kv_head);
      values_ = request_walk<S>(call, call.v, item.request, kv_head);
    }
    key_scale_ = scale_of(call.k_scale, item.request, kv_head);
    for (int64_t d = 0; d < qk_; ++d) at_.stage[4 * qk_ + d] = 0.0f;
  }

  void run() {
    for (const Pass pass : {Pass::kPlain, Pass::kExact, Pass::kScaled}) {
      pass_ = pass;
      attend_all();
      if (!store_rows()) return;
    }
  }

 private:
  void attend_all() {
    load_queries();
    KeySpan seen = mask_.hull(query(0));
    for (int64_t q = query(0); q <= query(item_.rows - 1); ++q) {
      const KeySpan s = mask_.hull(q);
      seen.begin = s.begin < seen.begin ? s.begin : seen.begin;
      seen.end = s.end > seen.end ? s.end : seen.end;
    }
    for (int64_t tile = seen.begin / kTileKeys * kTileKeys; tile < seen.end; tile += kTileKeys) {
      const MaskedColumns all = place(tile, seen.end);
      if (all.begin >= all.end) continue;
      pack(tile, all.begin, all.end);
      for (int32_t row = 0; row < item_.rows; row += kTileRows)
        attend(tile, row, item_.rows - row < kTileRows ? item_.rows - row : kTileRows);
    }
  }

  int64_t query(int32_t row) const { return (item_.first_row + row) / call_.shape.group; }
  int64_t head(int32_t row) const {
    return int64_t{kv_head_} * call_.shape.group + (item_.first_row + row) % call_.shape.group;
  }

  /// What each row sees of a tile, and what they see together.
  MaskedColumns place(int64_t tile, int64_t end) {
    MaskedColumns all{kTileKeys, 0, false};
    const int64_t first_head = int64_t{kv_head_} * call_.shape.group;
    const cpu::PairProgram::Seen by_program =
        mask_.look(query(0), query(item_.rows - 1), first_head, first_head + call_.shape.group - 1, tile,
                   tile + kTileKeys < end ? tile + kTileKeys : end, at_.q);
    if (by_program == cpu::PairProgram::Seen::kNone) return all;
    for (int32_t row = 0; row < item_.rows; ++row) {
      columns_[row] = row > 0 && query(row) == query(row - 1) && !mask_.by_head()
                          ? columns_[row - 1]
                          : mask_.columns(query(row), head(row), tile, kTileKeys);
      if (columns_[row].begin >= columns_[row].end) continue;
      if (by_program == cpu::PairProgram::Seen::kSome) columns_[row].holes = true;
      all.begin = columns_[row].begin < all.begin ? columns_[row].begin : all.begin;
      all.end = columns_[row].end > all.end ? columns_[row].end : all.end;
    }
    return all;
  }

  void load_queries() {
    for (int32_t row = 0; row < item_.rows; ++row) {
      load_query(call_, first_token_ + query(row), head(row), at_.q + row * qk_);
      state_[row] = RowState{};
    }
    for (int64_t i = 0; i < item_.rows * width_; ++i) at_.acc[i] = 0.0f;
  }

  /// Columns [begin, end) of the tile at `tile`, as fp32. Columns that complete a vector are zero and belong to no key.
  void pack(int64_t tile, int begin, int end) {
    const S* rows[kTileKeys];
    const uint8_t* bytes[kTileKeys];
    const bool narrow = call_.shape.kv_8bit, scaled = call_.shape.row_scales;
    const auto place = [&](const KvWalk<S>& wide, const KvWalk<uint8_t>& small) {
      if (narrow) return small.rows(tile + begin, tile + end, bytes + begin);
      wide.rows(tile + begin, tile + end, rows + begin);
    };
    const auto widen_to = [&](int c, float* to, int64_t n) {
      if (narrow) return stage_row(call_.shape.kv_dtype, bytes[c], to, n, scaled ? row_scale(bytes[c], n) : 1.0f);
      widen_row(rows[c], to, n);
    };
    place(keys_, kv8_keys_);
    constexpr int kColumns = kTileVectors * kLanes;
    const int from = begin / kColumns * kColumns, to = (end + kColumns - 1) / kColumns * kColumns;
    for (int c = from; c < to; c += 4) {
      const float* four[4];
      for (int i = 0; i < 4; ++i) {
        four[i] = at_.stage + 4 * qk_;
        if (c + i < begin || c + i >= end) continue;
        if constexpr (sizeof(S) == sizeof(float)) {
          if (!narrow) {
            four[i] = rows[c + i];
            continue;
          }
        }
        widen_to(c + i, at_.stage + i * qk_, qk_);
        four[i] = at_.stage + i * qk_;
      }
      transpose_four(four, at_.k + c, kTileKeys, qk_);
    }
    place(values_, kv8_values_);
    for (int c = begin; c < end; ++c) {
      float* to_row = at_.v + c * width_;
      widen_to(c, to_row, v_);
      for (int64_t d = v_; d < width_; ++d) to_row[d] = 0.0f;
    }
  }

  /// Rows [row, row + count) against the packed tile.
  void attend(int64_t tile, int32_t row, int count) {
    int begin[kTileRows], end[kTileRows];
    int union_begin = kTileKeys, union_end = 0, common_begin = 0, common_end = kTileKeys;
    for (int i = 0; i < count; ++i) {
      begin[i] = columns_[row + i].begin;
      end[i] = columns_[row + i].end;
      if (begin[i] >= end[i]) continue;
      union_begin = begin[i] < union_begin ? begin[i] : union_begin;
      union_end = end[i] > union_end ? end[i] : union_end;
    }
    if (union_begin >= union_end) return;
    constexpr int kColumns = kTileVectors * kLanes;
    const int from = union_begin / kColumns * kColumns, to = (union_end + kColumns - 1) / kColumns * kColumns;
    dot_products(row, count, from, to);

    float factors[kTileRows];
    const ScoreMap map{call_.scale * key_scale_, call_.shape.softcap, call_.alibi_slopes.data != nullptr,
                       (call_.shape.features & ATTNRT_FEATURE_ALIBI_SQRT) != 0};
    for (int i = 0; i < count; ++i) {
      factors[i] = -1.0f;
      if (begin[i] < end[i]) {
        float* scores = at_.scores + i * kTileKeys;
        map_tile(scores, begin[i], end[i], map, slope(row + i), mask_.mask().position(query(row + i)),
                 [&](int c) { return mask_.mask().positions.of(tile + c); });
        if (const cpu::PairProgram* program = call_.masks.program; program && program->scores)
          program->score(program->self,
                         mask_.program_row(query(row + i), head(row + i), tile + begin[i], end[i] - begin[i]),
                         scores + begin[i]);
        if (columns_[row + i].holes) {
          mask_.fill(query(row + i), head(row + i), tile, begin[i], end[i], at_.bias);
          add_biases(scores, begin[i], end[i]);
        }
        factors[i] = softmax_tile(scores, begin[i], end[i], state_[row + i]);
        if (pass_ == Pass::kScaled)
          for (int c = begin[i]; c < end[i]; ++c) scores[c] *= SmallProbabilities::kFactor;
      }
      if (factors[i] < 0.0f) begin[i] = end[i] = 0;
      common_begin = begin[i] > common_begin ? begin[i] : common_begin;
      common_end = end[i] < common_end ? end[i] : common_end;
    }
    if (pass_ == Pass::kPlain) return accumulate(row, count, begin, end, common_begin, common_end, factors);
    for (int i = 0; i < count; ++i)
      if (begin[i] < end[i]) add_seen(tile, row + i, i, begin[i], end[i], factors[i]);
  }

  /// -infinity hides a column, whatever its score. A finite score stays finite below.
  void add_biases(float* scores, int begin, int end) const {
    for (int c = begin; c < end; ++c) {
      const float sum = scores[c] + at_.bias[c];
      const bool hidden = at_.bias[c] == kMinusInfinity || scores[c] == kMinusInfinity;
      scores[c] = hidden ? kMinusInfinity : sum == kMinusInfinity ? std::numeric_limits<float>::lowest() : sum;
    }
  }

  /// Row i of the scores over the columns that it sees, for values that may not be multiplied by 0.
  void add_seen(int64_t tile, int32_t row, int i, int begin, int end, float factor) {
    if (columns_[row].holes) mask_.fill(query(row), head(row), tile, begin, end, at_.bias);
    const auto sees = [&](int c) { return !columns_[row].holes || at_.bias[c] != kMinusInfinity; };
    float* part = at_.part + i * width_;
    for (int64_t d = 0; d < width_; ++d) part[d] = 0.0f;
    for (int c = begin, last; c < end; c = last) {
      for (last = c; last < end && sees(last);) ++last;
      add_part(i, c, last);
      if (last == c) ++last;
    }
    fold_part(row, i, factor);
  }

  /// Columns [from, to) of q K, summed in blocks of d: short sums err less than one long sum.
  void dot_products(int32_t row, int count, int from, int to) {
    constexpr int64_t kBlock = cpu::kPortableSumBlockDims;
    TileOperands t{at_.q + row * qk_, qk_, at_.k + from, kTileKeys, at_.scores + from, kTileKeys, 0};
    for (int64_t d = 0; d < qk_; d += kBlock, t.a += kBlock, t.b += kBlock * kTileKeys) {
      t.k = qk_ - d < kBlock ? qk_ - d : kBlock;
      if (d == 0)
        multiply<TileEnd::kStore>(t, count, to - from);
      else
        multiply<TileEnd::kAdd>(t, count, to - from);
    }
  }

  static int clamp(int64_t column) { return column < kTileKeys ? static_cast<int>(column) : kTileKeys; }

  float slope(int32_t row) const {
    const cpu::View& slopes = call_.alibi_slopes;
    return slopes.data ? static_cast<const float*>(slopes.data)[head(row) * slopes.stride[0]] : 0.0f;
  }

  /// acc = acc * factor + P V, each row over its own span alone: beside it no value meets a probability of 0, which
  /// matters where it is NaN. Rows with one span take the first way; the others sum their parts in the same order.
  void accumulate(int32_t row, int count, const int* begin, const int* end, int common_begin, int common_end,
                  const float* factors) {
    bool same = true;
    for (int i = 0; i < count; ++i) same = same && begin[i] == common_begin && end[i] == common_end;
    float* acc = at_.acc + row * width_;
    if (same) {
      if (common_begin < common_end)
        multiply<TileEnd::kScaleAdd>(values(0, common_begin, common_end, acc), count, width_, factors);
      return;
    }
    for (int64_t i = 0; i < count * width_; ++i) at_.part[i] = 0.0f;
    const bool shared = common_begin < common_end;
    for (int i = 0; i < count; ++i) add_part(i, begin[i], shared ? common_begin : end[i]);
    if (shared) {
      multiply<TileEnd::kContinue>(values(0, common_begin, common_end, at_.part), count, width_);
      for (int i = 0; i < count; ++i) add_part(i, common_end, end[i]);
    }
    for (int i = 0; i < count; ++i) {
      if (begin[i] < end[i]) fold_part(row + i, i, factors[i]);
    }
  }
  void fold_part(int32_t row, int i, float factor) {
    float* acc = at_.acc + row * width_;
    for (int64_t d = 0; d < width_; d += kLanes)
      store(acc + d, madd(load(acc + d), broadcast(factor), load(at_.part + i * width_ + d)));
  }

  TileOperands values(int i, int begin, int end, float* to) const {
    return {at_.scores + i * kTileKeys + begin, kTileKeys, at_.v + begin * width_, width_, to, width_, end - begin};
  }
  void add_part(int i, int begin, int end) {
    if (begin < end) multiply<TileEnd::kContinue>(values(i, begin, end, at_.part + i * width_), 1, width_);
  }

  /// Of the rows that the pass is for. Returns whether there is one for the next pass.
  bool store_rows() {
    bool any = false;
    for (int32_t row = 0; row < item_.rows; ++row) {
      if (pass_ != Pass::kPlain && !again_[row]) continue;
      const int64_t token = first_token_ + query(row), h = head(row);
      const RowEnd end = finish_row(state_[row], call_.sinks.data ? sink_of(call_, h) : kMinusInfinity);
      float* acc = at_.acc + row * width_;
      const float factor = end.factor * scale_of(call_.v_scale, item_.request, kv_head_);
      again_[row] = pass_ != Pass::kScaled && end.sum == end.sum && !is_finite(acc);
      any = any || again_[row];
      const float back = pass_ == Pass::kScaled ? SmallProbabilities::kBack : 1.0f;
      for (int64_t d = 0; d < v_; ++d) acc[d] = acc[d] * factor / end.sum * back;
      write_row(call_.shape.q_dtype, acc, call_.out.data, token * call_.out.stride[0] + h * call_.out.stride[1], v_);
      if (call_.lse.data)
        static_cast<float*>(call_.lse.data)[token * call_.lse.stride[0] + h * call_.lse.stride[1]] = end.lse;
    }
    return any;
  }
  bool is_finite(const float* row) const {
    float zeros = 0.0f;
    for (int64_t d = 0; d < v_; ++d) zeros += row[d] * 0.0f;
    return zeros == 0.0f;
  }

  const AttentionCall& call_;
  const AttentionItem& item_;
  const int32_t kv_head_;
  const int64_t qk_, v_, width_;
  Scratch at_;
  const int64_t first_token_;
  const RowMask mask_;
  KvWalk<S> keys_{}, values_{};
  KvWalk<uint8_t> kv8_keys_{}, kv8_values_{};
  float key_scale_;
  MaskedColumns columns_[kItemRows];
  RowState state_[kItemRows];
  Pass pass_ = Pass::kPlain;
  bool again_[kItemRows];  ///< which rows the pass is for
};

template <class S>
void attend_item(const AttentionCall& call, const AttentionItem& item, int32_t kv_head, std::byte* scratch) {
  ItemAttention<S>(call, item, kv_head, scratch).run();
}

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
