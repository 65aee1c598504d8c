// SPDX-License-Identifier: Apache-2.0
#include "measured_rank.hpp"

#include <algorithm>

#include "number_text.hpp"

namespace attnrt::core {
namespace {

Measured measured(const Choice& choice, const Verdict& v) {
  return {v.timing, v.variant->caps->determinism, choice.catalog->is_verified(v.variant, choice.problem)};
}

/// Ranks [first, last), which stand in the order of design.
template <class Iterator>
void rank(const Choice& choice, Iterator first, Iterator last) {
  std::vector<Measured> design;
  for (Iterator v = first; v != last; ++v) design.push_back(measured(choice, *v));
  std::vector<Verdict> ranked;
  for (const std::size_t place : ranks(design)) ranked.push_back(first[static_cast<std::ptrdiff_t>(place)]);
  std::copy(ranked.begin(), ranked.end(), first);
}

/// The verdict that would be taken of a candidate; NULL = none is valid.
const Verdict* first_choice(const Choice& choice, const Candidate& c) {
  const Verdict* first = nullptr;
  for (std::size_t i = c.first; i < c.first + c.count; ++i) {
    const Verdict& v = choice.verdicts[i];
    if (!v.ok()) continue;
    if (choice.catalog->is_verified(v.variant, choice.problem)) return &v;
    if (!first) first = &v;
  }
  return first;
}

std::string ratio_text(const Timing& slow, const Timing& fast) {
  const double ratio = static_cast<double>(slow.median) / static_cast<double>(std::max<int64_t>(1, fast.median));
  return number_text(ratio, std::chars_format::fixed, ratio < 10 ? 1 : 0);
}

}  // namespace

void rank_variants(Choice& choice, const Candidate& c) {
  if (!choice.tuned) return;
  const auto first = choice.verdicts.begin() + static_cast<std::ptrdiff_t>(c.first);
  const auto last = first + static_cast<std::ptrdiff_t>(c.count);
  bool any = false;
  for (auto v = first; v != last; ++v) {
    v->timing = choice.tuned->find(v->variant, first_layout(choice.problem.kv_layouts & v->variant->caps->kv_layouts));
    any |= v->timing != nullptr;
  }
  if (!any) return;
  const auto valid = std::stable_partition(first, last, [](const Verdict& v) { return v.ok(); });
  const auto verified = std::stable_partition(
      first, valid, [&](const Verdict& v) { return choice.catalog->is_verified(v.variant, choice.problem); });
  rank(choice, first, verified);
  rank(choice, verified, valid);
}

void rank_backends(Choice& choice) {
  std::vector<Measured> design;
  for (const Candidate& c : choice.candidates) {
    const Verdict* v = first_choice(choice, c);
    design.push_back(v ? measured(choice, *v) : Measured{});
  }
  std::vector<Candidate> ranked;
  for (const std::size_t place : ranks(design)) ranked.push_back(choice.candidates[place]);
  choice.candidates = std::move(ranked);
}

const Verdict* chosen_verdict(const Choice& choice) {
  for (const Verdict& v : choice.verdicts)
    if (choice.variant && v.variant == choice.variant) return &v;
  return nullptr;
}

const Verdict* by_design(const Choice& choice) {
  if (!choice.backend) return nullptr;
  for (const attnrt_variant* variant : choice.catalog->variants_of(*choice.backend, choice.problem).variants) {
    const auto v = std::find_if(choice.verdicts.begin(), choice.verdicts.end(),
                                [variant](const Verdict& each) { return each.variant == variant; });
    if (v != choice.verdicts.end() && v->ok() &&
        choice.catalog->is_verified(variant, choice.problem) == choice.verified)
      return &*v;
  }
  return nullptr;
}

std::string time_text(int64_t ns) {
  const auto value = static_cast<double>(ns);
  const auto fixed = std::chars_format::fixed;
  if (ns < 1'000'000) return number_text(value / 1e3, fixed, 0) + " us";
  if (ns < 100'000'000) return number_text(value / 1e6, std::chars_format::general, 3) + " ms";
  return ns < 1'000'000'000 ? number_text(value / 1e6, fixed, 0) + " ms" : number_text(value / 1e9, fixed, 2) + " s";
}

std::string measured_text(const Choice& choice) {
  const Verdict* taken = chosen_verdict(choice);
  if (!taken || !taken->timing) return "";
  const std::string tuned =
      "tuned on " + choice.tuned->date_of(taken->variant) + " (" + describe(choice.tuned->problem_class) + ")";
  // Somebody may have forced it before faster ones.
  const Verdict* best =
      first_choice(choice, *std::find_if(choice.candidates.begin(), choice.candidates.end(),
                                         [&](const Candidate& c) { return c.slot->backend == choice.backend; }));
  const Verdict* other = best && best != taken ? best : by_design(choice);
  if (other && other != taken && other->timing)
    return ratio_text(*other->timing, *taken->timing) + " times " + other->variant->name + " here, " + tuned;
  if (best != taken) return "";
  return "nothing that was measured here beats it, " + tuned;
}

}  // namespace attnrt::core
