// SPDX-License-Identifier: Apache-2.0
//
// kv8_cache.hpp: the native cache of 8 bits, fp8 and int8 (data sheet)
//   storage  e4m3, e5m2, int8 in pages of simd/panel_layout.hpp, chunks of 64 bytes that become two vectors
//            of bf16 pairs; scales of rows, where there are any, together behind the page's values
//   scales   as in kv_cache.hpp
//   sharing  every variant of CPU_ATTN that takes native pages of 8 bits reads and writes the same ones
#ifndef ATTNRT_CPU_ATTN_KV8_CACHE_HPP
#define ATTNRT_CPU_ATTN_KV8_CACHE_HPP
#include <cstdint>

#include "../simd/panel_layout.hpp"
#include "attnrt/plugin.h"

namespace attnrt::cpu {

struct CachePart;

/// Do keys and values have 8 bits? [thread-safe]
constexpr bool kv_8bit(const attnrt_problem& p) { return p.kv_dtype >= ATTNRT_FP8_E4M3; }

/// Rows of keys and of values to the pages of their slots, -1 skipped; writes nothing but those rows. `cache` holds
/// pages of `page` and numbers of `dtype`; the parts' own caches are not looked at. [thread-safe]
void write_kv8_pages(const kernel::PanelLayout& page, uint32_t dtype, const attnrt_tensor& cache,
                      const CachePart (&parts)[2], const attnrt_tensor& slot_mapping, attnrt_stream stream);

/// The rows of each request, packed at kv_start_loc. [thread-safe]
void gather_kv8_pages(const kernel::PanelLayout& page, uint32_t dtype, const attnrt_tensor& cache,
                       const CachePart (&parts)[2], const attnrt_gather_args& args, attnrt_stream stream);

}  // namespace attnrt::cpu
#endif
