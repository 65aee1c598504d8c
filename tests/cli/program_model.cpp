// SPDX-License-Identifier: Apache-2.0
// --model: configurations as the families of models write them, and what becomes of them in select, run and bench.
#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>

#include "bench/flags.hpp"
#include "failure.hpp"
#include "made_file.hpp"
#include "model_config.hpp"
#include "program.hpp"
#include "scratch.hpp"

using namespace attnrt::cli;

namespace {

ModelConfig read(const std::string& text) { return model_config(boost::json::parse(text).as_object(), "config.json"); }

constexpr const char* kLlama3 = R"({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 4096,
  "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8, "rope_theta": 500000.0,
  "max_position_embeddings": 8192, "torch_dtype": "bfloat16"})";
constexpr const char* kMistral = R"({"model_type": "mistral", "hidden_size": 4096, "num_attention_heads": 32,
  "num_hidden_layers": 32, "num_key_value_heads": 8, "sliding_window": 4096, "torch_dtype": "bfloat16"})";
constexpr const char* kNemo =
    R"({"model_type": "mistral", "hidden_size": 5120, "num_attention_heads": 32, "head_dim": 128,
  "num_hidden_layers": 40, "num_key_value_heads": 8, "sliding_window": null, "torch_dtype": "bfloat16"})";
constexpr const char* kGemma2 =
    R"({"model_type": "gemma2", "hidden_size": 2304, "num_attention_heads": 8, "head_dim": 256,
  "num_hidden_layers": 26, "num_key_value_heads": 4, "sliding_window": 4096, "attn_logit_softcapping": 50.0,
  "final_logit_softcapping": 30.0, "query_pre_attn_scalar": 256, "cache_implementation": "hybrid",
  "torch_dtype": "float32"})";
constexpr const char* kGemma3 = R"({"architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3",
  "mm_tokens_per_image": 256, "torch_dtype": "bfloat16", "text_config": {"hidden_size": 2560, "model_type": "gemma3_text",
  "num_hidden_layers": 34, "rope_scaling": {"factor": 8.0, "rope_type": "linear"}, "sliding_window": 1024},
  "vision_config": {"hidden_size": 1152, "num_attention_heads": 16, "num_hidden_layers": 27}})";
constexpr const char* kQwen2 = R"({"model_type": "qwen2", "hidden_size": 3584, "num_attention_heads": 28,
  "num_hidden_layers": 28, "num_key_value_heads": 4, "sliding_window": 131072, "use_sliding_window": false,
  "max_window_layers": 28, "torch_dtype": "bfloat16"})";
constexpr const char* kQwen3 =
    R"({"model_type": "qwen3", "head_dim": 128, "hidden_size": 1024, "num_attention_heads": 16,
  "num_hidden_layers": 28, "num_key_value_heads": 8, "sliding_window": null, "use_sliding_window": false,
  "torch_dtype": "bfloat16"})";
constexpr const char* kGptOss =
    R"({"model_type": "gpt_oss", "head_dim": 64, "hidden_size": 2880, "num_attention_heads": 64,
  "num_hidden_layers": 4, "num_key_value_heads": 8, "sliding_window": 128, "layer_types": ["sliding_attention",
  "full_attention", "sliding_attention", "full_attention"], "quantization_config": {"quant_method": "mxfp4"}})";
constexpr const char* kDeepSeekV2Lite = R"({"model_type": "deepseek_v2", "hidden_size": 2048, "kv_lora_rank": 512,
  "num_attention_heads": 16, "num_hidden_layers": 27, "num_key_value_heads": 16, "q_lora_rank": null,
  "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "torch_dtype": "bfloat16",
  "rope_scaling": {"beta_fast": 32, "beta_slow": 1, "factor": 40, "mscale": 0.707, "mscale_all_dim": 0.707,
  "original_max_position_embeddings": 4096, "type": "yarn"}})";
constexpr const char* kDeepSeekV3 = R"({"model_type": "deepseek_v3", "hidden_size": 7168, "kv_lora_rank": 512,
  "num_attention_heads": 128, "num_hidden_layers": 61, "num_key_value_heads": 128, "q_lora_rank": 1536,
  "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "torch_dtype": "bfloat16",
  "quantization_config": {"fmt": "e4m3", "quant_method": "fp8", "weight_block_size": [128, 128]}})";
constexpr const char* kBert = R"({"architectures": ["BertForMaskedLM"], "model_type": "bert", "hidden_size": 768,
  "num_attention_heads": 12, "num_hidden_layers": 12, "position_embedding_type": "absolute"})";
constexpr const char* kDistilBert = R"({"model_type": "distilbert", "dim": 768, "n_heads": 12, "n_layers": 6})";
constexpr const char* kModernBert = R"({"model_type": "modernbert", "hidden_size": 768, "num_attention_heads": 12,
  "num_hidden_layers": 22, "global_attn_every_n_layers": 3, "local_attention": 128, "torch_dtype": "float32"})";

/// A configuration in a folder of its own.
struct OnDisk {
  inline static int count = 0;
  Scratch scratch{"model" + std::to_string(count++)};
  std::string path = scratch.file("config.json");
  explicit OnDisk(const std::string& text) { std::ofstream(path) << text; }
};

}  // namespace

TEST_CASE("configurations of every family") {
  const struct {
    const char* text;
    int64_t heads, kv_heads, head_size, layers;
    const char* kinds;  ///< kind, layers, window, in order
    const char* dtype;
  } cases[] = {{kLlama3, 32, 8, 128, 32, "full_attention 32 0;", "bfloat16"},
               {kMistral, 32, 8, 128, 32, "sliding_attention 32 4096;", "bfloat16"},
               {kNemo, 32, 8, 128, 40, "full_attention 40 0;", "bfloat16"},
               {kGemma2, 8, 4, 256, 26, "sliding_attention 13 4096;full_attention 13 0;", "float32"},
               {kGemma3, 8, 4, 256, 34, "sliding_attention 29 1024;full_attention 5 0;", "bfloat16"},
               {kQwen2, 28, 4, 128, 28, "full_attention 28 0;", "bfloat16"},
               {kQwen3, 16, 8, 128, 28, "full_attention 28 0;", "bfloat16"},
               {kGptOss, 64, 8, 64, 4, "sliding_attention 2 128;full_attention 2 0;", ""},
               {kDeepSeekV2Lite, 16, 16, 192, 27, "full_attention 27 0;", "bfloat16"},
               {kDeepSeekV3, 128, 128, 192, 61, "full_attention 61 0;", "bfloat16"},
               {kBert, 12, 12, 64, 12, "full_attention 12 0;", ""},
               {kDistilBert, 12, 12, 64, 6, "full_attention 6 0;", ""},
               {kModernBert, 12, 12, 64, 22, "full_attention 8 0;sliding_attention 14 65;", "float32"}};
  for (const auto& c : cases) {
    CAPTURE(c.text);
    const ModelConfig model = read(c.text);
    CHECK(model.num_heads == c.heads);
    CHECK(model.num_kv_heads == c.kv_heads);
    CHECK(model.head_size == c.head_size);
    CHECK(static_cast<int64_t>(model.layers.size()) == c.layers);
    std::string kinds;
    for (const LayerKind& kind : model.kinds)
      kinds += kind.name + " " + std::to_string(kind.num_layers) + " " +
               std::to_string(kind.sliding_window.value_or(0)) + ";";
    CHECK(kinds == c.kinds);
    CHECK((model.dtype ? model.dtype->text : "") == c.dtype);
    CHECK(model.encoder == (std::string(c.text).find("bert") != std::string::npos));
    CHECK(model.mla == (std::string(c.text).find("kv_lora_rank") != std::string::npos));
    CHECK(model.sinks == (std::string(c.text).find("gpt_oss") != std::string::npos));
  }
  CHECK(read(kGemma2).softcap == 50.0);
  CHECK(read(kGemma2).scale == 1 / 16.0);
  CHECK_FALSE(read(kGemma3).softcap);
  CHECK_FALSE(read(kLlama3).scale);
  const double mscale = 0.1 * 0.707 * std::log(40.0) + 1;
  CHECK(*read(kDeepSeekV2Lite).scale == Approx(mscale * mscale / std::sqrt(192.0)));
  CHECK(*read(kDeepSeekV3).scale == Approx(1 / std::sqrt(192.0)));
  CHECK(read(kLlama3).assumed.empty());
  CHECK(read(kGemma3).assumed.size() == 3);  // heads and their size
  CHECK(read(kBert).assumed == std::vector<std::string>{"dtype bf16, since torch_dtype is not there"});
}

TEST_CASE("layers of several kinds, however they are said") {
  const auto with = [](const std::string& more) {
    return read(R"({"model_type": "qwen2", "hidden_size": 256, "num_attention_heads": 4, "num_hidden_layers": 6, )" +
                more + "}");
  };
  CHECK(with(R"("sliding_window": 64, "use_sliding_window": true, "max_window_layers": 2)").layers ==
        std::vector<int>{0, 0, 1, 1, 1, 1});
  CHECK(with(R"("sliding_window": 64, "use_sliding_window": true, "max_window_layers": 0)").kinds[0].sliding_window ==
        64);
  CHECK(with(R"("sliding_window": 64, "sliding_window_pattern": 3)").layers == std::vector<int>{0, 0, 1, 0, 0, 1});
  const ModelConfig hybrid = with(R"("layer_types": ["linear_attention", "linear_attention", "full_attention"])");
  CHECK(hybrid.layers == std::vector<int>{-1, -1, 0});
  CHECK(hybrid.assumed[0] == "2 layers of linear_attention need no attention and are left out");
  const ModelConfig chunked = with(R"("layer_types": ["chunked_attention", "full_attention"])");
  CHECK(chunked.kinds.size() == 2);
  CHECK(chunked.assumed[0] == "full attention where chunked_attention cuts the context");
}

TEST_CASE("what is missing or wrong in a configuration is named") {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"model_type": "llama", "hidden_size": 64})", "config.json has no key 'num_attention_heads'"},
      {R"({"model_type": "llama", "num_attention_heads": 4})", "config.json has no key 'hidden_size'"},
      {R"({"num_attention_heads": 4, "hidden_size": 65})", "hidden_size is 65, wanted a multiple of the 4 heads"},
      {R"({"num_attention_heads": 0, "hidden_size": 64})", "num_attention_heads is 0, wanted a whole number from 1"},
      {R"({"num_attention_heads": "4"})", "num_attention_heads is \"4\", wanted a whole number"},
      {R"({"num_attention_heads": 4, "hidden_size": 64, "sliding_window": 1e3})", "wanted a whole number from 1"},
      {R"({"num_attention_heads": 4, "kv_lora_rank": 512})", "has no key 'qk_rope_head_dim'"},
      {R"({"num_attention_heads": 4, "hidden_size": 64, "torch_dtype": "int4"})",
       "torch_dtype is 'int4', wanted one of"},
      {R"({"num_attention_heads": 4, "hidden_size": 64, "layer_types": []})", "layer_types is [], wanted a list"},
      {R"({"num_attention_heads": 4, "hidden_size": 64, "layer_types": [7]})", "layer_types is 7, wanted words"},
      {R"({"num_attention_heads": 4, "hidden_size": 64, "layer_types": ["mamba"]})",
       "wanted a layer of full_attention"},
      {R"({"num_attention_heads": 4, "hidden_size": 64, "layer_types": ["sliding_attention"]})",
       "no key 'sliding_window'"},
      {R"({"num_attention_heads": 4, "hidden_size": 64, "attn_logit_softcapping": -1})", "wanted a number above 0"},
      {R"({"model_type": 3})", "model_type is 3, wanted a string"}};
  for (const auto& [text, sentence] : cases) {
    CAPTURE(text);
    std::string said;
    try {
      read(text);
    } catch (const Failure& failure) {
      said = failure.what();
    }
    CHECK_THAT(said, Catch::Contains(sentence));
  }
  const ModelConfig strange =
      read(R"({"model_type": "frobnicator", "n_head": 4, "n_embd": 256, "torch_dtype": "float16"})");
  CHECK(strange.head_size == 64);
  CHECK(strange.assumed ==
        std::vector<std::string>{"a decoder with causal attention, since model_type 'frobnicator' is not known here"});
}

TEST_CASE("select says a choice for each kind of layer of a model") {
  const OnDisk gemma(kGemma2);
  const boost::json::value said = attnrt_json("select --json --device cpu --model " + gemma.path);
  REQUIRE(said.at("kinds").as_array().size() == 2);
  const auto& kinds = said.at("kinds").as_array();
  CHECK(kinds[0].at("layers") == "sliding_attention");
  CHECK(kinds[0].at("num_layers") == 13);
  CHECK(kinds[0].at("choice").at("problem").at("window_left") == 4095);
  CHECK(kinds[1].at("choice").at("problem").at("window_left").is_null());
  for (const auto& kind : kinds) {
    CHECK(kind.at("choice").at("backend") == "CPU_ATTN");
    CHECK(kind.at("choice").at("problem").at("head_size") == 256);
    CHECK(kind.at("choice").at("problem").at("num_kv_heads") == 4);
    CHECK(kind.at("choice").at("problem").at("dtype") == "fp32");
    CHECK(kind.at("choice").at("problem").at("softcap") == 50);
  }
  const Outcome text = attnrt_program("select --device cpu --model " + gemma.path);
  CHECK(text.status == 0);
  CHECK_THAT(text.out, Catch::StartsWith("sliding_attention, 13 layers:\n") &&
                           Catch::Contains("\nfull_attention, 13 layers:\nUsing CPU_ATTN"));
  const OnDisk bert(kBert);
  const Outcome encoder = attnrt_program("select --device cpu --model " + bert.scratch.file(""));
  CHECK(encoder.status == 0);
  CHECK_THAT(encoder.out, Catch::StartsWith("Using CPU_ATTN"));
  CHECK_THAT(encoder.err, Catch::Contains("config.json: assumed dtype bf16, since torch_dtype is not there"));
  const auto json = [](const char* config, const std::string& flags = "") {
    const OnDisk model(config);
    return attnrt_json("select --json --device cpu --model " + model.path + " " + flags).at("kinds").at(0).at("choice");
  };
  CHECK(json(kBert).at("problem").at("attn_type") == "encoder_only");
  CHECK(json(kLlama3, "--num-kv-heads 4 --dtype fp16").at("problem").at("num_kv_heads") == 4);
  CHECK(json(kLlama3, "--num-kv-heads 4 --dtype fp16").at("problem").at("dtype") == "fp16");
  CHECK(json(kMistral, "--sliding-window 7").at("problem").at("window_left") == 6);
  const auto latent = json(kDeepSeekV3).at("problem");
  CHECK(latent.at("family") == "mla");
  CHECK(latent.at("head_size") == 576);
  CHECK(latent.at("num_heads") == 128);
  CHECK(json(kDeepSeekV2Lite, "--phase prefill").at("problem").at("head_size") == 192);
  CHECK(json(kGptOss).at("problem").at("num_heads") == 64);
  CHECK_THAT(boost::json::serialize(json(kGptOss).at("problem")), Catch::Contains("sinks"));
}

TEST_CASE("a model that no backend serves, and files that are none") {
  const OnDisk odd(R"({"model_type": "llama", "num_attention_heads": 4, "head_dim": 1030, "torch_dtype": "float16"})");
  const Outcome none = attnrt_program("select --device cpu --model " + odd.path);
  CHECK(none.status == 1);
  CHECK_THAT(none.err, Catch::Contains("full_attention: No valid attention backend found for cpu with head_size=1030"));
  const Scratch scratch("nomodel");
  std::ofstream(scratch.file("list.json")) << "[1, 2]";
  std::ofstream(scratch.file("cut.json")) << "{\"num_attention_heads\": ";
  std::ofstream(scratch.file("deep.json")) << std::string(100000, '[');
  std::ofstream(scratch.file("large.json")) << std::string((4 << 20) + 1, ' ');
  const std::pair<std::string, const char*> cases[] = {
      {"/nonexistent", "/nonexistent cannot be read"},
      {"/dev/zero", "/dev/zero is not a regular file"},
      {scratch.file("list.json"), "is no JSON object"},
      {scratch.file("cut.json"), "is no JSON object: "},
      {scratch.file("deep.json"), "is no JSON object: "},
      {scratch.file("large.json"), "wanted at most 4194304, wanted a model's config.json"},
      {scratch.file(""), "config.json cannot be read"}};
  for (const auto& [path, sentence] : cases)
    for (const char* verb : {"select --device cpu", "bench"}) {
      const Outcome outcome = attnrt_program(std::string(verb) + " --model " + path);
      CHECK(outcome.status == 2);
      CHECK_THAT(outcome.err, Catch::Contains(sentence));
    }
}

TEST_CASE("run takes window, softcap and scale from the model") {
  Tensors file;
  file["q"] = noise({40, 8, 32});
  file["k"] = noise({40, 4, 32});
  file["v"] = noise({40, 4, 32});
  Attention a;
  a.scale = 0.25;
  a.softcap = 5;
  const std::string text = R"({"model_type": "gemma2", "num_attention_heads": 8, "head_dim": 32, "num_hidden_layers": 4,
    "num_key_value_heads": 4, "sliding_window": 9, "attn_logit_softcapping": 5, "query_pre_attn_scalar": 16,
    "torch_dtype": "bfloat16"})";
  const OnDisk model(text);
  expect(file, file["q"], file["k"], file["v"], 32, {{0, 40, 0, 40, 40}}, a);
  check_file(file, {}, "--layer 1 --model " + model.path);
  check_file(file, {}, "--layer 0 --model " + model.path, 1);
  check_file(file, {}, "", 1);
  a.left = 8;
  a.right = 0;
  expect(file, file["q"], file["k"], file["v"], 32, {{0, 40, 0, 40, 40}}, a);
  check_file(file, {}, "--layer 2 --model " + model.path);
  check_file(file, {}, "--layer 2 --sliding-window 8 --model " + model.path, 1);
  check_file(file, {{"softcap", "4"}}, "--layer 2 --model " + model.path, 1);  // the file is nearer than the model
  check_refused(file, {}, "has sliding_attention (layers 0, 2) and full_attention (layers 1, 3), wanted --layer",
                "--model " + model.path);
  check_refused(file, {}, "--layer is '4', wanted a whole number from 0 to 3", "--layer 4 --model " + model.path);
  check_refused(file, {}, "--layer requires --model", "--layer 4");
  const OnDisk other(kLlama3);
  check_refused(file, {}, "head_dim is '128', wanted 32, the width of q", "--model " + other.path);
  const OnDisk sinks(R"({"model_type": "gpt_oss", "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 32,
    "torch_dtype": "float32", "layer_types": ["full_attention"]})");
  check_refused(file, {}, "has no tensor 'sinks', wanted it for --sink or the model's sinks", "--model " + sinks.path);
}

TEST_CASE("bench measures with the windows, softcap, sinks and slopes of the model") {
  const struct {
    const char *keys, *seqs;
    std::vector<std::string> ids;
  } models[] = {
      {R"("model_type": "gemma2", "sliding_window": 9)",
       "40x40,1x50",
       {"40x40,1x50, sliding_attention", "40x40,1x50, full_attention"}},
      {R"("model_type": "gpt_oss", "sliding_window": 5)", "7x30", {"7x30, sliding_attention", "7x30, full_attention"}},
      {R"("model_type": "bloom")", "1x40", {"1x40"}},
      {R"("model_type": "modernbert", "local_attention": 8, "global_attn_every_n_layers": 3)",
       "40x40",
       {"40x40, full_attention", "40x40, sliding_attention"}}};
  for (const auto& m : models) {
    CAPTURE(m.keys);
    const OnDisk model(
        std::string(R"({"num_attention_heads": 4, "head_dim": 64, "hidden_size": 256, "num_hidden_layers": 4,
      "num_key_value_heads": 4, "torch_dtype": "float32", )") +
        m.keys + "}");
    const Outcome said = attnrt_program(std::string("bench --no-limits --min-time 0 --min-reps 1 --threads 1 --json ") +
                                        "--variant CPU_ATTN/portable --seqs " + m.seqs + " --model " + model.path);
    INFO(said.err);
    REQUIRE(said.status == 0);
    std::vector<std::string> ids;
    const boost::json::value document = boost::json::parse(said.out);
    for (const boost::json::value& result : document.at("results").as_array()) {
      INFO(boost::json::serialize(result));
      ids.emplace_back(result.at("case").as_string());
      CHECK(result.at("err").to_number<double>() < 1e-5);  // of attention with them
    }
    CHECK(ids == m.ids);
  }
}

TEST_CASE("a window counts the pairs and the keys that are seen") {
  BenchCase c;
  c.num_heads = c.num_kv_heads = 1;
  c.head_size = 1;
  c.requests = {{3, 5}, {1, 8}};
  c.window = 2;
  CHECK(c.seen(c.requests[0], 0).first == 1);
  CHECK(c.seen(c.requests[0], 0).last == 3);
  CHECK(c.flops() == 4 * (3 * 2 + 2));
  CHECK(c.kv_bytes(1) == 2 * (4 + 2));
  c.shared_prefix = 3;  // of which the first request sees two keys, the other one none
  CHECK(c.kv_bytes(1) == 2 * (4 + 2));
  c.window = 0;
  CHECK(c.kv_bytes(1) == 2 * (5 + 8 - 3));
  c.causal = false;
  c.window = 3;  // to each side
  CHECK(c.seen(c.requests[0], 0).first == 0);
  CHECK(c.seen(c.requests[0], 0).last == 5);
  CHECK(c.seen(c.requests[1], 0).first == 5);
}

TEST_CASE("bench measures the shapes of the model") {
  const OnDisk model(R"({"model_type": "gemma2", "num_attention_heads": 4, "head_dim": 64, "num_hidden_layers": 2,
    "num_key_value_heads": 2, "sliding_window": 9, "torch_dtype": "float32"})");
  const std::string quick = " --no-limits --min-time 0 --min-reps 1 --threads 1 --json --model " + model.path;
  const Outcome said = attnrt_program("bench --seqs 8x8 --layout nhd" + quick);
  INFO(said.err);
  REQUIRE(said.status == 0);
  CHECK_THAT(said.err, !Catch::Contains("measured without"));
  CHECK_THAT(said.out, Catch::Contains("\"dtype\": \"fp32\""));
  BenchFlags flags;
  flags.model = model.path;
  flags.seqs = "8x8,1x20";
  const auto sizes = [&flags] {
    const BenchCase c = wanted_cases(flags, wanted_model(flags)).at(0);
    return std::vector<int64_t>{c.num_heads, c.num_kv_heads, c.head_size, c.mla, c.causal};
  };
  CHECK(sizes() == std::vector<int64_t>{4, 2, 64, 0, 1});
  flags.num_heads = Setting{"8", "--num-heads"};
  flags.head_size = Setting{"32", "--head-size"};
  CHECK(sizes() == std::vector<int64_t>{8, 2, 32, 0, 1});
  CHECK(wanted_dtypes(flags, wanted_model(flags)) == std::vector<uint32_t>{ATTNRT_FP32});
  flags.dtypes = "bf16";
  CHECK(wanted_dtypes(flags, wanted_model(flags)) == std::vector<uint32_t>{ATTNRT_BF16});
  const OnDisk bert(kBert), deepseek(kDeepSeekV3);
  flags = {};
  flags.seqs = "8x8";
  flags.model = bert.path;
  CHECK(sizes() == std::vector<int64_t>{12, 12, 64, 0, 0});
  flags.model = deepseek.path;
  CHECK(sizes() == std::vector<int64_t>{128, 128, 192, 1, 1});
  flags.seqs = "1x20";
  CHECK(sizes() == std::vector<int64_t>{128, 1, 576, 1, 1});
  flags.seqs = "";
  for (const BenchCase& c : wanted_cases(flags, wanted_model(flags))) CHECK((c.mla && c.num_heads == 128));
  flags.model = model.path;
  for (const BenchCase& c : wanted_cases(flags, wanted_model(flags))) CHECK((!c.mla && c.causal && c.head_size == 64));
  CHECK_THAT(attnrt_program("bench --case enc_12h64_512x4" + quick).err, Catch::Contains("has none of these cases"));
  const OnDisk latent(R"({"num_attention_heads": 4, "kv_lora_rank": 256, "qk_rope_head_dim": 32, "qk_nope_head_dim": 64,
    "v_head_dim": 64})");
  CHECK_THAT(attnrt_program("bench --model " + latent.path).err,
             Catch::Contains("has latents of 256 + 32, keys of 64 + 32 and values of 64, wanted 512 + 64"));
}
