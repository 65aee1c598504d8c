// SPDX-License-Identifier: Apache-2.0
//
// What a selection weighed and what came of it, as data: made by select.hpp, told by reasons.hpp and explain.hpp.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "catalog.hpp"
#include "match.hpp"

namespace attnrt::core {

/// Who asked for a backend, strongest first.
enum class Source { scoped_force, global_force, argument, environment, automatic };
const char* source_name(Source source);

/// A wish for a backend: "FLASH_ATTN" or "FLASH_ATTN/FA2".
struct Override {
  Source source = Source::automatic;
  std::string value;
  std::string origin;  ///< for people: "--attention-backend", "VLLM_ATTENTION_BACKEND"
  bool strict = true;  ///< one that cannot be honoured is an error, else a warning
};

/// The value of each switch of the table, in order; `set` tells who set it ("" = nobody, the preset holds).
struct SwitchValue {
  std::string value, set_by;
};

/// One variant's place in a choice.
struct Verdict {
  const attnrt_variant* variant = nullptr;
  Match match;
  const std::string* unavailable = nullptr;  ///< the state's own sentence
  const Switch* disabled = nullptr;
  const Timing* timing = nullptr;              ///< measured here, on problems like this one; NULL = it was not
  const std::string* disabled_name = nullptr;  ///< the variable or key that set the switch
  bool ok() const noexcept { return match.ok() && !unavailable && !disabled; }
  int count() const noexcept { return match.count() + (unavailable ? 1 : 0) + (disabled ? 1 : 0); }
};

/// One name of the ranking with all that speaks against it.
struct Candidate {
  const Slot* slot = nullptr;
  std::size_t first = 0, count = 0;  ///< its verdicts in Choice::verdicts; none where it is not installed
};

/// The result of a selection. Immutable; keeps its catalog alive. Texts are built by explain.hpp when somebody reads
/// them.
struct Choice {
  std::shared_ptr<const Catalog> catalog;
  attnrt_problem problem{};  ///< settled where there is a winner
  uint32_t block_size = 0;   ///< the cache manager's, a multiple of problem.block_size; 0 = no cache
  attnrt_kv_layout kv_layout{};
  bool attention_free = false;
  const BackendEntry* backend = nullptr;
  const attnrt_variant* variant = nullptr;
  bool verified = false;              ///< the ledger knows that these kernels passed on this kind of device
  Source source = Source::automatic;  ///< who decided
  Override wish;                      ///< what was wished for, source automatic = nothing
  bool honoured = false;
  std::string wish_reasons;  ///< why it was not, "" = it was
  const Rule* rule = nullptr;
  const TunedTimes* tuned = nullptr;  ///< what was measured of problems like this one; NULL = nothing
  bool by_measurement = false;        ///< backends are ranked by it, not by the rule alone
  std::vector<Candidate> candidates;  ///< in rank order
  std::vector<Verdict> verdicts;
  std::vector<std::string> warnings;
  Status status;                          ///< why there is no winner; OK = there is one
  std::shared_ptr<const Choice> prefill;  ///< MLA asked for both phases
};

/// The verdict of a candidate that stands for it: a valid one, else the one with the fewest refusals; NULL = not
/// installed.
const Verdict* best_verdict(const Choice& choice, const Candidate& candidate);

}  // namespace attnrt::core
