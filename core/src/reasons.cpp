// SPDX-License-Identifier: Apache-2.0
#include "reasons.hpp"

#include "absence.hpp"
#include "other_kind.hpp"
#include "problem.hpp"
#include "words.hpp"

namespace attnrt::core {

std::vector<Refusal> refusals_of(const Choice& choice, const Verdict& verdict) {
  std::vector<Refusal> out;
  if (verdict.unavailable) out.push_back({ATTNRT_WHY_UNAVAILABLE, *verdict.unavailable, ""});
  if (verdict.disabled)
    out.push_back({ATTNRT_WHY_DISABLED, "disabled by " + *verdict.disabled_name + "=" + verdict.disabled->is, ""});
  for (Refusal& r : refusal_texts(verdict.match, *verdict.variant, choice.problem)) out.push_back(std::move(r));
  return out;
}

std::vector<std::string> short_reasons(const Choice& choice, const Verdict& verdict) {
  std::vector<std::string> out;
  for (const Refusal& r : refusals_of(choice, verdict)) out.push_back(r.text);
  return out;
}

std::string offered_instead(const Choice& choice, const Verdict& verdict) {
  std::vector<std::string> out;
  // Sizes of a kernel for another family or other hardware would help nobody.
  if (verdict.match.sheet & (sdk::why_bit(ATTNRT_WHY_FAMILY) | sdk::why_bit(ATTNRT_WHY_ARCH))) return "";
  for (attnrt_why why = 0; why < ATTNRT_WHY_COUNT_; ++why)
    if (verdict.match.sheet & sdk::why_bit(why))
      if (std::string wanted = why_wanted(why, *verdict.variant->caps, choice.problem); !wanted.empty())
        out.push_back(std::move(wanted));
  return join(out, "; ");
}

std::vector<std::string> potential_backends(const Choice& choice) {
  std::vector<std::string> out;
  for (const Candidate& c : choice.candidates)
    if (const Verdict* best = best_verdict(choice, c); best && best->ok()) out.push_back(c.slot->name);
  return out;
}

std::string unhonoured_text(const Choice& choice) {
  if (choice.wish.source == Source::automatic || choice.honoured) return "";
  return choice.wish.origin + "=" + choice.wish.value +
         (choice.attention_free ? " has no effect: " : " cannot be honoured: ") + choice.wish_reasons;
}

std::string no_valid_backend(const Choice& choice) {
  std::vector<std::string> parts;
  std::string offered;
  for (const Candidate& c : choice.candidates) {
    const Verdict* best = best_verdict(choice, c);
    parts.push_back(c.slot->name + ": [" + (best ? join(short_reasons(choice, *best)) : absence(c.slot->file)) + "]");
    if (!best) continue;
    if (const std::string wanted = offered_instead(choice, *best); !wanted.empty())
      offered += ". " + c.slot->name + ": " + wanted;
  }
  return "No valid attention backend found for " + describe(choice.problem) + ". Reasons: {" + join(parts) + "}" +
         offered + not_loaded(*choice.catalog->registry, *choice.catalog->table);
}

}  // namespace attnrt::core
