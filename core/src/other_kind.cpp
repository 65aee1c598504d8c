// SPDX-License-Identifier: Apache-2.0
#include "other_kind.hpp"

#include <algorithm>

#include "problem.hpp"
#include "words.hpp"

namespace attnrt::core {
namespace {

/// A sheet whose values never have the width of their keys: the prefill half of MLA.
bool widths_always_differ(const attnrt_caps& caps) {
  const attnrt_sizes& qk = *caps.head_sizes;
  if (!caps.head_sizes_v || qk.multiple != 0) return false;
  return std::none_of(qk.list, qk.list + qk.list_count,
                      [&caps](uint32_t size) { return sdk::admits(*caps.head_sizes_v, size); });
}

bool was_asked_for(const Choice& choice, const Candidate& candidate) {
  const std::string name = choice.wish.value.substr(0, choice.wish.value.find('/'));
  return choice.wish.source != Source::automatic && equal_ignoring_case(name, candidate.slot->name);
}

}  // namespace

bool of_other_kind(const Choice& choice, const Candidate& candidate) {
  if (candidate.count == 0 || was_asked_for(choice, candidate)) return false;
  const attnrt_problem& p = choice.problem;
  const auto first = choice.verdicts.begin() + static_cast<std::ptrdiff_t>(candidate.first);
  const auto last = first + static_cast<std::ptrdiff_t>(candidate.count);
  const bool serves_mla =
      std::any_of(first, last, [](const Verdict& v) { return (v.variant->caps->families & ATTNRT_FAMILY_MLA) != 0; });
  const bool standard = p.family == ATTNRT_FAMILY_STANDARD && !is_mla_prefill(p);
  return std::all_of(first, last, [&](const Verdict& v) {
    const attnrt_caps& caps = *v.variant->caps;
    if (v.ok()) return false;
    return caps.device_type != p.device_type || !(caps.families & p.family) ||
           (standard && serves_mla && p.head_size_qk == p.head_size_v && widths_always_differ(caps));
  });
}

}  // namespace attnrt::core
