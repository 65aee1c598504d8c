// SPDX-License-Identifier: Apache-2.0
//
// native_cache.hpp: the native cache: pages that register tiles read in place (data sheet)
//   storage  fp32, fp16, bf16; [block][KV head] pages of plugins/cpu_attn/simd/panel_layout.hpp, bf16 in pairs
//   shapes   block sizes in multiples of 16, best in multiples of 64; rows are split over the executor's workers
//   sharing  every variant of CPU_ATTN that takes native pages reads and writes the same ones
#ifndef ATTNRT_CPU_ATTN_NATIVE_CACHE_HPP
#define ATTNRT_CPU_ATTN_NATIVE_CACHE_HPP
#include "../simd/panel_layout.hpp"
#include "attnrt/plugin.h"

namespace attnrt::cpu {

/// The page of one block and KV head. [thread-safe]
kernel::PanelLayout native_page(const attnrt_problem& problem);

/// Of numbers of 8 bits too (kv8_cache.hpp). Whole blocks may be copied; strides are 0. Throws UNSUPPORTED where
/// block_size is no multiple of 16. [thread-safe]
attnrt_kv_layout native_cache_layout(const attnrt_problem& problem);

/// Rows of 16 and 32 bits to their slots, -1 skipped; writes nothing but those rows. [thread-safe]
void write_native_pages(const attnrt_problem& problem, const attnrt_write_args& args, attnrt_stream stream);

/// The rows of each request, packed at kv_start_loc. [thread-safe]
void gather_native_pages(const attnrt_problem& problem, const attnrt_gather_args& args, attnrt_stream stream);

}  // namespace attnrt::cpu
#endif
