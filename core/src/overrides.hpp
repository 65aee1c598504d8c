// SPDX-License-Identifier: Apache-2.0
//
// What a user's options, attention config and variables say about a selection, in their order of strength.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "attention_config.hpp"
#include "choice.hpp"
#include "options.hpp"
#include "phases.hpp"

namespace attnrt::core {

/// Does this name leave the choice to attnrt: "" or "auto"?
bool is_auto(const std::string& name);

/// Which backends are wished for; `forced` is stronger than all else. Reads the environment, where the options allow it.
Wishes wishes(const Options& options, const AttentionConfig& config, const std::optional<Override>& forced);
/// The value of each of the table's switches; notes say which values have no effect.
std::vector<SwitchValue> switch_values(const Options& options, const AttentionConfig& config, const Catalog& catalog,
                                       std::vector<std::string>& notes);
/// The problem with what VLLM_BATCH_INVARIANT asks of it.
attnrt_problem with_invariance(attnrt_problem problem, const Options& options, std::vector<std::string>& notes);

}  // namespace attnrt::core
