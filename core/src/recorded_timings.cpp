// SPDX-License-Identifier: Apache-2.0
#include "recorded_timings.hpp"

#include <algorithm>
#include <cmath>

#include "attnrt/base_size.hpp"
#include "ledger.hpp"
#include "number_text.hpp"
#include "problem.hpp"
#include "words.hpp"

namespace attnrt::core {
namespace {

constexpr double kMostSeconds = 1e6;

Status check_timing(const attnrt_timing& t, const std::string& where) {
  if (t.struct_size < sizeof(attnrt_timing))
    return invalid(where + ".struct_size is " + std::to_string(t.struct_size) + ", wanted at least " +
                   std::to_string(sizeof(attnrt_timing)));
  if (!t.problem || !t.backend || !t.variant)
    return invalid(where + " has a NULL pointer, wanted problem, backend and variant");
  if (t.rounds == 0 || t.num_workers == 0 || t.num_workers > 65536 || t.rounds > 65536)
    return invalid(where + " has " + std::to_string(t.rounds) + " rounds of " + std::to_string(t.num_workers) +
                   " workers, wanted 1 to 65536 of both");
  constexpr auto general = std::chars_format::general;
  if (!(t.low > 0 && t.low <= t.seconds && t.seconds <= t.high && t.high < kMostSeconds))
    return invalid(where + ": low, seconds and high are " + number_text(t.low, general, 6) + ", " +
                   number_text(t.seconds, general, 6) + ", " + number_text(t.high, general, 6) +
                   ", wanted ascending numbers above 0");
  return {};
}

int64_t nanoseconds(double seconds) { return std::max<int64_t>(1, std::llround(seconds * 1e9)); }

}  // namespace

Result<std::vector<TunedTable>> recorded_timings(const Catalog& catalog, const std::string& cpu,
                                                 const attnrt_timing* timings, uint32_t count) {
  std::vector<TunedTable> out;
  for (uint32_t i = 0; i < count; ++i) {
    const attnrt_timing& t = timings[i];
    const std::string where = "record_timings: timings[" + std::to_string(i) + "]";
    if (Status broken = check_timing(t, where); !broken.ok()) return broken;
    const BackendEntry* backend = catalog.registry->find(t.backend);
    if (Status unknown = catalog.known(std::string(t.backend) + "/" + t.variant); !unknown.ok()) return unknown;
    const Inspection& file = catalog.registry->file_of(*backend).inspection;
    if (file.build_id.empty())
      return Status{ATTNRT_UNSUPPORTED, where + ": the plugin " + file.name +
                                            " has no build id, by which its measurements would be known again"};
    const auto whole = complete(*t.problem);
    if (!whole) return whole.error();
    const auto of = tuned_class(*whole);
    if (!of) return invalid(where + ": no ranking is kept for such problems: " + describe(*whole));
    const attnrt_variant* const* const first = backend->table->variants;
    const attnrt_variant* variant =
        *std::find_if(first, first + backend->table->num_variants,
                      [&t](const attnrt_variant* v) { return equal_ignoring_case(v->name, t.variant); });
    auto table = std::find_if(out.begin(), out.end(), [&](const TunedTable& x) { return x.backend == backend->name; });
    if (table == out.end())
      table =
          out.insert(out.end(), TunedTable{backend->name, file.name, file.build_id, cpu, today(), t.num_workers, {}});
    table->entries.push_back({*of,
                              variant->name,
                              first_layout(whole->kv_layouts & variant->caps->kv_layouts),
                              {nanoseconds(t.seconds), nanoseconds(t.low), nanoseconds(t.high), t.rounds}});
  }
  return out;
}

}  // namespace attnrt::core
