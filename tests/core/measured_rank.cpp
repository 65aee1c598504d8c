// SPDX-License-Identifier: Apache-2.0
// Selection with a table of measurements: the table is a value, and nothing here is measured.
#include "measured_rank.hpp"

#include "explain.hpp"
#include "problem.hpp"
#include "scratch.hpp"
#include "select.hpp"
#include "tuned_findings.hpp"

using namespace attnrt::core;
using Catch::Matchers::Contains;

namespace {

constexpr attnrt_sizes kAny{sizeof(attnrt_sizes), 0, nullptr, 1, 1, 0, 16};
constexpr const char* kCpu = "a CPU: avx2";

attnrt_caps caps_of(uint32_t determinism, uint32_t layouts) {
  attnrt_caps c{};
  c.struct_size = sizeof c;
  c.device_type = ATTNRT_DEVICE_CPU;
  c.families = ATTNRT_FAMILY_STANDARD;
  c.features = ATTNRT_FEATURE_CAUSAL | ATTNRT_FEATURE_LSE | ATTNRT_FEATURE_SOFTCAP;
  c.q_dtypes = c.kv_dtypes = c.out_dtypes = 1u << ATTNRT_BF16;
  c.attn_types = ATTNRT_ATTN_DECODER;
  c.phases = ATTNRT_PHASES_ALL_;
  c.kv_layouts = layouts;
  c.block_sizes = c.head_sizes = &kAny;
  c.determinism = determinism;
  c.impl = "a sheet";
  return c;
}

/// Two backends of one plugin: FIRST with `design`, `other` and `loose`, SECOND with `only`.
class Sheets {
 public:
  Sheets() {
    for (attnrt_caps& c : caps_) c = caps_of(ATTNRT_DETERMINISM_SCHEDULE_INVARIANT, ATTNRT_KV_NHD | ATTNRT_KV_HND);
    caps_[2].determinism = ATTNRT_DETERMINISM_REPEATABLE;
    const char* names[] = {"design", "other", "loose", "only"};
    for (std::size_t i = 0; i < 4; ++i) {
      variants_[i].struct_size = sizeof(attnrt_variant);
      variants_[i].name = names[i];
      variants_[i].caps = &caps_[i];
      variants_[i].kv_layout = [](const attnrt_variant*, const attnrt_problem* p, attnrt_kv_layout* layout,
                                  const attnrt_diag*) {
        layout->id = "sheet";
        layout->kind = p->kv_layouts;
        layout->block_size = p->block_size;
        return attnrt_status{ATTNRT_OK};
      };
      pointers_[i] = &variants_[i];
    }
    tables_[0] = {sizeof(attnrt_backend), 3, "FIRST", "", pointers_};
    tables_[1] = {sizeof(attnrt_backend), 1, "SECOND", "", pointers_ + 3};
    auto registry = std::make_shared<Registry>();
    registry->files.resize(1);
    registry->files[0].inspection.name = "sheets";
    registry->files[0].inspection.build_id = "build";
    registry->backends = {{"FIRST", &tables_[0], 0}, {"SECOND", &tables_[1], 0}};
    registry_ = registry;
    auto table = parse_priority(
        R"({"version": 1, "rules": [{"name": "all", "when": {}, "order": ["FIRST", "SECOND"]}]})", "a table");
    REQUIRE(table);
    priority_ = std::make_shared<PriorityTable>(std::move(*table));
  }

  std::shared_ptr<const Catalog> catalog(const std::vector<TunedTable>& tuned) const {
    return make_catalog(registry_, priority_, {}, CpuVendor::any, tuned);
  }
  const attnrt_variant* variant(std::size_t i) const { return pointers_[i]; }

 private:
  attnrt_caps caps_[4];
  attnrt_variant variants_[4]{};
  const attnrt_variant* pointers_[4];
  attnrt_backend tables_[2];
  std::shared_ptr<const Registry> registry_;
  std::shared_ptr<const PriorityTable> priority_;
};

const TunedClass kDecode{ATTNRT_FAMILY_STANDARD, ATTNRT_PHASE_DECODE, ATTNRT_BF16, 128, 4};

TunedTable table_of(const char* backend, std::initializer_list<std::pair<const char*, int64_t>> times,
                    const char* build_id = "build", uint32_t layout = ATTNRT_KV_NHD) {
  TunedTable table{backend, "sheets", build_id, kCpu, "2026-12-01", 2, {}};
  for (const auto& [name, median] : times)
    table.entries.push_back({kDecode, name, layout, {median, median - 1, median + 1, 9}});
  return table;
}

attnrt_problem problem_of(uint32_t phase = ATTNRT_PHASE_DECODE) {
  attnrt_problem p = default_problem({ATTNRT_DEVICE_CPU, 0, 0, ATTNRT_ISA_AVX2});
  p.phase = phase;
  const auto whole = complete(p);
  REQUIRE(whole);
  return *whole;
}

std::string chosen(const Choice& choice) {
  return choice.backend ? choice.backend->name + "/" + choice.variant->name : "none: " + choice.status.text;
}

std::string chosen(const Sheets& sheets, const std::vector<TunedTable>& tuned,
                   const attnrt_problem& problem = problem_of()) {
  return chosen(select(sheets.catalog(tuned), problem, {}, {}));
}

/// Everything that doctor finds, as text.
std::string findings(const Catalog& catalog, const Tuned& tuned) {
  std::string out;
  DeviceReport cpu;
  cpu.name = "a CPU";
  cpu.device.isa = ATTNRT_ISA_AVX2;
  const auto list = tuned_json(catalog, tuned, cpu, [&out](const char* severity, std::string text, std::string remedy) {
    out += std::string(severity) + ": " + text + "; " + remedy + "\n";
  });
  return out + boost::json::serialize(list);
}

}  // namespace

TEST_CASE("without a table the order of design holds") {
  const Sheets sheets;
  CHECK(chosen(sheets, {}) == "FIRST/design");
  const Choice choice = select(sheets.catalog({}), problem_of(), {}, {});
  CHECK_THAT(explain_text(choice), Contains("in the order of their plugin") && !Contains(" here"));
}

TEST_CASE("a variant that was measured to be faster is chosen, and the choice says so") {
  const Sheets sheets;
  const auto tuned = {table_of("FIRST", {{"design", 5900}, {"other", 1000}})};
  const Choice choice = select(sheets.catalog(tuned), problem_of(), {}, {});
  CHECK(chosen(choice) == "FIRST/other");
  CHECK(measured_text(choice) ==
        "5.9 times design here, tuned on 2026-12-01 (decode, bf16, head size 128, 4 query heads a KV head)");
  CHECK_THAT(explain_text(choice), Contains("5.9 times design here, tuned on 2026-12-01") &&
                                       Contains("chosen, 1 us here") && Contains("valid, 6 us here"));
  const auto document = choice_json(choice);
  CHECK_THAT(std::string(document.at("measured").as_string()), Contains("5.9 times design here"));
  CHECK(document.at("candidates").at(0).at("variants").at(0).at("measured_ns") == 1000);

  // A force is stronger, and is told what it costs.
  const Choice forced =
      select(sheets.catalog(tuned), problem_of(), {Source::argument, "FIRST/design", "a test", true}, {});
  CHECK(chosen(forced) == "FIRST/design");
  CHECK_THAT(measured_text(forced), Contains("0.2 times other here"));
}

TEST_CASE("what did not beat the default changes nothing") {
  const Sheets sheets;
  const auto tuned = {table_of("FIRST", {{"design", 1010}, {"other", 1000}})};
  const Choice choice = select(sheets.catalog(tuned), problem_of(), {}, {});
  CHECK(chosen(choice) == "FIRST/design");
  CHECK_THAT(measured_text(choice), Contains("nothing that was measured here beats it, tuned on 2026-12-01"));
}

TEST_CASE("a table speaks only of what was measured") {
  const Sheets sheets;
  const auto times = {std::pair{"design", int64_t{5900}}, std::pair{"other", int64_t{1000}}};
  const std::vector<TunedTable> tuned{table_of("FIRST", times)};
  CHECK(chosen(sheets, tuned) == "FIRST/other");
  CHECK(chosen(sheets, tuned, problem_of(ATTNRT_PHASE_PREFILL)) == "FIRST/design");
  CHECK(chosen(sheets, {table_of("FIRST", times, "another build")}) == "FIRST/design");
  CHECK(chosen(sheets, {table_of("FIRST", times, "build", ATTNRT_KV_HND)}) == "FIRST/design");  // NHD comes first
  CHECK(chosen(sheets, {table_of("GONE", times)}) == "FIRST/design");
  attnrt_problem p = problem_of();
  p.features |= ATTNRT_FEATURE_SOFTCAP;
  p.softcap = 30;
  CHECK(chosen(sheets, tuned, p) == "FIRST/design");
  p = problem_of();
  p.device_id = -1;
  CHECK(chosen(sheets, tuned, p) == "FIRST/design");
  p = problem_of();
  p.determinism = ATTNRT_DETERMINISM_BATCH_INVARIANT;
  CHECK(chosen(sheets, tuned, p) == "FIRST/design");
}

TEST_CASE("a faster variant of another determinism level is not taken") {
  const Sheets sheets;
  CHECK(chosen(sheets, {table_of("FIRST", {{"design", 5900}, {"other", 5900}, {"loose", 100}})}) == "FIRST/design");
}

TEST_CASE("backends are ranked by measurement only where somebody asked for it") {
  const Sheets sheets;
  const std::vector<TunedTable> tuned{table_of("FIRST", {{"design", 5900}, {"other", 3000}}),
                                      table_of("SECOND", {{"only", 1000}})};
  CHECK(chosen(sheets, tuned) == "FIRST/other");
  const Choice measured = select(sheets.catalog(tuned), problem_of(), {}, {}, true);
  CHECK(chosen(measured) == "SECOND/only");
  CHECK(measured.warnings.empty());
  CHECK_THAT(explain_text(measured), Contains("by what was measured here (rank=measured)"));
  const std::vector<TunedTable> close{table_of("FIRST", {{"design", 1010}}), table_of("SECOND", {{"only", 1000}})};
  CHECK(chosen(select(sheets.catalog(close), problem_of(), {}, {}, true)) == "FIRST/design");

  const Choice nothing = select(sheets.catalog(tuned), problem_of(ATTNRT_PHASE_PREFILL), {}, {}, true);
  CHECK(chosen(nothing) == "FIRST/design");
  REQUIRE(nothing.warnings.size() == 1);
  CHECK_THAT(nothing.warnings[0], Contains("rank=measured changes nothing here"));
}

TEST_CASE("a variant that is not proved is not taken for its times, and doctor says what to do") {
  const Sheets sheets;
  const std::vector<TunedTable> tuned{table_of("FIRST", {{"design", 5900}, {"other", 1000}})};
  auto catalog = std::make_shared<Catalog>(*sheets.catalog(tuned));
  catalog->verified.push_back({sheets.variant(0), ATTNRT_DEVICE_CPU, 0, cpu_level(ATTNRT_ISA_AVX2).isa});
  CHECK(chosen(select(catalog, problem_of(), {}, {})) == "FIRST/design");
  CHECK_THAT(
      findings(*catalog, {tuned, ""}),
      Contains("note: FIRST/other is up to 5.9 times design here (1 class of problems), and is not chosen there: "
               "it is not verified on cpu:avx2; prove it here with attnrt verify FIRST/other --record") &&
          Contains("\"state\":\"in use\""));
  catalog->verified.push_back({sheets.variant(1), ATTNRT_DEVICE_CPU, 0, cpu_level(ATTNRT_ISA_AVX2).isa});
  CHECK(chosen(select(catalog, problem_of(), {}, {})) == "FIRST/other");
  CHECK_THAT(findings(*catalog, {tuned, ""}), !Contains("note"));
}

TEST_CASE("doctor tells tables that are not used") {
  const Sheets sheets;
  const auto times = {std::pair{"design", int64_t{5900}}, std::pair{"other", int64_t{1000}}};
  const TunedTable now = table_of("FIRST", times), stale = table_of("FIRST", times, "another build");
  TunedTable elsewhere = now;
  elsewhere.cpu = "another CPU: avx2";
  const auto of = [&](const std::vector<TunedTable>& tables) {
    return findings(*sheets.catalog(Tuned{tables, ""}.on(kCpu)), {tables, ""});
  };
  CHECK_THAT(of({stale}),
             Contains("FIRST was tuned on 2026-12-01 in another build of sheets: not used; measure this build "
                      "with attnrt tune") &&
                 Contains("\"state\":\"stale\""));
  CHECK_THAT(of({elsewhere}), Contains("on another CPU (another CPU: avx2), this one is a CPU: avx2: not used"));
  CHECK_THAT(of({stale, elsewhere, now}), !Contains("note"));
  CHECK_THAT(findings(*sheets.catalog({}), {{}, "tuned.json: is broken"}),
             Contains("warning: what attnrt tune measured is not used: tuned.json: is broken; remove the file"));
}
