// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "attnrt/plugin.h"

namespace attnrt::core {

/// The problems of a real CPU for which one measurement speaks: those of one family, phase and dtype whose head size
/// and GQA group are near those that were measured.
struct TunedClass {
  uint32_t family = 0;     ///< ATTNRT_FAMILY_*
  uint32_t phase = 0;      ///< one ATTNRT_PHASE_*
  uint32_t dtype = 0;      ///< of q, k, v, cache and output
  uint32_t head_size = 0;  ///< the largest it speaks for: 64, 128, 256; it speaks down to more than half of it
  uint32_t gqa_group = 0;  ///< 1; 4, for 2 to 4; 8, for all larger ones; MLA: 0
  bool operator==(const TunedClass&) const = default;
};

/// The class of a problem; nothing where `attnrt tune` measures none like it: other devices, hardware that is not here,
/// a cache of another type, features that change what is done for each key, encoders, speculative decoding, the
/// prefill of MLA. Nor where batch invariance is asked for: measuring must not change whose bits such a user gets.
/// Pure.
std::optional<TunedClass> tuned_class(const attnrt_problem& problem);

/// "decode, bf16, head size 128, 4 query heads a KV head"
std::string describe(const TunedClass& tuned);

/// The layout that a choice gives the cache, of those that a problem and a sheet have in common; 0 = none.
uint32_t first_layout(uint32_t kv_layouts) noexcept;
/// `kv_layouts` without the one that comes first: what is tried next.
inline uint32_t without_first_layout(uint32_t kv_layouts) noexcept { return kv_layouts & ~first_layout(kv_layouts); }

}  // namespace attnrt::core
