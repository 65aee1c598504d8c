// SPDX-License-Identifier: Apache-2.0
#include "tune/contest.hpp"

#include <algorithm>
#include <chrono>

#include "bench/variants.hpp"
#include "setting.hpp"

namespace attnrt::cli {
namespace {

constexpr std::size_t kTrialRounds = 3;
constexpr double kFarBehind = 2.5;
/// One time of a round: the median of the runs that fit into this.
constexpr BenchEffort kEffort{0.003, 1.0, 1};

using Clock = std::chrono::steady_clock;
double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// The variants in question, as "BACKEND/variant", in the order of selection.
std::vector<BenchWish> entrants(const Runtime& runtime, const TuneCase& c, const std::vector<std::string>& backends) {
  BenchWish wish;
  wish.phase = c.phase;
  std::vector<BenchWish> out;
  for (const BenchWish& w : bench_variants(runtime, c.shape, c.dtype, wish, {}).measured) {
    const std::string backend = w.variant.substr(0, w.variant.find('/'));
    const bool wanted = backends.empty() || std::any_of(backends.begin(), backends.end(), [&](const std::string& name) {
                          return lower(name) == lower(backend);
                        });
    if (wanted && !w.variant.empty() && w.layout != ATTNRT_KV_CONTIGUOUS) out.push_back(w);
  }
  return out;
}

/// Leaves out whoever is far behind the fastest of its backend.
void drop_the_slow(std::vector<TuneContender>& contenders) {
  for (TuneContender& c : contenders)
    for (const TuneContender& other : contenders)
      c.dropped |= other.backend == c.backend && c.sample.best() > kFarBehind * other.sample.worst();
}

}  // namespace

TuneContest tune_contest(Runtime& runtime, const TuneCase& c, const std::vector<std::string>& backends,
                         const attnrt_executor* pool, double seconds) {
  TuneContest out;
  const auto start = Clock::now();
  const BenchData data(c.shape, c.dtype);
  std::vector<std::unique_ptr<BenchSetup>> setups;
  for (const BenchWish& wish : entrants(runtime, c, backends)) {
    auto setup = std::make_unique<BenchSetup>(runtime, data, wish, pool);
    const std::size_t slash = wish.variant.find('/');
    out.contenders.push_back(
        {wish.variant.substr(0, slash), wish.variant.substr(slash + 1), setup->problem(), {}, false});
    setup->run();  // caches and pages are warm when the first round begins
    setups.push_back(std::move(setup));
  }
  double busy = 0, waited = 0;
  const std::size_t n = setups.size();
  for (std::size_t round = 0; round < kMostTuneRounds && n > 0; ++round) {
    if (round >= kTuneRounds && since(start) > seconds) break;
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t at = (round + i) % n;
      if (out.contenders[at].dropped) continue;
      const auto from = Clock::now();
      const BenchTimes times = measure_times([&] { return setups[at]->timed_run(); }, kEffort, false);
      out.contenders[at].sample.add(times.median());
      busy += times.other_cpus * since(from);
      waited += since(from);
    }
    if (round + 1 == kTrialRounds) drop_the_slow(out.contenders);
  }
  out.other_cpus = waited > 0 ? busy / waited : 0;
  return out;
}

}  // namespace attnrt::cli
