// SPDX-License-Identifier: Apache-2.0
//
// write_kv.cu: rows of K and V into a paged cache, attnrt_write_args (data sheet)
//   grid      x: num_tokens, y: num_kv_heads; row i goes to block slot_mapping[i] / block_size, slot slot_mapping[i] %
//             block_size; a negative slot is skipped
//   copies    rows in the cache's dtype, bits unchanged, 16 bytes at a time where all is aligned
//   e4m3      rows of fp16 or bf16: the fp32 quotient value / scale rounded to nearest even, what is too large becomes
//             448, NaN stays NaN; by bits rather than by instruction, since 8.0 has none: alike on every architecture
#include "arguments.cuh"
#include "mma.cuh"

namespace attnrt::flash {

constexpr int kWriteThreads = 32;

/// The bits of the e4m3 number nearest to x.
__device__ inline unsigned char to_e4m3(float x) {
  constexpr float largest = 448, smallest_normal = 0.015625f, steps = 16384;  // 2^23 steps of 2^-9
  const unsigned sign = __float_as_uint(x) >> 24 & 0x80;
  if (x != x) return static_cast<unsigned char>(sign | 0x7f);
  const float size = fminf(fabsf(x), largest);
  const unsigned bits = __float_as_uint(size);
  const unsigned normal = ((bits + 0x7ffff + (bits >> 20 & 1)) >> 20) - (120u << 3);
  const unsigned small = __float_as_uint(size + steps) & 0x7f;  // a sum with 2^23 steps rounds to them
  return static_cast<unsigned char>(sign | (size < smallest_normal ? small : normal));
}

// Copies or converts one row.
__device__ inline void write_row(const WriteKvArguments& g, const char* from, char* to, int size, float scale) {
  if (g.flags & kCacheFp8) {
    const auto* const rows = reinterpret_cast<const unsigned short*>(from);
    for (int i = threadIdx.x; i < size; i += kWriteThreads) {
      const float x = g.flags & kRowsBf16 ? Bfloat::widen(rows[i]) : Half::widen(rows[i]);
      to[i] = static_cast<char>(to_e4m3(x / scale));
    }
  } else if (g.flags & kAligned) {
    for (int i = threadIdx.x; i < size * g.element_bytes / 16; i += kWriteThreads)
      reinterpret_cast<float4*>(to)[i] = reinterpret_cast<const float4*>(from)[i];
  } else {
    for (int i = threadIdx.x; i < size * g.element_bytes; i += kWriteThreads) to[i] = from[i];
  }
}

extern "C" __global__ void __launch_bounds__(kWriteThreads) write_kv(const __grid_constant__ WriteKvArguments g) {
  const long long token = blockIdx.x, head = blockIdx.y;
  const long long place = reinterpret_cast<const long long*>(g.slot_mapping_ptr)[token * g.slot_stride];
  if (place < 0) return;
  const long long block = place / g.block_size, slot = place - block * g.block_size;
  const int row_bytes = g.flags & kCacheFp8 ? 2 : g.element_bytes;  // a row's element
  const float k_scale =
      g.flags & kKScale ? reinterpret_cast<const float*>(g.k_scale_ptr)[head * g.k_scale_stride_head] : 1;
  const float v_scale =
      g.flags & kVScale ? reinterpret_cast<const float*>(g.v_scale_ptr)[head * g.v_scale_stride_head] : 1;
  write_row(
      g, g.k_ptr + (token * g.k_stride_token + head * g.k_stride_head) * row_bytes,
      g.k_cache_ptr + (block * g.k_cache_stride_block + slot * g.k_cache_stride_slot + head * g.k_cache_stride_head) *
                          g.element_bytes,
      g.head_size_qk, k_scale);
  write_row(
      g, g.v_ptr + (token * g.v_stride_token + head * g.v_stride_head) * row_bytes,
      g.v_cache_ptr + (block * g.v_cache_stride_block + slot * g.v_cache_stride_slot + head * g.v_cache_stride_head) *
                          g.element_bytes,
      g.head_size_v, v_scale);
}

}  // namespace attnrt::flash
