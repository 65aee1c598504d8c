// SPDX-License-Identifier: Apache-2.0
//
// side_stream.hpp: a worker's part of a mixed batch (MixedWork). Items with few rows (decode) wait for memory, items
// with many (prefill) for products; one after the other, each leaves idle what the other one needs. So the register
// tiles of an item with many rows ask for the lines of a stream, evenly, a little faster than the pace at which both
// lists would end together; when those of a tile were asked for, it is attended between two strips. Which items meet is
// a matter of chance and changes no bit: each has its own rows, its own scratch and its own order of tiles. After
// POD-Attention (arXiv:2410.18038), which fuses prefill and decode on a GPU.
#ifndef ATTNRT_CPU_ATTN_SIDE_STREAM_HPP
#define ATTNRT_CPU_ATTN_SIDE_STREAM_HPP
#include <optional>

#include "panel_attention.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

template <class S, class Packed, class Direct>
class SideStream {
 public:
  using Attention = PanelAttention<S, Packed, Direct>;

  SideStream(const AttentionCall& call, cpu::MixedWork& work, std::byte* scratch)
      : call_(call), work_(work), at_(side_scratch(scratch, call.shape)) {
    // A step of a whole strip multiplies kStripRows x kTileColumns pairs in kPair dims; a line holds kLineBytes.
    const int64_t pair = call.shape.bytes || call.shape.widens ? Packed::kPair : Direct::kPair;
    const float steps = static_cast<float>(work.host_pairs) / static_cast<float>(kStripRows * kTileColumns * pair);
    const float lines = static_cast<float>(work.stream_keys * call.shape.panels.bytes) / kLineBytes;
    const float rate = kHaste * lines / steps;
    step_bytes_ = rate < 1.0f ? static_cast<int64_t>(rate * kLineBytes) + 1 : kLineBytes;
  }

  /// What to ask for in `steps` steps; false where nothing is left.
  [[gnu::noinline]] bool lines(int64_t steps, Trickle& trickle) {
    while (range_ == num_ranges_)
      if (step_bytes_ == 0 || !turn()) return false;
    trickle = {ranges_[range_].begin + at_byte_, step_bytes_};
    at_byte_ += steps * step_bytes_;
    if (at_byte_ >= ranges_[range_].bytes) {
      at_byte_ = 0;
      ++range_;
    }
    return true;
  }

  /// What is left of the streams, when nothing else is.
  void finish() {
    while (stream_ || open()) {
      while (stream_->advance(true)) {
      }
      stream_.reset();
    }
  }

 private:
  /// Some steps ask for nothing: those of an item's first strip and of few columns.
  static constexpr float kHaste = 1.25f;

  bool open() {
    const int64_t heads = call_.shape.num_kv_heads;
    const int64_t i = work_.next_stream.fetch_add(1, std::memory_order_relaxed);
    if (i >= work_.num_streams * heads) return false;
    stream_.emplace(call_, work_.items[work_.num_computing + i / heads], static_cast<int32_t>(i % heads), at_, nullptr);
    return true;
  }

  /// Attends what was asked for; then finds what to ask for next. False where nothing is left.
  bool turn() {
    if (stream_ && !stream_->advance(false)) stream_.reset();
    if (!stream_ && !open()) {
      step_bytes_ = 0;
      return false;
    }
    num_ranges_ = stream_->next_lines(ranges_);
    range_ = 0;
    return true;
  }

  const AttentionCall& call_;
  cpu::MixedWork& work_;
  const PanelScratch at_;
  std::optional<Attention> stream_;
  LineRange ranges_[Attention::kMaxRanges];
  int num_ranges_ = 0, range_ = 0;
  int64_t at_byte_ = 0;
  int64_t step_bytes_;  ///< 0 = nothing is left
};

template <class S, class Packed, class Direct>
void attend_mixed(const AttentionCall& call, cpu::MixedWork& work, std::byte* scratch) {
  SideStream<S, Packed, Direct> side(call, work, scratch + panel_item_bytes(call.shape));
  const PanelScratch at(scratch, call.shape);
  const int64_t heads = call.shape.num_kv_heads;
  for (;;) {
    const int64_t i = work.next_computing.fetch_add(1, std::memory_order_relaxed);
    if (i >= work.num_computing * heads) break;
    const auto [item, head] = cpu::task_at(work.items, heads, i);
    PanelAttention<S, Packed, Direct> attention(call, *item, head, at, item->rows >= cpu::kHostRows ? &side : nullptr);
    while (attention.advance(true)) {
    }
  }
  side.finish();
}

template <class S, class Packed, class Direct>
constexpr cpu::AttendFns panel_fns{&attend_panels<S, Packed, Direct>, &attend_mixed<S, Packed, Direct>,
                                   PanelSource<S, Packed>::kWidens};

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
