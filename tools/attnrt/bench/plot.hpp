// SPDX-License-Identifier: Apache-2.0
//
// bench/plot.hpp: results as a picture.
#ifndef ATTNRT_CLI_BENCH_PLOT_HPP
#define ATTNRT_CLI_BENCH_PLOT_HPP
#include "bench/result.hpp"

namespace attnrt::cli {

/// Bars in SVG, a group for each case, dtype and number of threads, a bar for each variant: percent of the limit that
/// bounds it (reading memory for decodes, the unit that the variant multiplies with for the rest), the limit's name and
/// the rate beside it. Without limits: percent of the group's fastest. The picture is as wide as its labels need.
std::string bench_svg(const BenchReport& report);

}  // namespace attnrt::cli
#endif
