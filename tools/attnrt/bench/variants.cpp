// SPDX-License-Identifier: Apache-2.0
#include "bench/variants.hpp"

#include <algorithm>

#include "attnrt/cpu_isa.hpp"
#include "bench/data.hpp"
#include "document.hpp"
#include "setting.hpp"

namespace attnrt::cli {
namespace {

namespace json = boost::json;

/// A variant and why it cannot serve, "" = it can.
struct Judged {
  std::string name, refusal;
};

std::string reasons_of(const json::value& variant) {
  std::string out;
  for (const json::value& reason : array_at(variant, "reasons")) {
    const std::string detail = text_at(reason, "detail");
    out += (out.empty() ? "" : "; ") + text_at(reason, "text") + (detail.empty() ? "" : " (" + detail + ")");
  }
  return out.empty() ? "refused without a reason" : out;
}

/// Every variant of this family and device, in the order of selection.
std::vector<Judged> judged(const Runtime& runtime, const attnrt_problem& problem) {
  std::vector<Judged> all;
  const json::value document = json::parse(runtime.try_select(problem).json());
  for (const json::value& candidate : array_at(document, "candidates")) {
    if (text_at(candidate, "other_kind") == "true") continue;
    for (const json::value& variant : array_at(candidate, "variants"))
      all.push_back({text_at(candidate, "backend") + "/" + text_at(variant, "name"),
                     text_at(variant, "valid") == "true" ? "" : reasons_of(variant)});
  }
  return all;
}

const Judged* find(const std::vector<Judged>& all, const std::string& name) {
  const auto found =
      std::find_if(all.begin(), all.end(), [&name](const Judged& j) { return lower(j.name) == lower(name); });
  return found == all.end() ? nullptr : &*found;
}

bool serves(const std::vector<Judged>& all, const std::string& name) {
  const Judged* j = find(all, name);
  return j && j->refusal.empty();
}

}  // namespace

BenchVariants bench_variants(const Runtime& runtime, const BenchCase& c, uint32_t dtype, const BenchWish& wish,
                             const std::vector<std::string>& names) {
  BenchVariants out;
  const auto take = [&out](BenchWish with, const std::string& name) {
    with.variant = name;
    out.measured.push_back(with);
  };
  if (c.uncompressed()) {  // no force reaches an MLA prefill
    take(wish, "");
    if (!names.empty()) out.measured.clear();
    for (const std::string& name : names) take(wish, name);
    return out;
  }
  BenchWish contiguous = wish;
  contiguous.layout = ATTNRT_KV_CONTIGUOUS;
  contiguous.block_size = 0;
  const std::vector<Judged> all = judged(runtime, bench_problem(runtime, c, dtype, wish));
  std::vector<Judged> without_cache;
  if (wish.layout == 0 && wish.block_size == 0 && !c.mla)
    without_cache = judged(runtime, bench_problem(runtime, c, dtype, contiguous));
  for (const std::string& name : names)
    take(!serves(all, name) && serves(without_cache, name) ? contiguous : wish, name);
  if (!names.empty()) return out;
  for (const Judged& j : all) {
    if (j.refusal.empty())
      take(wish, j.name);
    else if (serves(without_cache, j.name))
      take(contiguous, j.name);
    else
      out.left_out.push_back({c.id, dtype, j.name, j.refusal});
  }
  if (out.measured.empty()) {
    take(wish, "");  // its refusal says the same of all of them
    out.left_out.clear();
  }
  return out;
}

BenchUnit unit_of_variant(const Runtime& runtime, const std::string& name, uint32_t dtype) {
  const std::size_t slash = name.find('/');
  const json::value sheet = json::parse(runtime.show(name.substr(0, slash)));
  for (const json::value& variant : array_at(sheet, "variants"))
    if (slash != std::string::npos && text_at(variant, "name") == name.substr(slash + 1))
      return unit_of(computing_isa(isa_of_words(list_at(variant, "isa")), text_at(variant, "impl"), sdk::cpu_isa()),
                     dtype);
  return BenchUnit::baseline;
}

}  // namespace attnrt::cli
