// SPDX-License-Identifier: Apache-2.0
//
// bench_plot.hpp: results as a picture.
#ifndef ATTNRT_CLI_BENCH_PLOT_HPP
#define ATTNRT_CLI_BENCH_PLOT_HPP
#include "bench_result.hpp"

namespace attnrt::cli {

/// Bars in SVG, a group for each case, dtype and number of threads, a bar for each variant: percent of the machine's
/// limit (reading memory for decodes, arithmetic for the rest), the rate beside it. Without limits: percent of the
/// group's fastest.
std::string bench_svg(const std::vector<BenchResult>& results, const std::vector<BenchLimits>& limits);

}  // namespace attnrt::cli
#endif
