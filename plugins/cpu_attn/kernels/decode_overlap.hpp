// SPDX-License-Identifier: Apache-2.0
//
// decode_overlap.hpp: a worker's part of a mixed batch (MixedWork). Items with few rows (decode) wait for memory, items
// with many (prefill) for products; one after the other, each leaves idle what the other one needs. So the register
// tiles of an item with many rows prefetch the lines of a decode item, evenly, a little faster than the pace at which
// both lists would end together; when those of a tile have been prefetched, it is attended between two strips. Which
// items meet is a matter of chance and changes no bit: each has its own rows, its own scratch and its own order of
// tiles. After POD-Attention (arXiv:2410.18038), which fuses prefill and decode on a GPU.
#ifndef ATTNRT_CPU_ATTN_DECODE_OVERLAP_HPP
#define ATTNRT_CPU_ATTN_DECODE_OVERLAP_HPP
#include <optional>

#include "panel_attention.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

template <class S, class Packed, class Direct>
class DecodeOverlap {
 public:
  using Attention = PanelAttention<S, Packed, Direct>;

  DecodeOverlap(const AttentionCall& call, cpu::MixedWork& work, std::byte* scratch)
      : call_(call), work_(work), at_(overlap_scratch(scratch, call.shape)) {
    // A step of a whole strip multiplies kStripRows x kTileColumns pairs in kPair dims; a line holds kLineBytes.
    const int64_t pair = call.shape.kv_8bit || call.shape.widens ? Packed::kPair : Direct::kPair;
    const float steps = static_cast<float>(work.overlap_pairs) / static_cast<float>(kStripRows * kTileColumns * pair);
    const float lines = static_cast<float>(work.decode_keys * call.shape.panels.element_bytes) / kLineBytes;
    const float rate = call.shape.tuning.overlap_pace * lines / steps;
    step_bytes_ = rate < 1.0f ? static_cast<int64_t>(rate * kLineBytes) + 1 : kLineBytes;
  }

  /// What to prefetch in `steps` steps; false where nothing is left.
  [[gnu::noinline]] bool lines(int64_t steps, DecodeLines& decode_lines) {
    while (range_ == num_ranges_)
      if (step_bytes_ == 0 || !advance()) return false;
    decode_lines = {ranges_[range_].begin + at_byte_, step_bytes_};
    at_byte_ += steps * step_bytes_;
    if (at_byte_ >= ranges_[range_].bytes) {
      at_byte_ = 0;
      ++range_;
    }
    return true;
  }

  /// Attends the decode items that are left when nothing else is.
  void finish() {
    while (decode_ || open_decode()) {
      while (decode_->advance(true)) {
      }
      decode_.reset();
    }
  }

 private:
  bool open_decode() {
    const int64_t heads = call_.shape.num_kv_heads;
    const int64_t i = work_.next_decode_task.fetch_add(1, std::memory_order_relaxed);
    if (i >= work_.num_decode_items * heads) return false;
    decode_.emplace(call_, work_.items[work_.num_compute_items + i / heads], static_cast<int32_t>(i % heads), at_,
                    nullptr);
    return true;
  }

  /// Attends what has been prefetched; then finds what to prefetch next. False where nothing is left.
  bool advance() {
    if (decode_ && !decode_->advance(false)) decode_.reset();
    if (!decode_ && !open_decode()) {
      step_bytes_ = 0;
      return false;
    }
    num_ranges_ = decode_->next_lines(ranges_);
    range_ = 0;
    return true;
  }

  const AttentionCall& call_;
  cpu::MixedWork& work_;
  const PanelScratch at_;
  std::optional<Attention> decode_;
  LineRange ranges_[Attention::kMaxRanges];
  int num_ranges_ = 0, range_ = 0;
  int64_t at_byte_ = 0;
  int64_t step_bytes_;  ///< 0 = nothing is left
};

template <class S, class Packed, class Direct>
void attend_mixed(const AttentionCall& call, cpu::MixedWork& work, std::byte* scratch) {
  DecodeOverlap<S, Packed, Direct> overlap(call, work, scratch + panel_item_bytes(call.shape));
  const PanelScratch at(scratch, call.shape);
  const int64_t heads = call.shape.num_kv_heads;
  for (;;) {
    const int64_t i = work.next_compute_task.fetch_add(1, std::memory_order_relaxed);
    if (i >= work.num_compute_items * heads) break;
    const auto [item, head] = cpu::task_at(work.items, heads, i);
    PanelAttention<S, Packed, Direct> attention(call, *item, head, at,
                                                item->rows >= call.shape.tuning.overlap_rows ? &overlap : nullptr);
    while (attention.advance(true)) {
    }
  }
  overlap.finish();
}

template <class S, class Packed, class Direct>
constexpr cpu::AttendFns panel_fns{&attend_panels<S, Packed, Direct>, &attend_mixed<S, Packed, Direct>,
                                   PanelSource<S, Packed>::kWidens};

/// The kernels of an instruction set whose products are all of fp32: fp16, bf16 and 8 bits are widened.
template <cpu::Isa isa>
constexpr cpu::AttentionKernels fp32_kernels{
    {panel_fns<float, DotFp32, DotFp32>, panel_fns<Fp16, DotFp32, DotFp16>, panel_fns<Bf16, DotFp32, DotWide>},
    {panel_fns<float, DotFp32, DotFp32>, panel_fns<float, DotFp32, DotFp32>, panel_fns<float, DotFp32, DotFp32>},
    &panel_scratch_bytes,
    &panel_split_floats,
    isa};

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
