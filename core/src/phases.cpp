// SPDX-License-Identifier: Apache-2.0
#include "phases.hpp"

#include <cstring>

#include "problem.hpp"
#include "select.hpp"
#include "words.hpp"

namespace attnrt::core {
namespace {

constexpr uint32_t kBoth = ATTNRT_PHASE_PREFILL | ATTNRT_PHASE_DECODE;

/// Hangs the prefill half on the decode half; without a prefill backend the whole choice has no winner.
void attach(Choice& decode, Choice prefill, const std::string& what) {
  if (!prefill.status.ok()) decode.status = {prefill.status.code, what + ": " + prefill.status.text};
  decode.prefill = std::make_shared<Choice>(std::move(prefill));
}

bool same_cache(const Choice& a, const Choice& b) {
  return a.kv_layout.id && b.kv_layout.id && std::strcmp(a.kv_layout.id, b.kv_layout.id) == 0 &&
         a.block_size == b.block_size && a.problem.block_size == b.problem.block_size &&
         a.kv_layout.dtype == b.kv_layout.dtype;
}

/// Decode decides on the cache, prefill must take it as it is. Where the decode backend's favourite block size or
/// packing does not suit any prefill backend, plainer caches are tried before the answer is no.
Choice share_cache(const std::shared_ptr<const Catalog>& catalog, const attnrt_problem& asked, const Wishes& wishes,
                   const std::vector<SwitchValue>& switches) {
  const auto attempt = [&](uint32_t layouts, uint32_t block_size) {
    attnrt_problem problem = asked;
    problem.phase = ATTNRT_PHASE_DECODE;
    problem.kv_layouts = layouts;
    problem.block_size = block_size;
    Choice decode = select(catalog, problem, wishes.decode, switches, wishes.by_measurement);
    if (!decode.backend) return decode;
    problem.phase = ATTNRT_PHASE_PREFILL;
    problem.kv_layouts = decode.problem.kv_layouts;
    problem.block_size = decode.block_size;
    Choice prefill =
        select(catalog, problem, wishes.decode.strict ? wishes.decode : Override{}, switches, wishes.by_measurement);
    if (prefill.backend && !same_cache(decode, prefill))
      prefill.status = {ATTNRT_UNSUPPORTED,
                        prefill.backend->name + " keeps its cache otherwise than " + decode.backend->name};
    attach(decode, std::move(prefill),
           std::string("prefill on the cache of ") + decode.backend->name + " (" +
               (decode.kv_layout.id ? decode.kv_layout.id : "none") + ", block size " +
               std::to_string(decode.block_size) + ")");
    return decode;
  };
  Choice first = attempt(asked.kv_layouts, asked.block_size);
  if (first.status.ok() || !first.prefill) return first;
  for (const uint32_t layouts : {asked.kv_layouts, asked.kv_layouts & ~ATTNRT_KV_NATIVE})
    for (const uint32_t block_size : {16u, 32u, 64u, 128u, 256u}) {
      if (layouts == 0 || (asked.block_size && asked.block_size != block_size)) continue;
      if (Choice next = attempt(layouts, block_size); next.status.ok()) return next;
    }
  return first;
}

}  // namespace

Result<Choice> select_phases(std::shared_ptr<const Catalog> catalog, attnrt_problem problem, const Wishes& wishes,
                             const std::vector<SwitchValue>& switches) {
  const auto noted = [&wishes](Choice choice) {
    choice.warnings.insert(choice.warnings.end(), wishes.notes.begin(), wishes.notes.end());
    return choice;
  };
  if (is_attention_free(problem))
    return noted(select(std::move(catalog), problem, wishes.decode, switches, wishes.by_measurement));
  const bool mla = problem.family == ATTNRT_FAMILY_MLA, shared = !mla && problem.phase == kBoth;
  const bool both = mla && (problem.phase == ATTNRT_PHASE_MIXED || problem.phase == kBoth);
  if (both || shared) problem.phase = ATTNRT_PHASE_DECODE;
  if (mla && problem.phase == ATTNRT_PHASE_PREFILL) problem = mla_prefill_half(problem);
  const auto whole = complete(problem);
  if (!whole) return whole.error();
  if (shared && sdk::is_paged(whole->kv_layouts)) return noted(share_cache(catalog, *whole, wishes, switches));
  Choice choice =
      select(catalog, *whole, is_mla_prefill(*whole) ? wishes.prefill : wishes.decode, switches, wishes.by_measurement);
  if (both && choice.backend) {
    const auto half = complete(mla_prefill_half(*whole));
    if (!half) return half.error();
    attach(choice, select(catalog, *half, wishes.prefill, switches, wishes.by_measurement), "MLA prefill");
  }
  return noted(std::move(choice));
}

}  // namespace attnrt::core
