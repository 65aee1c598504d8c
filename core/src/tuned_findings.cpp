// SPDX-License-Identifier: Apache-2.0
#include "tuned_findings.hpp"

#include <algorithm>

#include "problem.hpp"
#include "words.hpp"

namespace attnrt::core {
namespace json = boost::json;
namespace {

const char* state_of(const TunedTable& table, const Registry& registry, const std::string& cpu) {
  if (table.cpu != cpu) return "elsewhere";
  const BackendEntry* backend = registry.find(table.backend);
  if (!backend) return "not loaded";
  return registry.file_of(*backend).inspection.build_id == table.build_id ? "in use" : "stale";
}

/// The problem that a class was measured with, as far as orders of variants depend on it.
attnrt_problem problem_of(const TunedClass& c, const Device& device) {
  attnrt_problem p = default_problem(device);
  p.family = c.family;
  p.phase = c.phase;
  p.q_dtype = p.kv_dtype = p.out_dtype = c.dtype;
  p.head_size_qk = p.head_size_v = c.head_size;
  p.num_kv_heads = std::max(1u, p.num_heads / std::max(1u, c.gqa_group));
  return p;
}

/// A variant that would be chosen more often if it were verified.
struct Unproved {
  const BackendEntry* backend;
  const attnrt_variant *variant, *taken;
  int classes = 0;
  double most = 0;  ///< times as fast as what is taken, at most
};

void add_unproved(const Catalog& catalog, const BackendEntry& backend, const TunedTimes& times,
                  const attnrt_problem& problem, std::vector<Unproved>& out) {
  std::vector<const attnrt_variant*> variants[2];  // not verified, verified
  std::vector<Measured> design[2];
  for (const attnrt_variant* v : catalog.variants_of(backend, problem).variants)
    for (const TunedTimes::Time& t : times.times)
      if (t.variant == v) {
        const bool verified = catalog.is_verified(v, problem);
        variants[verified].push_back(v);
        design[verified].push_back({&t.timing, v->caps->determinism, false});
        break;
      }
  if (variants[0].empty() || variants[1].empty()) return;  // where none is verified all are ranked alike
  const std::size_t taken = ranks(design[1]).front(), wanted = ranks(design[0]).front();
  // Verified or not set aside: would it beat what is taken?
  if (ranks({design[1][taken], design[0][wanted]}).front() == 0) return;
  const attnrt_variant *v = variants[0][wanted], *instead = variants[1][taken];
  auto at =
      std::find_if(out.begin(), out.end(), [&](const Unproved& u) { return u.variant == v && u.taken == instead; });
  if (at == out.end()) at = out.insert(out.end(), Unproved{&backend, v, instead});
  ++at->classes;
  at->most = std::max(at->most, static_cast<double>(design[1][taken].timing->median) /
                                    static_cast<double>(design[0][wanted].timing->median));
}

std::string tenths(double n) {
  const auto whole = static_cast<int64_t>(n * 10 + 0.5);
  return std::to_string(whole / 10) + "." + std::to_string(whole % 10);
}

}  // namespace

json::array tuned_json(const Catalog& catalog, const Tuned& tuned, const DeviceReport& cpu, const Find& find) {
  const Registry& registry = *catalog.registry;
  if (!tuned.fault.empty())
    find("warning", "what attnrt tune measured is not used: " + tuned.fault,
         "remove the file, and measure again with attnrt tune");
  const std::string here = cpu_text(cpu);
  json::array out;
  for (const TunedTable& t : tuned.tables) {
    const char* state = state_of(t, registry, here);
    out.push_back({{"backend", t.backend},
                   {"plugin", t.plugin},
                   {"build_id", t.build_id},
                   {"cpu", t.cpu},
                   {"date", t.date},
                   {"workers", t.num_workers},
                   {"timings", t.entries.size()},
                   {"state", state}});
    const bool used = std::any_of(tuned.tables.begin(), tuned.tables.end(), [&](const TunedTable& other) {
      return other.backend == t.backend && std::string_view(state_of(other, registry, here)) == "in use";
    });
    if (used) continue;
    if (std::string_view(state) == "stale")
      find("note", t.backend + " was tuned on " + t.date + " in another build of " + t.plugin + ": not used",
           "measure this build with attnrt tune");
    else if (std::string_view(state) == "elsewhere" && registry.find(t.backend))
      find(
          "note",
          t.backend + " was tuned on " + t.date + " on another CPU (" + t.cpu + "), this one is " + here + ": not used",
          "measure here with attnrt tune");
  }
  std::vector<Unproved> unproved;
  for (const TunedTimes& times : catalog.tuned)
    for (const BackendEntry& b : registry.backends)
      add_unproved(catalog, b, times, problem_of(times.problem_class, cpu.device), unproved);
  for (const Unproved& u : unproved) {
    const std::string name = u.backend->name + "/" + u.variant->name;
    find("note",
         name + " is up to " + tenths(u.most) + " times " + u.taken->name + " here (" + std::to_string(u.classes) +
             (u.classes == 1 ? " class" : " classes") +
             " of problems), and is not chosen there: it is not verified on " +
             device_kind(cpu.device.type, cpu.device.arch, cpu.device.isa),
         "prove it here with attnrt verify " + name + " --record");
  }
  return out;
}

}  // namespace attnrt::core
