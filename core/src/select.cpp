// SPDX-License-Identifier: Apache-2.0
#include "select.hpp"

#include <algorithm>

#include "attnrt/diag.hpp"
#include "measured_rank.hpp"
#include "problem.hpp"
#include "reasons.hpp"
#include "words.hpp"

namespace attnrt::core {
namespace {

/// A switch whose value holds.
struct ActiveSwitch {
  const ResolvedSwitch* rules;
  const std::string* name;  ///< the variable or key that said so
  bool moved = false;       ///< its `before` changed the order
};

std::vector<ActiveSwitch> active_switches(const Catalog& catalog, const std::vector<SwitchValue>& values) {
  std::vector<ActiveSwitch> out;
  for (std::size_t i = 0; i < catalog.switches.size() && i < values.size(); ++i) {
    const Switch& s = *catalog.switches[i].source;
    if (values[i].value == s.is)
      out.push_back({&catalog.switches[i],
                     s.env.empty() || (!s.config.empty() && values[i].set_by == s.config) ? &s.config : &s.env});
  }
  return out;
}

const ActiveSwitch* disabled_by(const std::vector<ActiveSwitch>& active, const BackendEntry* backend,
                                const attnrt_variant* variant) {
  for (const ActiveSwitch& s : active) {
    if (std::find(s.rules->exclude.begin(), s.rules->exclude.end(), backend) != s.rules->exclude.end()) return &s;
    for (const auto& only : s.rules->only)
      if (only.backend == backend &&
          std::find(only.variants.begin(), only.variants.end(), variant) == only.variants.end())
        return &s;
  }
  return nullptr;
}

/// A backend none of whose variants is for this kind of device is no candidate, unless a list or a user names it.
bool for_device(const BackendEntry& backend, int32_t device_type) {
  for (uint32_t v = 0; v < backend.table->num_variants; ++v)
    if (backend.table->variants[v]->caps->device_type == device_type) return true;
  return false;
}

/// Judges all variants of a candidate and adds it to the choice.
void add_candidate(Choice& choice, const Slot& slot, const std::vector<ActiveSwitch>& active) {
  Candidate candidate{&slot, choice.verdicts.size(), 0};
  if (slot.backend) {
    const PluginFile& file = choice.catalog->registry->file_of(*slot.backend);
    for (const attnrt_variant* variant : choice.catalog->variants_of(*slot.backend, choice.problem).variants) {
      Verdict verdict;
      verdict.variant = variant;
      verdict.match = match(*verdict.variant, choice.problem);
      // Only real devices are asked about; hardware that is elsewhere is judged by the sheet alone.
      if (choice.problem.device_id >= 0 && verdict.variant->caps->device_type == choice.problem.device_type)
        verdict.unavailable = file.unavailable_on(choice.problem.device_type, choice.problem.device_id);
      if (const ActiveSwitch* s = disabled_by(active, slot.backend, verdict.variant)) {
        verdict.disabled = s->rules->source;
        verdict.disabled_name = s->name;
      }
      choice.verdicts.push_back(verdict);
    }
    candidate.count = slot.backend->table->num_variants;
    rank_variants(choice, candidate);
  }
  choice.candidates.push_back(candidate);
}

void rank_candidates(Choice& choice, std::vector<ActiveSwitch>& active) {
  const std::vector<Slot>& ranking = choice.catalog->ranking_for(choice.problem, choice.rule);
  std::vector<const Slot*> order;
  order.reserve(ranking.size());
  const std::size_t listed = choice.rule ? choice.rule->order.size() : 0;
  for (std::size_t i = 0; i < ranking.size(); ++i)
    if (i < listed || for_device(*ranking[i].backend, choice.problem.device_type)) order.push_back(&ranking[i]);
  for (ActiveSwitch& s : active) {
    if (!s.rules->first || !s.rules->second) continue;
    const auto place = [&order](const BackendEntry* b) {
      return std::find_if(order.begin(), order.end(), [b](const Slot* slot) { return slot->backend == b; });
    };
    const auto first = place(s.rules->first), second = place(s.rules->second);
    s.moved = first != order.end() && second != order.end() && first > second;
    if (s.moved) std::rotate(second, first, first + 1);
  }
  choice.verdicts.reserve(order.size() * 2);
  choice.candidates.reserve(order.size());
  for (const Slot* slot : order) add_candidate(choice, *slot, active);
}

/// The manager's block where the user fixed none.
uint32_t usual_block(const attnrt_sizes& sizes) {
  if (sizes.preferred && sdk::admits(sizes, sizes.preferred)) return sizes.preferred;
  for (const uint32_t size : {16u, 32u, 64u, 128u, 256u})
    if (sdk::admits(sizes, size)) return size;
  return sizes.list_count ? sizes.list[0] : std::max(sizes.multiple, sizes.min);
}

/// The cache that the winner uses: the first layout that it can lay out, a kernel block, a manager's block. False where
/// there is none.
bool settle(Choice& choice) {
  attnrt_problem& p = choice.problem;
  const attnrt_caps& caps = *choice.variant->caps;
  sdk::DiagSink ignored(sdk::DiagSink::Keep::count);
  const uint32_t block = p.block_size ? p.block_size : usual_block(*caps.block_sizes);
  for (uint32_t left = p.kv_layouts & caps.kv_layouts; const uint32_t layout = first_layout(left);
       left = without_first_layout(left)) {
    const bool paged = sdk::is_paged(layout);
    p.kv_layouts = layout;
    p.block_size = paged ? sdk::kernel_block(*caps.block_sizes, block) : 0;
    choice.block_size = paged ? block : 0;
    choice.kv_layout = {};
    choice.kv_layout.struct_size = paged ? sizeof(attnrt_kv_layout) : 0;
    if (!paged || choice.variant->kv_layout(choice.variant, &p, &choice.kv_layout, ignored.get()) == ATTNRT_OK)
      return true;
  }
  choice.kv_layout = {};
  choice.block_size = 0;
  return false;
}

/// Takes the candidate's first valid variant, verified ones first; `only` narrows to a variant's name. False where none
/// is valid.
bool take(Choice& choice, const Candidate& candidate, std::string_view only = {}) {
  for (const bool verified : {true, false})
    for (std::size_t i = candidate.first; i < candidate.first + candidate.count; ++i) {
      const Verdict& v = choice.verdicts[i];
      if (!v.ok() || choice.catalog->is_verified(v.variant, choice.problem) != verified) continue;
      if (!only.empty() && !equal_ignoring_case(only, v.variant->name)) continue;
      const attnrt_problem asked = choice.problem;
      choice.backend = candidate.slot->backend;
      choice.variant = v.variant;
      choice.verified = verified;
      if (settle(choice)) return true;
      choice.warnings.push_back(choice.backend->name + "/" + v.variant->name +
                                " gives no KV layout for this problem: left out");
      choice.problem = asked;
      choice.backend = nullptr;
      choice.variant = nullptr;
    }
  return false;
}

void warn_of_block_size(Choice& choice, std::size_t winner) {
  if (choice.block_size == 0) return;
  for (std::size_t i = 0; i < winner; ++i) {
    const Candidate& c = choice.candidates[i];
    const auto first = choice.verdicts.begin() + static_cast<std::ptrdiff_t>(c.first);
    if (std::any_of(first, first + static_cast<std::ptrdiff_t>(c.count), [](const Verdict& v) {
          return v.count() == 1 && v.match.sheet == sdk::why_bit(ATTNRT_WHY_BLOCK_SIZE);
        }))
      choice.warnings.push_back("--block-size " + std::to_string(choice.block_size) + " is what precluded " +
                                c.slot->name);
  }
}

/// Tries to do what was wished. Returns the sentence that says why not, "" = done.
Status honour(Choice& choice, const Override& wish, const std::vector<ActiveSwitch>& active) {
  const std::size_t slash = wish.value.find('/');
  const std::string name = wish.value.substr(0, slash);
  const std::string variant = slash == std::string::npos ? "" : wish.value.substr(slash + 1);
  if (Status unknown = choice.catalog->known(wish.value); !unknown.ok()) return unknown;
  const BackendEntry* backend = choice.catalog->registry->find(name);
  const auto named = [&](const attnrt_variant* v) { return variant.empty() || equal_ignoring_case(variant, v->name); };

  const auto same = [backend](const Candidate& c) { return c.slot->backend == backend; };
  if (std::none_of(choice.candidates.begin(), choice.candidates.end(), same)) {
    // Named by nobody but the user: judged all the same, last in rank.
    const std::vector<Slot>& all = choice.catalog->rankings.back();
    const auto slot = std::find_if(all.begin(), all.end(), [backend](const Slot& s) { return s.backend == backend; });
    add_candidate(choice, *slot, active);
  }
  const auto candidate = std::find_if(choice.candidates.begin(), choice.candidates.end(), same);
  if (take(choice, *candidate, variant)) return {};

  const Verdict* reason = nullptr;
  for (std::size_t i = candidate->first; i < candidate->first + candidate->count; ++i) {
    const Verdict& v = choice.verdicts[i];
    if (named(v.variant) && (!reason || v.count() < reason->count())) reason = &v;
  }
  std::string text =
      "Selected backend " + (variant.empty() ? backend->name : backend->name + "/" + reason->variant->name) +
      " is not valid for this configuration. Reason: [" + join(short_reasons(choice, *reason), ", ", "'") + "]";
  if (reason->match.sheet & sdk::why_bit(ATTNRT_WHY_BATCH_INVARIANCE)) {
    std::vector<std::string> capable;
    for (const Candidate& c : choice.candidates)
      if (const Verdict* best = best_verdict(choice, c); best && best->ok()) capable.push_back(c.slot->name);
    text += " Backends that are batch-invariant here: [" + join(capable, ", ", "'") + "].";
  }
  if (const std::string wanted = offered_instead(choice, *reason); !wanted.empty())
    text += (text.back() == '.' ? " " : ". ") + wanted;
  return {ATTNRT_UNSUPPORTED, std::move(text)};
}

/// A switch that somebody set and that changes nothing here is said, never silent.
void report_idle_switches(Choice& choice, const std::vector<ActiveSwitch>& active,
                          const std::vector<SwitchValue>& values) {
  const Catalog& catalog = *choice.catalog;
  for (std::size_t i = 0; i < catalog.switches.size() && i < values.size(); ++i) {
    if (values[i].set_by.empty()) continue;
    bool effect = false;
    for (std::size_t j = 0; j < catalog.switches.size(); ++j) {
      if (values[j].set_by != values[i].set_by) continue;
      const auto on = std::find_if(active.begin(), active.end(),
                                   [&](const ActiveSwitch& s) { return s.rules == &catalog.switches[j]; });
      // A value that turns a preset off has an effect as well.
      const bool preset_off =
          on == active.end() && catalog.switches[j].source->preset == catalog.switches[j].source->is;
      if (on == active.end() && !preset_off) continue;
      effect |= on != active.end() && on->moved;
      effect |= std::any_of(choice.candidates.begin(), choice.candidates.end(), [&](const Candidate& c) {
        return c.slot->backend && catalog.switches[j].touches(c.slot->backend);
      });
    }
    const std::string text = values[i].set_by + "=" + values[i].value + " is set and changes nothing here";
    if (!effect && std::find(choice.warnings.begin(), choice.warnings.end(), text) == choice.warnings.end())
      choice.warnings.push_back(text);
  }
}

}  // namespace

Choice select(std::shared_ptr<const Catalog> catalog, const attnrt_problem& problem, const Override& wish,
              const std::vector<SwitchValue>& values, bool by_measurement) {
  Choice choice;
  choice.catalog = std::move(catalog);
  choice.problem = problem;
  choice.wish = wish;
  if (is_attention_free(problem)) {
    choice.attention_free = true;
    choice.wish_reasons = "the model has no attention layers";
    if (wish.source == Source::environment)
      choice.warnings.push_back(wish.origin + "=" + wish.value + " has no effect: " + choice.wish_reasons);
    return choice;
  }
  auto active = active_switches(*choice.catalog, values);
  choice.tuned = choice.catalog->tuned_for(problem);
  rank_candidates(choice, active);
  choice.by_measurement = by_measurement && choice.tuned;
  if (choice.by_measurement)
    rank_backends(choice);
  else if (by_measurement)
    choice.warnings.push_back(
        "rank=measured changes nothing here: no measurement of this machine speaks for this problem");
  report_idle_switches(choice, active, values);

  if (wish.source != Source::automatic) {
    Status refused = honour(choice, wish, active);
    choice.honoured = refused.ok();
    if (choice.honoured) {
      choice.source = wish.source;
      return choice;
    }
    choice.wish_reasons = refused.text;
    if (wish.strict) {
      choice.source = wish.source;
      choice.status = std::move(refused);
      return choice;
    }
  }
  for (std::size_t i = 0; i < choice.candidates.size(); ++i)
    if (take(choice, choice.candidates[i])) {
      warn_of_block_size(choice, i);
      break;
    }
  if (!choice.backend) choice.status = {ATTNRT_UNSUPPORTED, no_valid_backend(choice)};
  if (wish.source != Source::automatic)
    choice.warnings.push_back(wish.origin + "=" + wish.value + " cannot be honoured: " + choice.wish_reasons +
                              "; using " + (choice.backend ? choice.backend->name : std::string("no backend")) +
                              " instead");
  return choice;
}

}  // namespace attnrt::core
