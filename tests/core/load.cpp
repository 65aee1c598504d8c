// SPDX-License-Identifier: Apache-2.0
// Tables, the loader, and what a scan says of each file.
#include <sys/stat.h>

#include <cstring>
#include <functional>

#include "loader.hpp"
#include "registry.hpp"
#include "scratch.hpp"
#include "tables.hpp"

using namespace attnrt::core;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

/// A plugin's tables in memory, all of them right; a test spoils one field.
struct Tables {
  uint32_t block_list[2] = {16, 32};
  attnrt_sizes blocks{sizeof(attnrt_sizes), 2, block_list, 0, 0, 0, 0},
      heads{sizeof(attnrt_sizes), 0, nullptr, 8, 8, 0, 0};
  attnrt_caps caps{};
  attnrt_variant variant{}, second_variant{};
  const attnrt_variant* variants[2] = {&variant, &second_variant};
  attnrt_backend backend{sizeof(attnrt_backend), 2, "MADE", "made for a test", variants};
  attnrt_backend second_backend{sizeof(attnrt_backend), 2, "MADE_TOO", "made for a test", variants};
  const attnrt_backend* backends[2] = {&backend, &second_backend};
  attnrt_plugin plugin{
      sizeof(attnrt_plugin), ATTNRT_ABI_MAJOR, ATTNRT_ABI_MINOR, 2, "made", "1.0", "here", backends, nullptr, nullptr};
  Inspection note;

  Tables() {
    caps.struct_size = sizeof caps;
    caps.device_type = ATTNRT_DEVICE_CPU;
    caps.families = ATTNRT_FAMILY_STANDARD;
    caps.features = ATTNRT_FEATURE_CAUSAL;
    caps.q_dtypes = caps.kv_dtypes = caps.out_dtypes = 1;
    caps.attn_types = ATTNRT_ATTN_DECODER;
    caps.phases = ATTNRT_PHASE_DECODE;
    caps.kv_layouts = ATTNRT_KV_NHD;
    caps.block_sizes = &blocks;
    caps.head_sizes = &heads;
    caps.impl = "own";
    variant.struct_size = sizeof variant;
    variant.name = "plain";
    variant.caps = &caps;
    variant.kv_layout = [](auto...) -> attnrt_status { return ATTNRT_FAILED; };
    variant.create = [](auto...) -> attnrt_status { return ATTNRT_FAILED; };
    variant.destroy = [](attnrt_kernel_op*) {};
    variant.workspace = [](auto...) -> attnrt_status { return ATTNRT_FAILED; };
    variant.plan_create = [](auto...) -> attnrt_status { return ATTNRT_FAILED; };
    variant.plan_update = [](auto...) -> attnrt_status { return ATTNRT_FAILED; };
    variant.plan_destroy = [](attnrt_kernel_plan*) {};
    variant.run = [](auto...) -> attnrt_status { return ATTNRT_FAILED; };
    variant.write_kv = [](auto...) -> attnrt_status { return ATTNRT_FAILED; };
    second_variant = variant;
    second_variant.name = "fancy";
    note.name = "made";
    note.version = "1.0";
    note.abi_major = ATTNRT_ABI_MAJOR;
    note.abi_minor = ATTNRT_ABI_MINOR;
  }
  Tables(const Tables&) = delete;
  Tables& operator=(const Tables&) = delete;
};

const PluginFile& only_file(const std::shared_ptr<const Registry>& registry) {
  REQUIRE(registry->files.size() == 1);
  return registry->files[0];
}

struct Lines {
  std::string text;
  static void add(void* self, int32_t level, const char* line) {
    static_cast<Lines*>(self)->text += std::to_string(level) + " " + line + "\n";
  }
};

/// Scans folders as an engine on a machine with a CPU and no GPU would.
std::shared_ptr<const Registry> scan_path(const std::string& path, const Log& log = {}, bool trust_any = false) {
  Options options;
  options.plugin_path = path;
  options.trust_any = trust_any;
  DeviceReport cpu;
  cpu.present = true;
  return scan(options, {cpu}, log);
}
std::shared_ptr<const Registry> scan_path(const Scratch& folder) { return scan_path(folder.path().string()); }

void expect(const PluginFile& file, State state, const std::string& fragment) {
  CAPTURE(file.path, file.sentence);
  CHECK(state_name(file.state) == std::string(state_name(state)));
  CHECK_THAT(file.sentence, Contains(fragment));
}

}  // namespace

TEST_CASE("tables that keep the laws pass, also longer ones") {
  Tables t;
  CHECK(check_tables(&t.plugin, t.note) == "");
  t.plugin.struct_size += 8;  // a newer SDK appended a field
  t.caps.struct_size += 16;
  t.caps.head_sizes_v = &t.heads;
  CHECK(check_tables(&t.plugin, t.note) == "");
  CHECK_THAT(check_tables(nullptr, t.note), Contains("plugin is NULL, wanted a table"));
}

TEST_CASE("each fault in the tables has its sentence") {
  static const std::string overlong(65, 'x'), endless(5000, 'x');
  const struct {
    std::function<void(Tables&)> spoil;
    const char* fragment;
  } table[] = {
      {[](Tables& t) { t.plugin.struct_size = 0; }, "plugin.struct_size is 0, wanted"},
      {[](Tables& t) { t.plugin.struct_size = UINT32_MAX; }, "plugin.struct_size is 4294967295, wanted"},
      {[](Tables& t) { t.plugin.name = nullptr; }, "plugin.name is NULL, wanted a text"},
      {[](Tables& t) { t.plugin.name = ""; }, "plugin.name has 0 characters, wanted 1 to 64"},
      {[](Tables& t) { t.plugin.name = overlong.c_str(); }, "plugin.name has 65 characters"},
      {[](Tables& t) { t.plugin.name = "two words"; }, "plugin.name is 'two words', wanted letters"},
      {[](Tables& t) { t.plugin.name = "other"; }, "the ELF note says made 1.0"},
      {[](Tables& t) { t.plugin.version = "2.0"; }, "plugin.name and version are made 2.0"},
      {[](Tables& t) { t.plugin.build = nullptr; }, "plugin.build is NULL"},
      {[](Tables& t) { t.plugin.build = endless.c_str(); }, "plugin.build is longer than 4096 bytes"},
      {[](Tables& t) { t.plugin.abi_minor += 1; }, "plugin.abi differs from the ELF note's"},
      {[](Tables& t) { t.plugin.num_backends = 0; }, "plugin.num_backends is 0, wanted 1 to 256"},
      {[](Tables& t) { t.plugin.num_backends = 1u << 30; }, "plugin.num_backends is 1073741824"},
      {[](Tables& t) { t.plugin.backends = nullptr; }, "plugin.backends is NULL"},
      {[](Tables& t) { t.backends[1] = nullptr; }, "backends[1] is NULL, wanted a table"},
      {[](Tables& t) { t.backend.struct_size = 8; }, "backends[0].struct_size is 8"},
      {[](Tables& t) { t.backend.name = "MA\xc3\x84"; }, "backends[0].name is"},
      {[](Tables& t) { t.backend.summary = nullptr; }, "backends[0].summary is NULL"},
      {[](Tables& t) { t.backend.num_variants = 0; }, "backends[0].num_variants is 0"},
      {[](Tables& t) { t.backend.variants = nullptr; }, "backends[0].variants is NULL"},
      {[](Tables& t) { t.second_backend.name = "made"; }, "backends[1].name made stands twice in this plugin"},
      {[](Tables& t) { t.second_variant.name = "PLAIN"; }, "MADE.variants[1].name stands twice"},
      {[](Tables& t) { t.variants[0] = nullptr; }, "MADE.variants[0] is NULL"},
      {[](Tables& t) { t.variant.struct_size = 100; }, "MADE.variants[0].struct_size is 100"},
      {[](Tables& t) { t.variant.caps = nullptr; }, "MADE.variants[0].caps is NULL"},
      {[](Tables& t) { t.variant.create = nullptr; }, ".create is NULL, wanted a function"},
      {[](Tables& t) { t.variant.destroy = nullptr; }, ".destroy is NULL"},
      {[](Tables& t) { t.variant.workspace = nullptr; }, ".workspace is NULL"},
      {[](Tables& t) { t.variant.plan_create = nullptr; }, ".plan_create is NULL"},
      {[](Tables& t) { t.variant.plan_update = nullptr; }, ".plan_update is NULL"},
      {[](Tables& t) { t.variant.plan_destroy = nullptr; }, ".plan_destroy is NULL"},
      {[](Tables& t) { t.variant.run = nullptr; }, ".run is NULL"},
      {[](Tables& t) { t.variant.write_kv = nullptr; }, "claims a paged cache, wanted write_kv and kv_layout"},
      {[](Tables& t) { t.variant.kv_layout = nullptr; }, "claims a paged cache, wanted write_kv and kv_layout"},
      {[](Tables& t) { t.caps.struct_size = 0; }, ".caps.struct_size is 0"},
      {[](Tables& t) { t.caps.impl = nullptr; }, ".caps.impl is NULL"},
      {[](Tables& t) { t.caps.device_type = 3; }, ".caps.device_type is 3, wanted 1, 2 or 10"},
      {[](Tables& t) { t.caps.device_type = -1; }, ".caps.device_type is -1"},
      {[](Tables& t) { t.caps.num_arch_ranges = 1; }, ".caps.arch_ranges"},
      {[](Tables& t) { t.caps.features |= UINT64_C(1) << 60; },
       ".caps.features holds unknown bits: 1152921504606846976"},
      {[](Tables& t) { t.caps.features = 0; }, ".caps.features is empty, wanted at least one bit"},
      {[](Tables& t) { t.caps.families = 4; }, ".caps.families holds unknown bits: 4"},
      {[](Tables& t) { t.caps.needs = 8; }, ".caps.needs holds unknown bits: 8"},
      {[](Tables& t) { t.caps.q_dtypes = 0x80; }, ".caps.q_dtypes holds unknown bits: 128"},
      {[](Tables& t) { t.caps.kv_dtypes = 0; }, ".caps.kv_dtypes is empty"},
      {[](Tables& t) { t.caps.out_dtypes = 0x100; }, ".caps.out_dtypes holds unknown bits"},
      {[](Tables& t) { t.caps.attn_types = 16; }, ".caps.attn_types holds unknown bits"},
      {[](Tables& t) { t.caps.phases = 8; }, ".caps.phases holds unknown bits"},
      {[](Tables& t) { t.caps.kv_layouts = 0x100; }, ".caps.kv_layouts holds unknown bits"},
      {[](Tables& t) { t.caps.isa = UINT64_C(1) << 11; }, ".caps.isa holds unknown bits"},
      {[](Tables& t) { t.caps.determinism = 4; }, ".caps.determinism"},
      {[](Tables& t) { t.caps.graph_level = 99; }, ".caps.graph_level"},
      {[](Tables& t) { t.caps.block_sizes = nullptr; }, ".caps.block_sizes is NULL"},
      {[](Tables& t) { t.caps.head_sizes = nullptr; }, ".caps.head_sizes is NULL"},
      {[](Tables& t) { t.blocks.list = nullptr; }, ".caps.block_sizes has 2 entries and no list for them"},
      {[](Tables& t) { t.blocks.list_count = 100000; }, ".caps.block_sizes has 100000 entries"},
      {[](Tables& t) { t.heads.multiple = 0; }, ".caps.head_sizes admits nothing"},
      {[](Tables& t) { t.caps.head_sizes_v = &t.blocks, t.blocks.struct_size = 4; }, ".struct_size is 4"},
  };
  for (const auto& row : table) {
    Tables t;
    row.spoil(t);
    CHECK_THAT(check_tables(&t.plugin, t.note), Contains(row.fragment));
  }
}

TEST_CASE("each file that cannot be loaded has its state and sentence") {
  const struct {
    const char* name;
    State state;
    const char* fragment;
  } table[] = {
      {"no_query", State::invalid, "no symbol attnrt_plugin_query, wanted the plugin's one export"},
      {"null_query", State::incompatible, "attnrt_plugin_query answered NULL to ABI 1.1"},
      {"null_tables", State::invalid, "plugin.backends is NULL"},
      {"undefined", State::unresolved, "undefined symbol: fixture_undefined_symbol"},
      {"missing", State::unresolved, "libfixture_absent.so: cannot open shared object file"},
      {"refusing", State::unavailable, "libfixture.so.9 not found, wanted the fixture's driver"},
  };
  for (const auto& row : table) {
    const Scratch one;
    one.install(fixture(row.name), "plugin.so");
    const auto registry = scan_path(one);
    expect(only_file(registry), row.state, row.fragment);
    // A plugin whose device is missing is known, so that selection for such hardware elsewhere can be explained.
    CHECK(registry->backends.size() == (row.state == State::unavailable ? 1 : 0));
    // The second look tells the same.
    expect(only_file(scan_path(one)), row.state, row.fragment);
  }
}

TEST_CASE("what the system says of a file that it cannot load is told whole and without a frame") {
  const Scratch one, two;
  one.install(fixture("undefined"), "plugin.so");
  CHECK(only_file(scan_path(one)).sentence == "undefined symbol: fixture_undefined_symbol");
  two.install(fixture("missing"), "plugin.so");
  CHECK(only_file(scan_path(two)).sentence ==
        "libfixture_absent.so: cannot open shared object file: No such file or directory");
}

TEST_CASE("a name that is taken is shadowed by the file that took it") {
  const Scratch one, two;
  one.install(fixture("first"), "b.so");
  one.install(fixture("second"), "c.so");
  two.install(fixture("first"), "a.so");
  const auto registry = scan_path(one.path().string() + ":" + two.path().string());
  REQUIRE(registry->files.size() == 3);
  expect(registry->files[0], State::loaded, "");
  for (const std::size_t i : {std::size_t{1}, std::size_t{2}})
    expect(registry->files[i], State::shadowed,
           "shadowed by " + (one.path() / "b.so").string() + ", which offers FIXTURE too");
  REQUIRE(registry->backends.size() == 1);
  CHECK(registry->file_of(registry->backends[0]).path == one.path() / "b.so");
  REQUIRE(registry->find("fixture"));
  CHECK(registry->find("FIXTURE")->table->summary == std::string("computes nothing"));
  CHECK_FALSE(registry->find("OTHER"));
}

TEST_CASE("a file that changed after it was loaded is replaced: the old code goes on") {
  const Scratch one;
  one.install(fixture("first"), "plugin.so");
  const auto before = scan_path(one);
  expect(only_file(before), State::loaded, "");
  one.install(fixture("second"), "plugin.so");
  const auto after = scan_path(one);
  expect(only_file(after), State::replaced, "restart to load");
  CHECK(only_file(after).plugin == only_file(before).plugin);
  CHECK(only_file(after).plugin->build == std::string("first"));
  CHECK(after->backends.size() == 1);
  one.install(fixture("first"), "plugin.so");
  expect(only_file(scan_path(one)), State::loaded, "");
}

TEST_CASE("a file that takes the place of one with broken tables does not bring those back") {
  const Scratch one;
  one.install(fixture("null_tables"), "plugin.so");
  expect(only_file(scan_path(one)), State::invalid, "plugin.backends is NULL");
  one.install(fixture("first"), "plugin.so");
  const auto after = scan_path(one);
  expect(only_file(after), State::replaced, "restart to load");
  CHECK(only_file(after).plugin == nullptr);
  CHECK(after->backends.empty());
}

TEST_CASE("a missing library is tried again") {
  const Scratch one;
  one.install(fixture("undefined"), "plugin.so");
  expect(only_file(scan_path(one)), State::unresolved, "undefined symbol");
  one.install(fixture("first"), "plugin.so");
  expect(only_file(scan_path(one)), State::loaded, "");
}

TEST_CASE("a scan gives each file one state and goes on") {
  const Scratch one;
  one.write("a_text.so", "hello");
  one.write("b_cut.so", read_bytes(fixture("first")).substr(0, 4000));
  chmod(one.install(fixture("first"), "c_open.so").c_str(), 0777);
  one.install(cpu_attn(), "cpu_attn.so");
  Lines lines;
  const Log log(&Lines::add, &lines);
  const auto registry = scan_path(one.path().string(), log);
  REQUIRE(registry->files.size() == 4);
  expect(registry->files[0], State::foreign, "not an ELF file");
  expect(registry->files[1], State::damaged, "cut");
  expect(registry->files[2], State::untrusted, "world-writable");
  expect(registry->files[3], State::loaded, "");
  CHECK(registry->find("CPU_ATTN"));
  CHECK_FALSE(registry->find("FIXTURE"));
  CHECK_THAT(lines.text, Contains("b_cut.so: damaged: cut") && Contains("cpu_attn.so: loaded"));

  const auto trusting = scan_path(one.path().string(), log, true);
  expect(trusting->files.at(2), State::loaded, "");
  CHECK_THAT(lines.text, Contains("although the file") && Contains("(trust: any)"));
}

TEST_CASE("a probe stands between inspection and the loader") {
  const Scratch one;
  one.install(fixture("first"), "probed.so");
  one.write("text.so", "hello");
  Options options;
  options.plugin_path = one.path().string();
  int asked = 0;
  const auto registry = scan(options, {}, {}, [&asked](const std::vector<Judged>& files) {
    for (const Judged& file : files) {
      ++asked;
      CHECK(file.path.filename() == "probed.so");
      CHECK(file.inspection.name == "fixture_first");
    }
    return std::vector<Loaded>(files.size(), {State::crashed, "the plugin crashed while it was probed", nullptr});
  });
  CHECK(asked == 1);
  expect(registry->files.at(0), State::crashed, "crashed while it was probed");
  CHECK(registry->backends.empty());
}
