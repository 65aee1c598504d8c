// SPDX-License-Identifier: Apache-2.0
//
// tile_limit: how near a bare register tile comes to the processor's FMA rate in the same moments, as an upper bound on
// what prefill can reach there: its two products as prefill computes them (fp32, head size 128), with panels that stay
// in the nearest caches, without softmax, masks or memory. Rounds take turns; medians are printed.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#define ATTNRT_KERNEL_ISA avx512
#include "simd/panel_tile.hpp"

using namespace attnrt::kernel::ATTNRT_KERNEL_ISA;

namespace {

constexpr int kRounds = 60, kStrips = 24;
constexpr int64_t kDims = 128, kKeys = 256, kWidth = 64;

double seconds_of(auto&& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

constexpr int kChains = 12;  // more than the latency of one times two a cycle

[[gnu::noinline]] Vec multiply_add(int64_t steps, Vec a, Vec b) {
  Vec acc[kChains];
  for (int j = 0; j < kChains; ++j) acc[j] = broadcast(static_cast<float>(j));  // equal chains would become one
  for (int64_t i = 0; i < steps; ++i) {
    ATTNRT_KERNEL_UNROLL
    for (int j = 0; j < kChains; ++j) acc[j] = madd(acc[j], a, b);
    asm volatile("" : "+v"(a), "+v"(b));  // no step is known before it is done
  }
  ATTNRT_KERNEL_UNROLL
  for (int j = 1; j < kChains; ++j) acc[0] += acc[j];
  return acc[0];
}

/// GF/s of independent chains in registers.
double multiply_adds() {
  constexpr int64_t kSteps = 1'000'000;
  const double seconds = seconds_of([] {
    Vec sum = multiply_add(kSteps, broadcast(1.0001f), broadcast(1e-9f));
    asm volatile("" : "+v"(sum));
  });
  return 2e-9 * kSteps * kChains * kLanes / seconds;
}

/// On whole lines, as a plan's scratch and pages of a cache are.
struct Panels {
  alignas(64) float a[kStrips * kTileRows * kKeys];
  alignas(64) float b[2 * kKeys * kDims];
  alignas(64) float c[kStrips * kTileRows * kKeys];
};

/// GF/s of scores: tiles of 64 keys, all strips of rows against one before the next.
double scores(Panels& p) {
  constexpr int kTimes = 20;
  ScoreOperands<DotFp32> t{};
  t.lda = kDims;
  t.step_bytes = kWidth * 4;
  t.steps = kDims;
  t.sum_block = kDims / 2;
  t.ldc = kKeys;
  const double seconds = seconds_of([&] {
    for (int i = 0; i < kTimes; ++i)
      for (int64_t key = 0; key < kKeys; key += kWidth)
        for (int strip = 0; strip < kStrips; ++strip) {
          t.a = p.a + strip * kTileRows * kDims;
          t.c = p.c + strip * kTileRows * kKeys + key;
          for (int j = 0; j < kTileVectors; ++j)
            t.b[j] = reinterpret_cast<const char*>(p.b + key * kDims + j * kLanes);
          PanelTiles<DotFp32, Prefetch::kNone>::scores(t, kTileRows, kTileVectors);
        }
  });
  return 2e-9 * kTimes * kKeys * kDims * kStrips * kTileRows / seconds;
}

/// GF/s of values: panels of 64 dims of 256 keys.
double values(Panels& p) {
  constexpr int kTimes = 20;
  static constexpr float kOnes[kTileRows] = {1, 1, 1, 1, 1, 1};
  ValueSegment segment{nullptr, nullptr, kKeys};
  ValueOperands<DotFp32> t{};
  t.lda = kKeys;
  t.step_bytes = kWidth * 4;
  t.ldc = kDims;
  t.segments = &segment;
  t.num_segments = 1;
  t.factors = kOnes;
  const double seconds = seconds_of([&] {
    for (int i = 0; i < kTimes; ++i)
      for (int64_t dim = 0; dim < kDims; dim += kWidth)
        for (int strip = 0; strip < kStrips; ++strip) {
          segment.b = reinterpret_cast<const char*>(p.b + (kDims + dim) * kKeys);
          t.a = p.a + strip * kTileRows * kKeys;
          t.c = p.c + strip * kTileRows * kDims + dim;
          PanelTiles<DotFp32, Prefetch::kNone>::values(t, kTileRows, kTileVectors);
        }
  });
  return 2e-9 * kTimes * kKeys * kDims * kStrips * kTileRows / seconds;
}

}  // namespace

int main() {
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw")) {
    std::fprintf(stderr, "tile_limit: this processor has no AVX-512, wanted F and BW\n");
    return 2;
  }
  static Panels panels;
  std::vector<double> rate[3];
  for (int round = 0; round < kRounds; ++round) {
    rate[0].push_back(multiply_adds());
    rate[1].push_back(scores(panels));
    rate[2].push_back(values(panels));
  }
  const char* name[3] = {"multiply-add", "scores", "values"};
  for (int i = 0; i < 3; ++i) {
    std::sort(rate[i].begin(), rate[i].end());
    std::printf("%-12s median %4.0f GF/s, best %4.0f GF/s\n", name[i], rate[i][kRounds / 2], rate[i].back());
  }
}
