// SPDX-License-Identifier: Apache-2.0
//
// attention.hpp: fused attention of one item around oneDNN's matmul primitives (data sheet)
//   ISA           AVX-512, for the products whatever more oneDNN finds; with less oneDNN sums in an order that depends
//                 on the number of rows
//   storage       fp32, fp16 and bf16; products in fp32, or of bf16 with sums in fp32. Then the probabilities are
//                 rounded to bf16, their sum too; the log-sum-exp takes them unrounded
//   layouts       contiguous, NHD, HND: the rows of a tile are copied together
//   shapes        head sizes in multiples of 8, K and V of different width, any GQA group, any block size
//   masks         causal by request, window and its prefix, ranges, tree, dense, block-sparse: tiles that no row sees
//                 are skipped, the others computed as a whole
//   no number     hidden keys and values may be NaN or infinite: rows that values spoiled are attended again, with such
//                 values as zeros in the products and added afterwards to the rows that see them (non_finite.hpp)
//   tiles         up to 256 rows of (query, head of the group), padded to a number that primitives were made for, x 128
//                 keys
//   threads       one: the worker's own
//   heap          oneDNN asks the heap for some small nodes in each product, everything else is scratch
//   determinism   schedule-invariant: tiles stand at multiples of tile_keys of every request, hidden keys inside a tile
//                 add exact zeros, and a row of a product depends on its own operands alone, whatever the number of
//                 rows: the conformance kit shows that of the oneDNN at hand
//   algorithm     FlashAttention-2 (arXiv:2307.08691) with GQA heads folded into rows
#ifndef ATTNRT_CPU_ATTN_ONEDNN_ATTENTION_HPP
#define ATTNRT_CPU_ATTN_ONEDNN_ATTENTION_HPP
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "../../simd/kv_walk.hpp"
#include "../../simd/panel_fold.hpp"
#include "../attention.hpp"
#include "../item_rows.hpp"
#include "../non_finite.hpp"
#include "../panel_probabilities.hpp"
#include "../request_walk.hpp"
#include "../row_io.hpp"
#include "matmul.hpp"
#include "scratch.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

using cpu::AttentionCall;
using cpu::AttentionItem;
using cpu::AttentionShape;

/// S: keys and values as stored; D: the dot that says what the products read (dot.hpp).
template <class S, class D>
class OnednnAttention {
 public:
  OnednnAttention(const AttentionCall& call, const AttentionItem& item, int32_t kv_head, std::byte* scratch)
      : call_(call),
        shape_(call.shape),
        item_(item),
        kv_head_(kv_head),
        matmuls_(call.matmuls->of(scratch)),
        alone_(matmuls_.library()),
        size_(cpu::matmul_size(item.rows)),
        at_(scratch, call.shape),
        rows_(call, item, kv_head),
        keys_(request_walk<S>(call, call.k, item.request, kv_head)),
        values_(request_walk<S>(call, call.v, item.request, kv_head)) {}

  /// The status of the first product that failed.
  dnnl_status_t run() {
    for (const Pass pass : {Pass::kPlain, Pass::kExact, Pass::kScaled}) {
      pass_ = pass;
      if (const dnnl_status_t failed = attend()) return failed;
      if (!finish()) break;
    }
    return dnnl_success;
  }

 private:
  using Element = typename D::A;

  dnnl_status_t attend() {
    load_queries();
    PanelProbabilities<S, D> probabilities(call_, item_, kv_head_, at_.softmax, rows_, pass_);
    clear_rows(at_.softmax.part, cpu::kMatmulRows[size_], at_.width);
    const KeySpan seen = rows_.seen();
    for (int64_t tile = seen.begin / shape_.tile_keys * shape_.tile_keys; tile < seen.end; tile += shape_.tile_keys) {
      if (!rows_.place(tile, nullptr)) continue;
      const int64_t begin = seen.begin > tile ? seen.begin : tile;
      const int64_t end = seen.end < tile + shape_.tile_keys ? seen.end : tile + shape_.tile_keys;
      copy_rows(keys_, tile, begin, end, shape_.head_size_qk, at_.k);
      copy_rows(values_, tile, begin, end, shape_.head_size_v, at_.v);
      if (const dnnl_status_t failed = matmuls_.scores(size_)) return failed;
      apply_softmax(tile, probabilities);
      if (pass_ != Pass::kPlain) clear_odd_values();
      if (const dnnl_status_t failed = matmuls_.add_values(size_)) return failed;
      if (pass_ != Pass::kPlain) add_odd_values(tile, begin, end);
    }
    return dnnl_success;
  }

  int64_t token(int32_t row) const { return call_.batch->query_start_loc[item_.request] + rows_.query(row); }

  /// Rows that complete a size of the products are zero, and so is all that comes of them.
  void load_queries() {
    auto* to = reinterpret_cast<Element*>(at_.q);
    for (int32_t row = 0; row < item_.rows; ++row, to += shape_.head_size_qk)
      load_query(call_, token(row), rows_.head(row), to);
    std::memset(static_cast<void*>(to), 0, bytes_of(cpu::kMatmulRows[size_] - item_.rows, shape_.head_size_qk));
  }

  static std::size_t bytes_of(int64_t rows, int64_t width) {
    return static_cast<std::size_t>(rows * width) * sizeof(Element);
  }

  /// Keys [begin, end) of the tile at `tile`; its other rows are zero.
  void copy_rows(const KvWalk<S>& from, int64_t tile, int64_t begin, int64_t end, int64_t width, float* data) {
    const S* rows[cpu::kMaxTileKeys];
    from.rows(begin, end, rows);
    auto* to = reinterpret_cast<Element*>(data);
    std::memset(static_cast<void*>(to), 0, bytes_of(begin - tile, width));
    to += (begin - tile) * width;
    for (int64_t i = 0; i < end - begin; ++i, to += width) {
      if constexpr (std::is_same_v<S, Element>)
        std::memcpy(static_cast<void*>(to), rows[i], bytes_of(1, width));
      else
        for (int64_t d = 0; d < width; d += 8) widen_row(rows[i] + d, to + d, 8);
    }
    std::memset(static_cast<void*>(to), 0, bytes_of(tile + shape_.tile_keys - end, width));
  }

  /// Scores become probabilities, those of whole rows of the tile, and what was accumulated before shrinks to the new
  /// maximum.
  void apply_softmax(int64_t tile, PanelProbabilities<S, D>& probabilities) {
    probabilities.place(tile);
    for (int i = 0; i < rows_.num_strips(); ++i) {
      Strip whole = rows_.strip(i);
      whole.begin = 0;
      whole.end = shape_.tile_keys;
      probabilities.make_probabilities(tile, whole, D::kPair);
    }
    for (int32_t row = 0; row < item_.rows; ++row) {
      const float factor = at_.softmax.factors[row];
      if (factor == 1.0f) continue;
      float* acc = at_.softmax.part.acc + row * at_.width;
      for (int64_t d = 0; d < at_.width; d += kLanes) store(acc + d, load(acc + d) * broadcast(factor));
    }
  }

  /// Values that are NaN or infinite are zeros in the product, for all of whose rows they would be multiplied.
  void clear_odd_values() {
    auto* v = reinterpret_cast<Element*>(at_.v);
    for (int64_t i = 0; i < shape_.tile_keys * shape_.head_size_v; ++i)
      if (widen(v[i]) * 0.0f != 0.0f) v[i] = Element{};
  }
  /// Then they are added to the rows that see them, one by one: nothing that is added afterwards changes what comes
  /// out.
  void add_odd_values(int64_t tile, int64_t begin, int64_t end) {
    const S* values[cpu::kMaxTileKeys];
    values_.rows(begin, end, values);
    for (int64_t key = begin; key < end; ++key)
      for (int64_t d = 0; d < shape_.head_size_v; ++d)
        if (const float v = widen(values[key - begin][d]); v * 0.0f != 0.0f) add_odd_value(tile, key - tile, d, v);
  }
  void add_odd_value(int64_t tile, int64_t column, int64_t d, float v) {
    for (int32_t row = 0; row < item_.rows; ++row) {
      const MaskedColumns& seen = rows_.columns(row);
      if (column < seen.begin || column >= seen.end) continue;
      float* bias = at_.softmax.bias;
      if (seen.holes && (!rows_.mask().fill(rows_.query(row), rows_.head(row), tile, seen.begin, seen.end, bias) ||
                         bias[column] == kHidden))
        continue;
      const auto* probabilities = reinterpret_cast<const Element*>(at_.softmax.scores + row * shape_.tile_keys);
      at_.softmax.part.acc[row * at_.width + d] += widen(probabilities[column]) * v;
    }
  }

  /// Of the rows that the pass is for. Returns whether there is one for the next pass.
  bool finish() {
    const bool has_sink = call_.sinks.data;
    const Vec back = broadcast(pass_ == Pass::kScaled ? SmallProbabilities::kBack : 1.0f);
    bool any = false;
    for (int32_t row = 0; row < item_.rows; ++row) {
      if (pass_ != Pass::kPlain && !again_[row]) continue;
      const int64_t t = token(row), h = rows_.head(row);
      const PanelRowEnd end = finish_row<D::kRoundsProbabilities>(at_.softmax.part, row, call_.lse.data, has_sink,
                                                                  has_sink ? sink_of(call_, h) : kHidden);
      const float* acc = at_.softmax.part.acc + row * at_.width;
      write_row(shape_.q_dtype, acc, call_.out.data, t * call_.out.stride[0] + h * call_.out.stride[1],
                shape_.head_size_v, [&](Vec x) { return x * broadcast(end.factor) / broadcast(end.sum) * back; });
      if (call_.lse.data)
        static_cast<float*>(call_.lse.data)[t * call_.lse.stride[0] + h * call_.lse.stride[1]] = end.lse;
      again_[row] = pass_ != Pass::kScaled && end.sum == end.sum && !is_finite(acc, shape_.head_size_v);
      any = any || again_[row];
    }
    return any;
  }

  const AttentionCall& call_;
  const AttentionShape& shape_;
  const AttentionItem& item_;
  const int32_t kv_head_;
  const cpu::WorkerMatmuls& matmuls_;
  const cpu::OneThread alone_;
  const std::size_t size_;  ///< of the products
  const OnednnScratch at_;
  ItemRows rows_;
  const KvWalk<S> keys_, values_;
  Pass pass_ = Pass::kPlain;
  bool again_[cpu::kMaxItemRows];  ///< which rows the pass is for
};

template <class S, class D>
void attend_onednn(const AttentionCall& call, const AttentionItem& item, int32_t kv_head, std::byte* scratch) {
  if (const dnnl_status_t failed = OnednnAttention<S, D>(call, item, kv_head, scratch).run())
    call.matmuls->report(failed);
}

static_assert(cpu::item_rows_for(cpu::Isa::onednn, 0, 0, 0, false) == cpu::kMatmulRows.back());

/// By dtype of q; caches of 8 bits have none.
constexpr cpu::AttentionKernels onednn_kernels(cpu::AttendFns fp32, cpu::AttendFns fp16, cpu::AttendFns bf16) {
  return {{fp32, fp16, bf16}, {nullptr, nullptr, nullptr}, &onednn_scratch_bytes, nullptr, cpu::Isa::onednn};
}

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
