// SPDX-License-Identifier: Apache-2.0
//
// caps.hpp: the capability sheets of triton_attn.
#ifndef ATTNRT_TRITON_ATTN_CAPS_HPP
#define ATTNRT_TRITON_ATTN_CAPS_HPP
#include "../triton/sheets.hpp"

namespace attnrt::triton {

/// Trees of speculated tokens: decoders whose last keys have a mask in the place of causality.
inline attnrt_caps tree_sheet(const ArchRanges& archs, const attnrt_sizes& heads) {
  attnrt_caps c = standard_sheet(ATTNRT_DEVICE_CUDA, archs, heads);
  c.features |= ATTNRT_FEATURE_TREE_MASK;
  c.attn_types = ATTNRT_ATTN_DECODER;
  return c;
}

}  // namespace attnrt::triton
#endif
