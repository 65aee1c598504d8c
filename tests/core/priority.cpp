// SPDX-License-Identifier: Apache-2.0
// JSON read strictly: the priority table and the attention config, each error by its place.
#include "priority.hpp"

#include <sys/stat.h>

#include "attention_config.hpp"
#include "json_reader.hpp"
#include "problem.hpp"
#include "scratch.hpp"

using namespace attnrt::core;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

std::string rule(const std::string& when) {
  return R"({"version": 1, "rules": [{"name": "a", "when": {)" + when + R"(}, "order": ["X"]}]})";
}
std::string variants(const std::string& body) {
  return R"({"version": 1, "rules": [], "variants": [{)" + body + "}]}";
}
std::string with_switch(const std::string& body) {
  return R"({"version": 1, "rules": [], "switches": [{)" + body + "}]}";
}

}  // namespace

TEST_CASE("broken syntax is told by line and column") {
  const struct { const char *text, *place; } table[] = {
      {"", "t.json:1:1: "},
      {"{", "t.json:1:2: "},
      {"{} x", "t.json:1:4: "},
      {"{\"version\": 1,\n  \"rules\": [,]}", "t.json:2:13: "},
      {"{\"version\": 1,\n\n\"rules\": nul}", "t.json:3:10: "},
      {"{'version': 1}", "t.json:1:2: "},
      {"{\"a\": \"\xff\"}", "t.json:1:8: "},
  };
  for (const auto& row : table) {
    const auto value = parse_json(row.text, "t.json");
    CAPTURE(row.text);
    REQUIRE_FALSE(value);
    CHECK_THAT(value.error().text, StartsWith(row.place) && Contains(", wanted JSON"));
    CHECK_FALSE(parse_priority(row.text, "t.json"));
  }
  const std::string deep = std::string(5000, '[') + std::string(5000, ']');
  CHECK_THAT(parse_json(deep, "t.json").error().text, StartsWith("t.json:1:") && Contains("wanted JSON"));
}

TEST_CASE("each fault in a priority table is told by its pointer") {
  const struct { std::string text, fragment;
  } table[] = {
      {"[]", "t.json#: is an array, wanted an object"},
      {"{}", "t.json#: key 'version' is missing"},
      {R"({"version": 2, "rules": []})", "t.json#/version: is 2, wanted 1 to 1"},
      {R"({"version": 1.5, "rules": []})", "t.json#/version: is a number, wanted a whole number"},
      {R"({"version": "1", "rules": []})", "t.json#/version: is a string, wanted a whole number"},
      {R"({"version": 1})", "t.json#: key 'rules' is missing"},
      {R"({"version": 1, "rules": {}})", "t.json#/rules: is an object, wanted an array"},
      {R"({"version": 1, "rules": [], "rule": []})",
       "t.json#: unknown key 'rule', wanted one of $schema, version, comment"},
      {R"({"version": 1, "rules": [], "plugins": ["X"]})", "t.json#/plugins: is an array, wanted an object"},
      {R"({"version": 1, "rules": [], "plugins": {"x": "X"}})", "t.json#/plugins/x: is a string, wanted an array"},
      {R"({"version": 1, "rules": [], "plugins": {"x": ["X", 3]}})", "t.json#/plugins/x/1: is a number, wanted a string"},
      {R"({"version": 1, "rules": [7]})", "t.json#/rules/0: is a number, wanted an object"},
      {R"({"version": 1, "rules": [{"order": []}]})", "t.json#/rules/0: key 'name' is missing"},
      {R"({"version": 1, "rules": [{"name": 3, "order": []}]})", "t.json#/rules/0/name: is a number, wanted a string"},
      {R"({"version": 1, "rules": [{"name": "a"}]})", "t.json#/rules/0: key 'order' is missing"},
      {R"({"version": 1, "rules": [{"name": "a", "order": "X"}]})",
       "t.json#/rules/0/order: is a string, wanted an array"},
      {R"({"version": 1, "rules": [{"name": "a", "order": ["X", null]}]})",
       "t.json#/rules/0/order/1: is null, wanted a string"},
      {R"({"version": 1, "rules": [{"name": "a", "order": ["X", "Y", "x"]}]})",
       "t.json#/rules/0/order/2: 'x' stands twice in this list"},
      {R"({"version": 1, "rules": [{"nmae": "a", "order": []}]})",
       "t.json#/rules/0: unknown key 'nmae', wanted one of name, when, order"},
      {R"({"version": 1, "rules": [{"name": "a", "order": []},
                                   {"name": "a", "when": {"device": "cpu"}, "order": []}]})",
       "t.json#/rules/1: the name 'a' stands twice"},
      {R"({"version": 1, "rules": [{"name": "a", "when": {"device": "cpu"}, "order": []},
                                   {"name": "b", "when": {"device": "cpu"}, "order": []}]})",
       "t.json#/rules/1: the conditions are those of rule 'a', which always wins"},
      {rule(R"("devcie": "cpu")"), "t.json#/rules/0/when: unknown key 'devcie', wanted one of device, arch"},
      {rule(R"("device": "tpu")"), "t.json#/rules/0/when/device: is 'tpu', wanted one of cpu, cuda, rocm"},
      {rule(R"("device": 1)"), "t.json#/rules/0/when/device: is a number, wanted a string"},
      {rule(R"("arch": "9.0")"), "t.json#/rules/0/when/arch: needs a device beside it"},
      {rule(R"("device": "cuda", "arch": "9")"),
       "t.json#/rules/0/when/arch: is '9', wanted an architecture or a range"},
      {rule(R"("device": "cuda", "arch": "9.0-8.0")"), "t.json#/rules/0/when/arch: is '9.0-8.0'"},
      {rule(R"("device": "cuda", "arch": "9.0-")"), "t.json#/rules/0/when/arch: is '9.0-'"},
      {rule(R"("device": "cuda", "arch": "9.10")"), "t.json#/rules/0/when/arch: is '9.10'"},
      {rule(R"("device": "cuda", "arch": "gfx942")"), "t.json#/rules/0/when/arch: is 'gfx942'"},
      {rule(R"("device": "rocm", "arch": "9.0")"), "t.json#/rules/0/when/arch: is '9.0'"},
      {rule(R"("device": "rocm", "arch": "gfx")"), "t.json#/rules/0/when/arch: is 'gfx'"},
      {rule(R"("device": "cuda", "arch": 9.0)"), "t.json#/rules/0/when/arch: is a number, wanted a string"},
      {rule(R"("family": "latent")"),
       "t.json#/rules/0/when/family: is 'latent', wanted one of standard, mla, mla_prefill"},
      {rule(R"("phase": "warmup")"), "t.json#/rules/0/when/phase: is 'warmup', wanted one of prefill, decode, mixed"},
      {rule(R"("causal": 1)"), "t.json#/rules/0/when/causal: is a number, wanted true or false"},
      {rule(R"("kv_cache_dtype": "fp32")"), "t.json#/rules/0/when/kv_cache_dtype: is a string, wanted an array"},
      {rule(R"("kv_cache_dtype": [])"), "t.json#/rules/0/when/kv_cache_dtype: is empty, wanted at least one dtype"},
      {rule(R"("kv_cache_dtype": ["fp31"])"), "t.json#/rules/0/when/kv_cache_dtype/0: is 'fp31', wanted one of fp32"},
      {rule(R"("num_heads": {"min": -1})"), "t.json#/rules/0/when/num_heads/min: is -1, wanted 0 to 65536"},
      {rule(R"("num_heads": {"min": 8, "max": 4})"), "t.json#/rules/0/when/num_heads/max: is 4, wanted 8 to 65536"},
      {rule(R"("num_heads": {"least": 8})"), "t.json#/rules/0/when/num_heads: unknown key 'least'"},
      {rule(R"("features": ["sink"])"), "t.json#/rules/0/when/features/0: is 'sink', wanted one of"},
      {rule(R"("isa": ["avx2"])"), "t.json#/rules/0/when/isa: needs the device cpu beside it"},
      {rule(R"("device": "cuda", "cpu_vendor": "amd")"), "t.json#/rules/0/when/cpu_vendor: needs the device cpu"},
      {rule(R"("device": "cpu", "isa": [])"), "t.json#/rules/0/when/isa: is empty, wanted at least one"},
      {rule(R"("device": "cpu", "isa": ["amx"])"), "t.json#/rules/0/when/isa/0: is 'amx', wanted one of avx2, avx512"},
      {rule(R"("device": "cpu", "cpu_vendor": "Intel")"),
       "t.json#/rules/0/when/cpu_vendor: is 'Intel', wanted one of intel, amd"},
      {variants(R"("order": {"X": ["a"]})"), "t.json#/variants/0: key 'name' is missing"},
      {variants(R"("name": "n", "order": ["X"])"), "t.json#/variants/0/order: is an array, wanted an object"},
      {variants(R"("name": "n", "order": {})"), "t.json#/variants/0/order: is empty, wanted at least one backend"},
      {variants(R"("name": "n", "order": {"X": ["a", "b", "A"]})"),
       "t.json#/variants/0/order/X/2: 'A' stands twice in this list"},
      {variants(R"("name": "n", "when": {"device": "cpu"}, "order": {"X": ["a"]}},
                   {"name": "m", "when": {"device": "cpu"}, "order": {"X": ["a"]})"),
       "t.json#/variants/1: the conditions are those of rule 'n', which always wins"},
      {with_switch(R"("is": 1, "exclude": ["X"])"), "t.json#/switches/0: names neither env nor config"},
      {with_switch(R"("env": "A", "exclude": ["X"])"), "t.json#/switches/0: key 'is' is missing"},
      {with_switch(R"("env": "A", "is": 1.5, "exclude": ["X"])"), "t.json#/switches/0/is: is a number"},
      {with_switch(R"("env": "A", "is": 1)"), "t.json#/switches/0: does nothing, wanted exclude, before or only"},
      {with_switch(R"("env": "A", "is": 1, "before": ["X"])"), "t.json#/switches/0/before: has 1 names, wanted 2"},
      {with_switch(R"("env": "A", "is": 1, "only": ["X"])"), "t.json#/switches/0/only: is an array, wanted an object"},
      {with_switch(R"("env": "A", "is": 1, "only": {"X": "FA2"})"),
       "t.json#/switches/0/only/X: is a string, wanted an array"},
      {with_switch(R"("env": "A", "is": 1, "skip": ["X"])"), "t.json#/switches/0: unknown key 'skip'"},
  };
  for (const auto& row : table) {
    CAPTURE(row.text);
    const auto read = parse_priority(row.text, "t.json");
    REQUIRE_FALSE(read);
    CHECK(read.error().code == ATTNRT_INVALID);
    CHECK_THAT(read.error().text, StartsWith("priority table t.json#") && Contains(row.fragment));
  }
}

TEST_CASE("a priority table is read as it stands") {
  const auto read = parse_priority(R"({"version": 1, "comment": "c", "rules": [
      {"name": "a", "order": ["X", "Y"],
       "when": {"device": "cuda", "arch": "8.0-9.9", "family": "standard", "phase": "decode", "causal": true,
                "kv_cache_dtype": ["fp8_e4m3", "bf16"], "num_heads": {"min": 8, "max": 64}, "features": ["softcap"]}},
      {"name": "b", "when": {"device": "rocm", "arch": "gfx942"}, "order": ["Z"]},
      {"name": "rest", "order": []}],
      "switches": [{"env": "E", "config": "c", "default": true, "is": false,
                    "exclude": ["X*"], "before": ["Y", "X"], "only": {"Z": ["a"]}}]})",
                                   "t.json");
  REQUIRE(read);
  REQUIRE(read->rules.size() == 3);
  attnrt_problem p = default_problem({ATTNRT_DEVICE_CUDA, -1, 90, 0});
  p.phase = ATTNRT_PHASE_DECODE;
  p.features = ATTNRT_FEATURE_SOFTCAP | ATTNRT_FEATURE_CAUSAL;
  CHECK(read->rule_for(p)->name == "a");
  CHECK(read->rule_for(p)->order == std::vector<std::string>{"X", "Y"});
  void (*const others[])(attnrt_problem&) = {
      [](auto& q) { q.arch = 100; },       [](auto& q) { q.arch = 75; },
      [](auto& q) { q.causal = ATTNRT_CAUSAL_NEVER; }, [](auto& q) { q.kv_dtype = ATTNRT_FP16; },
      [](auto& q) { q.num_heads = 4; },    [](auto& q) { q.num_heads = 128; },
      [](auto& q) { q.features = 0; },     [](auto& q) { q.phase = ATTNRT_PHASE_MIXED; },
      [](auto& q) { q.mla_kv_lora = 512; }, [](auto& q) { q.family = ATTNRT_FAMILY_MLA; },
      [](auto& q) { q.device_type = ATTNRT_DEVICE_CPU; }};
  for (const auto& change : others) {
    attnrt_problem q = p;
    change(q);
    CHECK(read->rule_for(q)->name == "rest");
  }
  p = default_problem({ATTNRT_DEVICE_ROCM, -1, 0x942, 0});
  CHECK(read->rule_for(p)->name == "b");
  REQUIRE(read->switches.size() == 1);
  CHECK(read->switches[0].preset == "1");
  CHECK(read->switches[0].is == "0");
  CHECK(read->switches[0].before == std::pair<std::string, std::string>{"Y", "X"});

  const auto none = parse_priority(R"({"version": 1, "rules": []})", "t.json");
  REQUIRE(none);
  CHECK(none->rule_for(p) == nullptr);
}

TEST_CASE("a table's file that cannot be read is named") {
  const Scratch one;
  CHECK_THAT(read_priority(one.path() / "none.json").error().text,
             Contains("none.json cannot be read: No such file or directory, wanted a JSON file"));
  CHECK_FALSE(read_priority(one.path()));
  CHECK_THAT(read_priority(one.write("t.json", "{\n")).error().text, Contains("t.json:2:1: "));
  CHECK(read_priority(one.write("t.json", R"({"version": 1, "rules": []})")));
  REQUIRE(mkfifo((one.path() / "fifo").c_str(), 0600) == 0);
  CHECK_THAT(read_priority(one.path() / "fifo").error().text, Contains("fifo is not a regular file, wanted a JSON file"));
  CHECK_THAT(read_priority("/dev/zero").error().text, Contains("/dev/zero is not a regular file, wanted a JSON file"));
  one.write("large.json", "");
  std::filesystem::resize_file(one.path() / "large.json", (4 << 20) + 1);
  CHECK_THAT(read_priority(one.path() / "large.json").error().text, Contains("has 4194305 bytes, wanted at most 4194304"));
  CHECK_THAT(read_priority(one.write("empty.json", "")).error().text, Contains("empty.json:1:1: "));
}

TEST_CASE("a key that stands twice is refused at any depth") {
  for (const char* text : {R"({"version": 2, "version": 1, "rules": []})", R"({"version": 1, "rules": [], "\u0072ules": []})",
                           R"({"version": 1, "rules": [{"name": "a", "order": ["A"], "order": ["B"]}]})"})
    CHECK_THAT(parse_priority(text, "t.json").error().text, Contains("stands twice in one object, wanted it once"));
}

TEST_CASE("an order of very many names is refused at once") {
  std::string names;
  for (int i = 0; i < 40000; ++i) names += (i ? ",\"X" : "\"X") + std::to_string(i) + "\"";
  CHECK_THAT(parse_priority(R"({"version": 1, "rules": [{"name": "a", "order": [)" + names + "]}]}", "t.json").error().text,
             Contains("has 40000 names, wanted at most 1024"));
}

TEST_CASE("patterns fit names whatever their case") {
  CHECK(fits("FLASH_ATTN", "flash_attn"));
  CHECK(fits("ROCM_AITER_*", "rocm_aiter_mla"));
  CHECK(fits("*", ""));
  CHECK(fits("*_MLA", "TRITON_MLA"));
  CHECK(fits("A*B*C", "AxxBxBxC"));
  CHECK(fits("A**", "A"));
  CHECK_FALSE(fits("FLASH", "FLASH_ATTN"));
  CHECK_FALSE(fits("FLASH_ATTN", "FLASH"));
  CHECK_FALSE(fits("A*B", "AxC"));
  CHECK_FALSE(fits("*_MLA", "MLA"));
  CHECK_FALSE(fits("", "A"));
}

TEST_CASE("an attention config holds the backends and the keys of the table's switches") {
  const auto table =
      parse_priority(with_switch(R"("config": "flash_attn_version", "is": 2, "exclude": ["X"])"), "t.json");
  REQUIRE(table);
  const auto config =
      parse_attention_config(R"({"backend": "X", "mla_prefill_backend": "Y", "flash_attn_version": 3})", *table);
  REQUIRE(config);
  CHECK(config->backend == "X");
  CHECK(config->mla_prefill_backend == "Y");
  CHECK(config->values.at("flash_attn_version") == "3");
  CHECK(parse_attention_config("{}", *table));

  const struct { const char *text, *fragment;
  } faults[] = {
      {"", "attention-config:1:1: "},
      {"{\"backend\": X}", "attention-config:1:13: "},
      {"[]", "attention-config#: is an array, wanted an object"},
      {"\"X\"", "attention-config#: is a string, wanted an object"},
      {R"({"backend": 3})", "attention-config#/backend: is a number, wanted a string"},
      {R"({"mla_prefill_backend": ["X"]})", "attention-config#/mla_prefill_backend: is an array, wanted a string"},
      {R"({"flash_attn_version": 2.5})",
       "attention-config#/flash_attn_version: is a number, wanted a string, a whole number or a bool"},
      {R"({"flash_attn_version": {}})", "attention-config#/flash_attn_version: is an object"},
      {R"({"bakend": "X"})", "unknown key 'bakend', wanted one of backend, mla_prefill_backend, "},
  };
  for (const auto& row : faults) {
    CAPTURE(row.text);
    const auto read = parse_attention_config(row.text, *table);
    REQUIRE_FALSE(read);
    CHECK(read.error().code == ATTNRT_INVALID);
    CHECK_THAT(read.error().text, Contains(row.fragment));
  }
}

TEST_CASE("a reader keeps the first error and gives empty values after it") {
  const auto value = parse_json(R"({"n": 3, "big": 18446744073709551615, "s": "x", "list": [true, -7]})", "f");
  REQUIRE(value);
  std::string error;
  const JsonReader root(*value, "f", error);
  CHECK(root.at("n").integer(0, 10) == 3);
  CHECK(root.at("n").scalar() == "3");
  CHECK(root.at("list").at(std::size_t{0}).scalar() == "1");
  CHECK(root.at("list").at(1).scalar() == "-7");
  CHECK(root.has("s"));
  CHECK_FALSE(root.at("s").has("x"));
  CHECK(root.ok());
  CHECK(root.at("big").integer(0, 10) == 0);
  CHECK(error == "f#/big: is a number, wanted a whole number");
  CHECK(root.at("list").at(9).text() == "");
  CHECK(root.at("none").texts().empty());
  CHECK(error == "f#/big: is a number, wanted a whole number");
}
