// SPDX-License-Identifier: Apache-2.0
#include "bench/limits.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "attnrt/amx.hpp"
#include "attnrt/cpu_isa.hpp"
#include "bench/data.hpp"
#include "bench/device_timer.hpp"

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

/// Four sums in tiles 0 to 3, for a product's latency is about four times its cost; the factors in 4 to 7 are zero, as
/// AMX takes its time whatever it multiplies. Written as instructions: g++ and clang spell the intrinsics differently.
double dot_amx() {
  struct Config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
  };
  static_assert(sizeof(Config) == 64);
  alignas(64) static constexpr Config config{
      1, 0, {}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};
  constexpr int64_t steps = kSteps / 10;
  __asm__ volatile(
      "ldtilecfg %0\n\ttilezero %%tmm0\n\ttilezero %%tmm1\n\ttilezero %%tmm2\n\ttilezero %%tmm3\n\t"
      "tilezero %%tmm4\n\ttilezero %%tmm5\n\ttilezero %%tmm6\n\ttilezero %%tmm7" ::"m"(config));
  for (int64_t i = 0; i < steps; ++i)
    __asm__ volatile(
        "tdpbf16ps %tmm6, %tmm4, %tmm0\n\ttdpbf16ps %tmm7, %tmm4, %tmm1\n\t"
        "tdpbf16ps %tmm6, %tmm5, %tmm2\n\ttdpbf16ps %tmm7, %tmm5, %tmm3");
  __asm__ volatile("tilerelease");
  return 2.0 * 16 * 16 * 32 * 4 * static_cast<double>(steps);
}
#endif

/// NULL where the processor lacks the unit or the system does not permit it to this process.
Burst burst_of(BenchUnit unit) {
#if defined(__x86_64__)
  const uint64_t isa = sdk::cpu_isa();
  switch (unit) {
    case BenchUnit::baseline:
      return &fma_baseline;
    case BenchUnit::avx2_fma:
      return isa & ATTNRT_ISA_AVX2 ? &fma_avx2 : nullptr;
    case BenchUnit::avx512_fma:
      return isa & ATTNRT_ISA_AVX512 ? &fma_avx512 : nullptr;
    case BenchUnit::bf16_dot:
      return isa & ATTNRT_ISA_AVX512_BF16 ? &dot_avx512 : nullptr;
    case BenchUnit::amx_bf16:
      return isa & ATTNRT_ISA_AMX_BF16 && sdk::request_amx().empty() ? &dot_amx : nullptr;
  }
#endif
  return unit == BenchUnit::baseline ? &fma_baseline : nullptr;
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

double BenchLimits::widest_fma() const noexcept {
  for (const BenchUnit unit : {BenchUnit::avx512_fma, BenchUnit::avx2_fma})
    if (of(unit) > 0) return of(unit);
  return of(BenchUnit::baseline);
}

BenchLimits measure_limits(const attnrt_executor* pool) {
  BenchLimits limits;
  limits.threads = pool->num_workers;
  for (std::size_t unit = 0; unit < kBenchUnits; ++unit)
    if (const Burst burst = burst_of(static_cast<BenchUnit>(unit))) limits.gflops[unit] = best_gflops(pool, burst);
  try {
    limits.read_gbs = best_read(pool);
  } catch (const std::bad_alloc&) {  // a machine without the memory for it has no such limit to tell
  }
  return limits;
}

BenchLimits measure_limits(conformance::Memory& memory, const std::string& device) {
  constexpr std::size_t bytes = std::size_t{1} << 30;
  BenchLimits limits;
  limits.device = device;
  const std::unique_ptr<void, std::function<void(void*)>> both(memory.allocate(2 * bytes, 256), [&memory](void* data) {
    if (data) memory.release(data);
  });
  auto* const data = static_cast<std::byte*>(both.get());
  if (!data) {  // a device without the memory for it has no such limit to tell
    (void)memory.trouble();
    return limits;
  }
  memory.fill(data, 1, 2 * bytes);
  DeviceTimer timer(memory, [&] { memory.copy_within(data + bytes, data, bytes, memory.stream()); });
  for (int i = 0; i < kReads; ++i)
    if (const double seconds = timer.seconds(); seconds > 0)
      limits.read_gbs = std::max(limits.read_gbs, 2e-9 * static_cast<double>(bytes) / seconds);
  return limits;
}

}  // namespace attnrt::cli
