// SPDX-License-Identifier: Apache-2.0
#include "bench_limits.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <new>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "bench_data.hpp"

namespace attnrt::cli {
namespace {

constexpr int kBursts = 12, kReads = 5;
constexpr int64_t kSteps = 400'000;
/// Independent sums: more than latency times width of any core.
constexpr int kSums = 16;

/// Keeps a result, so that the work for it is not left out.
volatile float kept;

/// A burst returns the floating-point operations it did.
using Burst = double (*)();

double fma_baseline() {
  using Vec = float __attribute__((vector_size(16)));
  Vec sum[kSums] = {}, a = Vec{} + 1.0001f, b = Vec{} + 1e-6f;
  for (int64_t i = 0; i < kSteps; ++i)
    for (int j = 0; j < kSums; ++j) sum[j] = sum[j] * a + b;
  for (int j = 1; j < kSums; ++j) sum[0] += sum[j];
  kept = sum[0][0];
  return 2.0 * 4 * kSums * static_cast<double>(kSteps);
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) double fma_avx2() {
  __m256 sum[12];
  for (__m256& s : sum) s = _mm256_setzero_ps();
  const __m256 a = _mm256_set1_ps(0.999f), b = _mm256_set1_ps(1e-6f);
  for (int64_t i = 0; i < kSteps; ++i)
#pragma GCC unroll 12
    for (int j = 0; j < 12; ++j) sum[j] = _mm256_fmadd_ps(sum[j], a, b);
  for (int j = 1; j < 12; ++j) sum[0] = _mm256_add_ps(sum[0], sum[j]);
  kept = _mm256_cvtss_f32(sum[0]);
  return 2.0 * 8 * 12 * static_cast<double>(kSteps);
}

__attribute__((target("avx512f"))) double fma_avx512() {
  __m512 sum[kSums];
  for (__m512& s : sum) s = _mm512_setzero_ps();
  const __m512 a = _mm512_set1_ps(0.999f), b = _mm512_set1_ps(1e-6f);
  for (int64_t i = 0; i < kSteps; ++i)
#pragma GCC unroll 16
    for (int j = 0; j < kSums; ++j) sum[j] = _mm512_fmadd_ps(sum[j], a, b);
  for (int j = 1; j < kSums; ++j) sum[0] = _mm512_add_ps(sum[0], sum[j]);
  kept = _mm512_cvtss_f32(sum[0]);
  return 2.0 * 16 * kSums * static_cast<double>(kSteps);
}

__attribute__((target("avx512f,avx512bf16"))) double dot_avx512() {
  __m512 sum[kSums];
  for (__m512& s : sum) s = _mm512_setzero_ps();
  const __m512i words = _mm512_set1_epi32(0x3c003c00);
  __m512bh a;
  std::memcpy(&a, &words, sizeof a);
  for (int64_t i = 0; i < kSteps; ++i)
#pragma GCC unroll 16
    for (int j = 0; j < kSums; ++j) sum[j] = _mm512_dpbf16_ps(sum[j], a, a);
  for (int j = 1; j < kSums; ++j) sum[0] = _mm512_add_ps(sum[0], sum[j]);
  kept = _mm512_cvtss_f32(sum[0]);
  return 2.0 * 32 * kSums * static_cast<double>(kSteps);
}
#endif

Burst widest_fma() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return &fma_avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &fma_avx2;
#endif
  return &fma_baseline;
}

Burst widest_dot() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512bf16")) return &dot_avx512;
#endif
  return nullptr;
}

/// One piece for each worker; the time of all of them.
template <class Piece>
double together(const attnrt_executor* pool, Piece&& piece) {
  const auto start = std::chrono::steady_clock::now();
  pool->parallel_for(
      pool->self, pool->num_workers, 1,
      [](void* arg, int64_t begin, int64_t end, uint32_t) {
        for (int64_t i = begin; i < end; ++i) (*static_cast<std::remove_reference_t<Piece>*>(arg))(i);
      },
      &piece);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double best_gflops(const attnrt_executor* pool, Burst burst) {
  double best = 0;
  for (int i = 0; i < kBursts; ++i) {
    std::vector<double> done(pool->num_workers);
    const double seconds = together(pool, [&](int64_t worker) { done[static_cast<std::size_t>(worker)] = burst(); });
    double all = 0;
    for (const double d : done) all += d;
    best = std::max(best, all / seconds * 1e-9);
  }
  return best;
}

double sum_words(const std::byte* data, std::size_t bytes) {
  using Vec = uint64_t __attribute__((vector_size(64)));
  Vec sum[4] = {};
  for (std::size_t at = 0; at + 256 <= bytes; at += 256)
    for (std::size_t j = 0; j < 4; ++j) {
      Vec v;
      std::memcpy(&v, data + at + 64 * j, sizeof v);
      sum[j] += v;
    }
  const Vec all = sum[0] + sum[1] + sum[2] + sum[3];
  return static_cast<double>(all[0] + all[3] + all[5]);
}

double best_read(const attnrt_executor* pool) {
  const long l3 = ::sysconf(_SC_LEVEL3_CACHE_SIZE);
  const std::size_t bytes = std::clamp<std::size_t>(static_cast<std::size_t>(std::max(l3, 0L)) * 8,
                                                    std::size_t{256} << 20, std::size_t{2} << 30);
  const LargeBytes memory(bytes);
  std::memset(memory.data(), 1, bytes);
  const std::size_t share = bytes / pool->num_workers / 256 * 256;
  double best = 0;
  for (int i = 0; i < kReads; ++i) {
    const double seconds = together(pool, [&](int64_t worker) {
      kept = static_cast<float>(sum_words(memory.data() + static_cast<std::size_t>(worker) * share, share));
    });
    best = std::max(best, static_cast<double>(share * pool->num_workers) / seconds * 1e-9);
  }
  return best;
}

}  // namespace

BenchLimits measure_limits(const attnrt_executor* pool) {
  BenchLimits limits;
  limits.threads = pool->num_workers;
  limits.fma_gflops = best_gflops(pool, widest_fma());
  if (const Burst dot = widest_dot()) limits.bf16_dot_gflops = best_gflops(pool, dot);
  try {
    limits.read_gbs = best_read(pool);
  } catch (const std::bad_alloc&) {  // a machine without the memory for it has no such limit to tell
  }
  return limits;
}

}  // namespace attnrt::cli
