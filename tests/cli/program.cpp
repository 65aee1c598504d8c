// SPDX-License-Identifier: Apache-2.0
#include "program.hpp"

#include <catch2/catch.hpp>

#include "scratch.hpp"

namespace json = boost::json;

namespace {

void check_fields(const json::value& value, std::initializer_list<const char*> fields) {
  for (const char* field : fields) {
    CAPTURE(field);
    CHECK(value.as_object().contains(field));
  }
}

}  // namespace

TEST_CASE("list and show") {
  const json::value list = attnrt_json("list --json");
  check_fields(list, {"core", "folders", "plugins"});
  bool found = false;
  for (const json::value& plugin : list.at("plugins").as_array()) {
    check_fields(plugin, {"path", "file", "state", "sentence", "backends"});
    for (const json::value& backend : plugin.at("backends").as_array()) found |= backend.at("name") == "CPU_ATTN";
  }
  CHECK(found);
  const Outcome table = attnrt_program("list");
  CHECK(table.status == 0);
  CHECK_THAT(table.out, Catch::Contains("cpu_attn.so  loaded") && Catch::Contains("CPU_MLA"));

  const json::value sheet = attnrt_json("show CPU_ATTN --json");
  check_fields(sheet, {"backend", "summary", "plugin", "variants"});
  CHECK(sheet.at("variants").at(0).at("head_sizes") == "8 to 512 in steps of 8");
  CHECK_THAT(attnrt_program("show cpu_mla").out,
             Catch::Contains("CPU_MLA") && Catch::Contains("head sizes of v    512"));
}

TEST_CASE("an empty plugin folder is no error") {
  const Scratch scratch("empty");
  CHECK(attnrt_json("--plugin-path " + scratch.file("") + " list --json").at("plugins").as_array().empty());
  CHECK_THAT(attnrt_program("--plugin-path " + scratch.file("") + " list").out, Catch::Contains("No plugins."));
  CHECK(attnrt_program("--plugin-path " + scratch.file("") + " run " + fixture("minilm_encoder_l0")).status == 1);
}

TEST_CASE("select chooses, explains and refuses") {
  const std::string log = "Using CPU_ATTN attention backend out of potential backends: ['CPU_ATTN', 'FLEX_ATTENTION'].\n";
  // Without a flag: the sentence, and the variant with the cache that it wants.
  const Outcome plain = attnrt_program("select --device cpu:avx2 --block-size 48 --kv-layout nhd");
  CHECK(plain.out == log + "CPU_ATTN/avx2, KV layout nhd, block size 48\n");
  CHECK_THAT(attnrt_program("select --device cpu").out, Catch::StartsWith(log + "CPU_ATTN/") &&
                                                            Catch::Contains(", KV layout ") &&
                                                            Catch::Contains(", block size "));
  CHECK_THAT(attnrt_program("select --device cpu:avx2 --kv-layout native").out,
             Catch::Contains("\nCPU_ATTN/avx2, KV layout native (cpu_attn/"));
  CHECK(attnrt_program("select --device cpu:avx2 --attn-type encoder_only").out ==
        log + "CPU_ATTN/avx2, KV layout contiguous, no cache\n");
  CHECK_THAT(attnrt_program("select --device cpu:avx2 --mla").out,
             Catch::Contains("CPU_MLA/avx2, KV layout mla, block size ") &&
                 Catch::Contains("CPU_MLA/avx2_prefill, KV layout contiguous, no cache\n"));
  CHECK(attnrt_program("select --device cpu --attention-free").out ==
        "Using NO_ATTENTION: the model has no attention layers.\n");

  // Backends of another family are one line of the explanation, and rows where somebody wants them.
  const Outcome folded = attnrt_program("select --device cpu --explain");
  CHECK_THAT(folded.out, Catch::Contains("\n        1 backend of other families or devices: CPU_MLA\n") &&
                             Catch::Contains("avx2") && !Catch::Contains("avx2_prefill"));
  CHECK_THAT(attnrt_program("select --device cpu --mla --phase decode --explain").out,
             Catch::Contains("of other families or devices: CPU_ATTN, FLEX_ATTENTION\n") && Catch::Contains("avx2_prefill"));
  CHECK_THAT(attnrt_program("select --device cpu --mla --phase prefill --explain").out,
             !Catch::Contains("of other families or devices"));
  const Outcome all = attnrt_program("select --device cpu --explain --all");
  CHECK_THAT(all.out, !Catch::Contains("of other families") && Catch::Contains("avx2_prefill"));
  CHECK_THAT(attnrt_program("--attention-backend CPU_MLA select --device cpu --explain").out,
             Catch::Contains("avx2_prefill") && !Catch::Contains("of other families"));
  CHECK(attnrt_program("select --device cpu --all").status == 2);
  for (const std::string& text : {folded.out, all.out}) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);)
      if (line.find('/') == std::string::npos) CHECK(line.size() <= 80);  // a path is not broken
  }
  const json::value choice = attnrt_json("select --device cpu --json --num-heads 12 --sliding-window 64 --dtype half");
  check_fields(choice,
               {"backend", "variant", "log", "error", "source", "override", "candidates", "problem", "warnings"});
  CHECK(choice.at("backend") == "CPU_ATTN");
  CHECK(choice.at("problem").at("num_kv_heads") == 12);
  CHECK(choice.at("problem").at("window_left") == 63);
  CHECK(choice.at("problem").at("dtype") == "fp16");

  const Outcome none = attnrt_program("select --device cpu --head-size 520 --explain");
  CHECK(none.status == 1);
  CHECK_THAT(none.out, Catch::Contains("head_size not supported"));
  CHECK_THAT(none.err, Catch::StartsWith("attnrt: No valid attention backend found for cpu with head_size=520"));
  const json::value refused = attnrt_json("select --device cpu --head-size 520 --json", 1);
  CHECK(refused.at("backend").is_null());
  CHECK(attnrt_program("select --device rocm:gfx1100").status == 1);
}

TEST_CASE("a processor with AMX uses it, and --explain says whose order that is") {
  const json::value choice = attnrt_json("select --device cpu:amx --dtype bf16 --json");
  CHECK(choice.at("variant") == "amx_bf16");
  CHECK(choice.at("variant_rule") == "Intel with AMX");
  CHECK(attnrt_json("select --device cpu:amx --dtype fp32 --json").at("variant") == "avx512");
  CHECK(attnrt_json("select --device cpu:amx --mla --phase decode --json").at("variant") == "avx512");
  // Where a line is broken depends on the length of the table's path.
  std::istringstream explained(attnrt_program("select --device cpu:amx --dtype bf16 --explain").out);
  std::string text;
  for (std::string word; explained >> word;) text += word + " ";
  CHECK_THAT(text, Catch::Contains(" variants in the order of ") &&
                       Catch::Contains("priority.json for Intel with AMX: amx_bf16, avx512, avx512_bf16; "));
}

TEST_CASE("problem flags become the problem") {
  const auto problem = [](const std::string& flags) {
    return attnrt_json("select --json --device cpu " + flags).at("problem");
  };
  CHECK(problem("--mla").at("family") == "mla");
  CHECK(problem("--mla").at("head_size") == 576);
  CHECK(problem("--mla --phase decode").at("head_size_v") == 512);
  const json::value prefill = problem("--mla --phase prefill --num-heads 16");
  CHECK(prefill.at("family") == "mla_prefill");
  CHECK(prefill.at("head_size") == 192);
  CHECK(prefill.at("head_size_v") == 128);
  CHECK(prefill.at("num_kv_heads") == 16);
  const json::value encoder = problem("--attn-type encoder_only --sliding-window 8");
  CHECK(encoder.at("causal") == "never");
  CHECK(encoder.at("window_right") == 7);
  CHECK(encoder.at("phase") == "prefill");
  CHECK(problem("--sliding-window 8").at("window_right") == 0);
  CHECK(problem("--non-causal").at("causal") == "never");
  CHECK(problem("--batch-invariant").at("determinism") == "batch-invariant");
  CHECK(problem("--sink --alibi --lse --softcap 30").at("features") ==
        json::value({"causal", "softcap", "alibi", "sinks", "lse"}));
  CHECK(problem("--decode-query-len 4 --phase decode").at("decode_query_len") == 4);
  const Outcome none = attnrt_program("select --device cpu --attention-free");
  CHECK(none.status == 0);
  CHECK_THAT(none.out, Catch::Contains("NO_ATTENTION: the model has no attention layers"));
  const json::value all = attnrt_json(
      "select --json --device cpu --sparse --mm-prefix --tree-mask --dense-mask --block-sparse "
      "--dcp-size 2 --kv-cache-dtype fp8 --kv-layout native",
      1);
  CHECK(all.at("problem").at("kv_cache_dtype") == "fp8_e4m3");
  for (const char* code : {"SPARSE", "MM_PREFIX", "TREE_MASK", "DENSE_MASK", "BLOCK_SPARSE", "CONTEXT_PARALLEL",
                           "KV_CACHE_DTYPE", "KV_LAYOUT"}) {
    CAPTURE(code);
    CHECK(json::serialize(all).find("\"code\":\"" + std::string(code) + "\"") != std::string::npos);
  }
}

TEST_CASE("overrides from every place") {
  for (const char* flags :
       {"--attention-backend CPU_ATTN select", "select -ac.backend cpu_attn",
        "select --attention-config.backend=CPU_ATTN", "-ac '{\"backend\": \"CPU_ATTN/portable\"}' select"}) {
    CAPTURE(flags);
    const json::value choice = attnrt_json(std::string(flags) + " --device cpu --json");
    CHECK(choice.at("backend") == "CPU_ATTN");
    CHECK(choice.at("source") != "automatic");
  }
  const Outcome forced = attnrt_program("--attention-backend CPU_MLA select --device cpu");
  CHECK(forced.status == 1);
  CHECK_THAT(forced.err, Catch::Contains("Selected backend CPU_MLA is not valid for this configuration. Reason: ["));
  const Outcome variable = attnrt_program("select --device cpu", "VLLM_ATTENTION_BACKEND=CPU_MLA");
  CHECK(variable.status == 0);
  CHECK_THAT(variable.out, Catch::Contains("Using CPU_ATTN"));
  CHECK_THAT(variable.err, Catch::Contains("warning") && Catch::Contains("VLLM_ATTENTION_BACKEND"));
  CHECK(attnrt_program("-q select --device cpu", "VLLM_ATTENTION_BACKEND=CPU_MLA").err.empty());
  CHECK_THAT(attnrt_program("select --device cpu -v").err, Catch::Contains("info: Using CPU_ATTN"));
}

TEST_CASE("doctor tells what it sees") {
  const json::value report = attnrt_json("doctor --json");
  check_fields(report, {"core", "folders", "environment", "devices", "plugins", "findings"});
  const Outcome text = attnrt_program("doctor");
  CHECK(text.status == 0);
  CHECK_THAT(text.out, Catch::Contains("Folders") && Catch::Contains("ATTNRT_PLUGIN_PATH is not set"));
}

TEST_CASE("help and version") {
  CHECK_THAT(attnrt_program("--version").out, Catch::StartsWith("attnrt 0.1.0"));
  for (const char* verb : {"", "list", "show", "select", "run", "bench", "doctor"}) {
    const Outcome help = attnrt_program(std::string(verb) + " --help");
    CAPTURE(verb);
    CHECK(help.status == 0);
    std::istringstream lines(help.out);
    for (std::string line; std::getline(lines, line);) CHECK(line.size() <= 80);
  }
  CHECK_THAT(attnrt_program("select --help").out, Catch::Contains("--tree-mask"));
  CHECK_THAT(attnrt_program("run --help").out, !Catch::Contains("--tree-mask") && Catch::Contains("--softcap"));
  const Outcome bare = attnrt_program("");
  CHECK(bare.status == 2);
  CHECK_THAT(bare.out, Catch::Contains("Subcommands:"));
}
