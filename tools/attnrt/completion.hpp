// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_CLI_COMPLETION_HPP
#define ATTNRT_CLI_COMPLETION_HPP
#include <string>

#include "command_tree.hpp"

namespace attnrt::cli {

/// Scripts that complete verbs, flags, files, folders and the values that are one of a few words. Each is a whole file
/// for the folder where its shell looks, and may be sourced as well. bash needs version 4 and no further package.
std::string bash_completion(const CommandTree& tree);
std::string zsh_completion(const CommandTree& tree);
std::string fish_completion(const CommandTree& tree);

}  // namespace attnrt::cli
#endif
