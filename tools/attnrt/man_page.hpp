// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_CLI_MAN_PAGE_HPP
#define ATTNRT_CLI_MAN_PAGE_HPP
#include <string>

#include "command_tree.hpp"

namespace attnrt::cli {

/// attnrt(1) in the man macros of troff, made from the help alone: verbs and flags with their descriptions, the
/// footer's paragraphs, and the environment variables that descriptions name in brackets. Without a date, so that equal
/// programs give equal pages.
std::string man_page(const CommandTree& tree, const std::string& version);

}  // namespace attnrt::cli
#endif
