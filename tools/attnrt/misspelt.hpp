// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_CLI_MISSPELT_HPP
#define ATTNRT_CLI_MISSPELT_HPP
#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace attnrt::cli {

/// What a line that the parser refused probably meant: ". Did you mean 'verify'?" for the first verb or flag that is
/// not known and has one near it; "" where there is none.
std::string misspelt(const CLI::App& app, const std::vector<std::string>& arguments);

}  // namespace attnrt::cli
#endif
