// SPDX-License-Identifier: Apache-2.0
//
// attention_amx_bf16.cpp: panel_attention.hpp with the products of AMX (data sheet)
//   ISA     AMX_TILE, AMX_BF16, and AVX-512 with its bf16 dot for all but products; strips of 32 rows
//   dtypes  bf16
//   layout  native pages of a multiple of 32 tokens are read in place, but for the ends of what a strip sees and
//           the last dims of keys where the head size is no multiple of 32; of other pages a strip copies the values.
//           Rows (contiguous, NHD, HND) are packed for few queries too: one kind of product for all keeps the bits
#define ATTNRT_KERNEL_ISA amx_bf16
#define ATTNRT_KERNEL_AMX
#include "../simd/amx_tile.hpp"
#include "decode_overlap.hpp"

namespace attnrt::cpu {
namespace {

namespace isa = kernel::amx_bf16;

static_assert(item_rows_for(Isa::amx_bf16, 0, 0, 0, false) == 8 * isa::kStripRows && isa::kMaxColumns == kMaxTileKeys);

/// The kernels for bf16, with the registers in use.
void attend_item(const AttentionCall& call, const AttentionItem& item, int32_t kv_head, std::byte* scratch) {
  const isa::TileRegisters registers;
  isa::attend_panels<isa::Bf16, isa::DotTile, isa::DotTile>(call, item, kv_head, scratch);
}
void attend_both(const AttentionCall& call, MixedWork& work, std::byte* scratch) {
  const isa::TileRegisters registers;
  isa::attend_mixed<isa::Bf16, isa::DotTile, isa::DotTile>(call, work, scratch);
}

}  // namespace

const AttentionKernels& amx_bf16_attention() noexcept {
  static constexpr AttentionKernels kernels{{nullptr, nullptr, {&attend_item, &attend_both}},
                                            {nullptr, nullptr, nullptr},
                                            &isa::panel_scratch_bytes,
                                            &isa::panel_split_floats,
                                            Isa::amx_bf16};
  return kernels;
}

}  // namespace attnrt::cpu
