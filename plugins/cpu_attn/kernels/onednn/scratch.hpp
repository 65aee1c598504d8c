// SPDX-License-Identifier: Apache-2.0
//
// scratch.hpp: the memory of one worker of the onednn variant; the same places for whoever asks.
#ifndef ATTNRT_CPU_ATTN_ONEDNN_SCRATCH_HPP
#define ATTNRT_CPU_ATTN_ONEDNN_SCRATCH_HPP
#include <cstddef>
#include <cstdint>

#include "../../simd/panel_fold.hpp"
#include "../attention.hpp"
#include "../panel_scratch.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

/// Rows of q, k and v are of fp32 or of bf16, and have room for fp32.
struct OnednnScratch {
  float *q, *k, *v;
  PanelScratch
      softmax;    ///< what panel_probabilities.hpp works on: scores [item_rows][tile_keys], rows' state in `part`
  int64_t width;  ///< of an accumulated row, a multiple of 16
  int64_t floats = 0;

  OnednnScratch(std::byte* memory, const cpu::AttentionShape& shape)
      : softmax(nullptr, shape), width((shape.head_size_v + 15) / 16 * 16) {
    const auto take = [&](int64_t count) {
      const int64_t at = floats;
      floats += (count + 15) / 16 * 16;
      return memory ? reinterpret_cast<float*>(memory) + at : nullptr;
    };
    q = take(shape.item_rows * shape.head_size_qk);
    k = take(shape.tile_keys * shape.head_size_qk);
    v = take(shape.tile_keys * shape.head_size_v);
    softmax.scores = take(shape.item_rows * shape.tile_keys);
    softmax.part = panel_rows(take(panel_rows_floats(shape.item_rows, width)), shape.item_rows);
    softmax.factors = take(shape.item_rows);
    softmax.bias = take(shape.tile_keys);
    softmax.positions = take(shape.tile_keys);
  }
};

inline std::size_t onednn_scratch_bytes(const cpu::AttentionShape& shape) {
  return static_cast<std::size_t>(OnednnScratch(nullptr, shape).floats) * sizeof(float);
}

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
