// SPDX-License-Identifier: Apache-2.0
//
// bench_table.hpp: a report of `attnrt bench` as text: for people, for a page, for a spreadsheet. docs/bench.md tells
// what the columns mean.
#ifndef ATTNRT_CLI_BENCH_TABLE_HPP
#define ATTNRT_CLI_BENCH_TABLE_HPP
#include "bench/result.hpp"

namespace attnrt::cli {

/// A line for each result, variants of a case below each other, the fastest marked; then what was left out and why.
std::string bench_table(const BenchReport& report);
/// The same columns as bench_csv() but for those that a reader of a page does not need.
std::string bench_markdown(const BenchReport& report);
/// RFC 4180 with a header line and lines that end in a newline alone. The columns keep their names and order; new ones
/// come last. A variant without a result has a reason and no numbers.
std::string bench_csv(const BenchReport& report);

}  // namespace attnrt::cli
#endif
