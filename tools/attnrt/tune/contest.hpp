// SPDX-License-Identifier: Apache-2.0
//
// tune/contest.hpp: the variants that can serve one shape, measured in turn.
#ifndef ATTNRT_CLI_TUNE_CONTEST_HPP
#define ATTNRT_CLI_TUNE_CONTEST_HPP
#include <memory>
#include <string>
#include <vector>

#include "bench/setup.hpp"
#include "tune/grid.hpp"
#include "tune/sample.hpp"

namespace attnrt::cli {

/// One variant on one shape.
struct TuneContender {
  std::string backend, variant;
  attnrt_problem problem{};  ///< as settled by the choice
  TuneSample sample;
  bool dropped = false;  ///< far behind, not measured to the end
};

struct TuneContest {
  std::vector<TuneContender> contenders;  ///< in the order of selection
  double other_cpus = 0;                  ///< CPUs that other processes had meanwhile, on average
};

/// Measures the variants of these backends (none named: of all) that selection could give the shape, in rounds, each
/// beginning with another variant, so that what the machine does meanwhile meets all alike. One that takes more than
/// 2.5 times as long as the fastest of its backend in all of three rounds is left out of the others. At least
/// kTuneRounds rounds, then more until `seconds` are over. Throws Error where a variant fails.
TuneContest tune_contest(Runtime& runtime, const TuneCase& c, const std::vector<std::string>& backends,
                         const attnrt_executor* pool, double seconds);

constexpr std::size_t kTuneRounds = 6, kMostTuneRounds = 25;

}  // namespace attnrt::cli
#endif
