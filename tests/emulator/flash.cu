// SPDX-License-Identifier: Apache-2.0
//
// A small FlashAttention-2 (arXiv:2307.08691) for the tests of the emulator: what nvcc makes of mma.sync, ldmatrix and
// cp.async. q [T, H, D], k and v [S, H, D] of one request, fp16, causal from the last key on; out [T, H, D], lse [T,
// H]. A block of four warps serves 64 rows of one head; keys come in tiles of 32, two of them in flight. Shared rows
// are of 128 bytes, whose 16-byte pieces are exchanged by the row's number, so that ldmatrix meets no bank twice.
#include <cuda_fp16.h>

#include <cstdint>

namespace {

constexpr int kHead = 64, kRows = 64, kKeys = 32, kThreads = 128;

struct Arguments {
  __half* out;
  const __half *q, *k, *v;
  float* lse;
  int tokens, keys, heads;
  float scale;  // of the scores, times log2(e)
};

__device__ uint32_t place(const void* tile, int row, int piece) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(tile)) + row * 128 + ((piece ^ (row & 7)) << 4);
}
__device__ void copy_16(uint32_t to, const void* from, bool there) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(there ? 16 : 0));
}
__device__ void load(uint32_t (&r)[4], uint32_t from) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(from));
}
__device__ void load_transposed(uint32_t (&r)[4], uint32_t from) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(from));
}
__device__ void multiply(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
__device__ uint32_t pack(float low, float high) {
  const __half2 both = __floats2half2_rn(low, high);
  return *reinterpret_cast<const uint32_t*>(&both);
}
template <class F>
__device__ float over_row(float x, F f) {  // the four lanes that share a row
  x = f(x, __shfl_xor_sync(~0u, x, 1));
  return f(x, __shfl_xor_sync(~0u, x, 2));
}

}  // namespace

extern "C" __global__ void __launch_bounds__(kThreads) flash(const __grid_constant__ Arguments g) {
  __shared__ __align__(1024) __half q_tile[kRows * kHead], k_tile[2][kKeys * kHead], v_tile[2][kKeys * kHead];
  const int first = blockIdx.x * kRows, head = blockIdx.y, thread = threadIdx.x, warp = thread / 32, lane = thread % 32;
  const auto fetch = [&](const void* tile, const __half* from, int row0, int rows, int count) {
    for (int i = thread; i < count * 8; i += kThreads) {
      const int row = i / 8, piece = i % 8, source = row0 + row;
      copy_16(place(tile, row, piece), from + (int64_t{min(source, rows - 1)} * g.heads + head) * kHead + piece * 8,
              source < rows);
    }
  };
  const auto fetch_keys = [&](int tile) {
    fetch(k_tile[tile % 2], g.k, tile * kKeys, g.keys, kKeys);
    fetch(v_tile[tile % 2], g.v, tile * kKeys, g.keys, kKeys);
    asm volatile("cp.async.commit_group;");
  };
  const int last_key = min(first + kRows, g.tokens) - 1 + g.keys - g.tokens, tiles = last_key / kKeys + 1;
  fetch(q_tile, g.q, first, g.tokens, kRows);
  fetch_keys(0);

  float sums[kHead / 8][4] = {}, top[2] = {-1e30f, -1e30f}, total[2] = {0, 0};
  for (int tile = 0; tile < tiles; ++tile) {
    if (tile + 1 < tiles) {
      fetch_keys(tile + 1);
      asm volatile("cp.async.wait_group 1;");
    } else {
      asm volatile("cp.async.wait_group 0;");
    }
    __syncthreads();
    float scores[kKeys / 8][4] = {};
    for (int d = 0; d < kHead / 16; ++d) {
      uint32_t a[4];
      load(a, place(q_tile, warp * 16 + lane % 16, d * 2 + lane / 16));
      for (int n = 0; n < kKeys / 16; ++n) {
        uint32_t b[4];
        load(b, place(k_tile[tile % 2], n * 16 + lane / 16 * 8 + lane % 8, d * 2 + lane / 8 % 2));
        multiply(scores[2 * n], a, b[0], b[1]);
        multiply(scores[2 * n + 1], a, b[2], b[3]);
      }
    }
    for (int half = 0; half < 2; ++half) {
      const int visible = first + warp * 16 + half * 8 + lane / 4 + g.keys - g.tokens;
      float highest = top[half];
      for (int n = 0; n < kKeys / 8; ++n)
        for (int e = 0; e < 2; ++e) {
          const int key = tile * kKeys + n * 8 + lane % 4 * 2 + e;
          float& score = scores[n][half * 2 + e];
          score = key <= visible ? score * g.scale : -INFINITY;
          highest = fmaxf(highest, score);
        }
      highest = over_row(highest, [](float x, float y) { return fmaxf(x, y); });
      const float shrink = exp2f(top[half] - highest);
      top[half] = highest;
      total[half] *= shrink;
      for (int n = 0; n < kHead / 8; ++n) sums[n][half * 2] *= shrink, sums[n][half * 2 + 1] *= shrink;
      for (int n = 0; n < kKeys / 8; ++n)
        for (int e = 0; e < 2; ++e) {
          float& score = scores[n][half * 2 + e];
          score = exp2f(score - highest);
          total[half] += score;
        }
    }
    for (int n = 0; n < kKeys / 16; ++n) {
      const uint32_t p[4] = {pack(scores[2 * n][0], scores[2 * n][1]), pack(scores[2 * n][2], scores[2 * n][3]),
                             pack(scores[2 * n + 1][0], scores[2 * n + 1][1]),
                             pack(scores[2 * n + 1][2], scores[2 * n + 1][3])};
      for (int d = 0; d < kHead / 16; ++d) {
        uint32_t b[4];
        load_transposed(b, place(v_tile[tile % 2], n * 16 + lane % 16, d * 2 + lane / 16));
        multiply(sums[2 * d], p, b[0], b[1]);
        multiply(sums[2 * d + 1], p, b[2], b[3]);
      }
    }
    __syncthreads();
  }
  for (int half = 0; half < 2; ++half) {
    const float all = over_row(total[half], [](float x, float y) { return x + y; });
    const int row = first + warp * 16 + half * 8 + lane / 4;
    if (row >= g.tokens) continue;
    auto* const out = reinterpret_cast<uint32_t*>(g.out + (int64_t{row} * g.heads + head) * kHead);
    for (int n = 0; n < kHead / 8; ++n)
      out[n * 4 + lane % 4] = pack(sums[n][half * 2] / all, sums[n][half * 2 + 1] / all);
    if (lane % 4 == 0) g.lse[row * g.heads + head] = (top[half] + log2f(all)) * 0.6931471805599453f;
  }
}
