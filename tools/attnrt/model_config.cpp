// SPDX-License-Identifier: Apache-2.0
#include "model_config.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <initializer_list>
#include <utility>

#include "failure.hpp"
#include "regular_file.hpp"

namespace attnrt::cli {
namespace {

namespace json = boost::json;

constexpr uint64_t kMostBytes = 4 << 20;
constexpr int64_t kMostLayers = 4096;

bool among(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// What a family's configurations leave out, since its code has it as a default.
struct Defaults {
  const char* model_type;
  int64_t num_heads, num_kv_heads, head_size, sliding_window, pattern, num_layers;
  double softcap, query_pre_attn_scalar;
};
constexpr Defaults kDefaults[] = {
    {"gemma", 0, 0, 256, 0, 0, 0, 0, 0},        {"gemma2", 8, 4, 256, 4096, 2, 26, 50, 256},
    {"gemma3", 8, 4, 256, 4096, 6, 26, 0, 256}, {"gemma3_text", 8, 4, 256, 4096, 6, 26, 0, 256},
    {"gpt_oss", 64, 8, 64, 128, 2, 36, 0, 0},   {"cohere2", 0, 0, 0, 4096, 4, 0, 0, 0},
    {"qwen3", 0, 0, 128, 0, 0, 0, 0, 0},        {"qwen3_moe", 0, 0, 128, 0, 0, 0, 0, 0}};

/// The keys of one configuration, null taken as absent.
class Keys {
 public:
  Keys(const json::object& object, const std::string& path) : object_(object), path_(path) {}

  const json::value* find(std::string_view key) const {
    const json::value* value = object_.if_contains(key);
    return value && !value->is_null() ? value : nullptr;
  }
  bool has(std::string_view key) const { return find(key) != nullptr; }

  /// The first of these keys that is there, a whole number from 1 to `most`.
  std::optional<int64_t> size(std::initializer_list<std::string_view> keys, int64_t most) const {
    for (const std::string_view key : keys) {
      const json::value* value = find(key);
      if (!value) continue;
      const int64_t* number = value->if_int64();
      if (!number || *number < 1 || *number > most)
        refuse(key, *value, fmt::format("a whole number from 1 to {}", most));
      return *number;
    }
    return std::nullopt;
  }
  int64_t needed(std::initializer_list<std::string_view> keys, int64_t most) const {
    if (const auto found = size(keys, most)) return *found;
    throw Failure(fmt::format("{} has no key '{}', wanted a whole number", path_, *keys.begin()));
  }
  std::optional<double> number(std::string_view key) const {
    const json::value* value = find(key);
    if (!value) return std::nullopt;
    if (!value->is_number()) refuse(key, *value, "a number above 0");
    const double number = value->to_number<double>();
    if (!(std::isfinite(number) && number > 0)) refuse(key, *value, "a number above 0");
    return number;
  }
  bool flag(std::string_view key, bool otherwise = false) const {
    const json::value* value = find(key);
    if (!value) return otherwise;
    if (!value->is_bool()) refuse(key, *value, "true or false");
    return value->get_bool();
  }
  std::string text(std::string_view key) const {
    const json::value* value = find(key);
    if (!value) return "";
    if (!value->is_string()) refuse(key, *value, "a string");
    return std::string(value->get_string());
  }
  [[noreturn]] void refuse(std::string_view key, const json::value& seen, const std::string& wanted) const {
    throw Failure(
        fmt::format("{}: {} is {}, wanted {}", path_, std::string(key), json::serialize(seen).substr(0, 80), wanted));
  }

 private:
  const json::object& object_;
  const std::string& path_;
};

/// The part that holds the text model of a model of several parts.
const json::object& text_part(const json::object& config) {
  const json::object* at = &config;
  for (int depth = 0; depth < 4; ++depth) {
    const json::object* inner = nullptr;
    for (const char* key : {"text_config", "language_config", "llm_config", "thinker_config"})
      if (const json::value* value = at->if_contains(key); value && value->is_object() && !inner)
        inner = &value->get_object();
    if (!inner) break;
    at = inner;
  }
  return *at;
}

bool is_encoder(const Keys& keys, const std::string& type) {
  const bool known = among(type, {"bert", "roberta", "xlm-roberta", "camembert", "distilbert", "electra", "albert",
                                  "mpnet", "deberta", "deberta-v2", "nomic_bert", "modernbert", "new", "ernie"});
  return known && !keys.flag("is_decoder");
}

bool is_known(const std::string& type, const ModelConfig& model) {
  return model.encoder || model.mla ||
         among(type, {"llama",      "mistral",   "mistral3", "mixtral",   "gemma",    "gemma2", "gemma3", "gemma3_text",
                      "qwen2",      "qwen2_moe", "qwen3",    "qwen3_moe", "gpt_oss",  "phi3",   "cohere", "cohere2",
                      "starcoder2", "granite",   "olmo2",    "gpt2",      "gpt_neox", "bloom"});
}

void read_heads(const Keys& keys, const Defaults& defaults, ModelConfig& model) {
  const auto need = [&](std::initializer_list<std::string_view> names, int64_t otherwise) {
    if (const auto found = keys.size(names, 65536)) return *found;
    if (!otherwise) return keys.needed(names, 65536);
    model.assumed.push_back(fmt::format("{} {}, the default of {}", *names.begin(), otherwise, model.model_type));
    return otherwise;
  };
  model.num_heads = need({"num_attention_heads", "n_head", "n_heads", "num_heads"}, defaults.num_heads);
  if (const auto groups = keys.size({"num_key_value_heads", "num_kv_heads", "multi_query_group_num"}, 65536)) {
    model.num_kv_heads = *groups;
  } else if (defaults.num_kv_heads) {
    model.num_kv_heads = need({"num_key_value_heads"}, defaults.num_kv_heads);
  } else {
    model.num_kv_heads = keys.flag("multi_query") ? 1 : model.num_heads;
  }
  if (const auto size = keys.size({"head_dim", "kv_channels"}, 65536)) {
    model.head_size = *size;
  } else if (defaults.head_size && !model.mla) {
    model.head_size = need({"head_dim"}, defaults.head_size);
  } else if (!model.mla) {
    const int64_t hidden = keys.needed({"hidden_size", "n_embd", "d_model", "dim"}, int64_t{1} << 31);
    if (hidden % model.num_heads)
      throw Failure(fmt::format("{}: hidden_size is {}, wanted a multiple of the {} heads, or head_dim beside it",
                                model.path, hidden, model.num_heads));
    model.head_size = hidden / model.num_heads;
  }
}

void read_mla(const Keys& keys, ModelConfig& model) {
  if (!model.mla) return;
  model.kv_lora = keys.needed({"kv_lora_rank"}, 65536);
  model.rope = keys.needed({"qk_rope_head_dim"}, 65536);
  model.nope = keys.needed({"qk_nope_head_dim"}, 65536);
  model.head_size_v = keys.needed({"v_head_dim"}, 65536);
  model.head_size = model.nope + model.rope;
  model.num_kv_heads = model.num_heads;  // once the latents are projected up
  model.sparse = keys.has("index_topk");
  double factor = 1;  // YaRN makes the scores of a longer context sharper
  if (const json::value* scaling = keys.find("rope_scaling"); scaling && scaling->is_object()) {
    const Keys rope(scaling->get_object(), model.path);
    const double length = rope.number("factor").value_or(1);
    if (const auto mscale = rope.number("mscale_all_dim"); mscale && length > 1)
      factor = 0.1 * *mscale * std::log(length) + 1;
  }
  model.scale = factor * factor / std::sqrt(static_cast<double>(model.head_size));
}

/// Kinds of all layers where every n-th attends fully and the others within the window; `first` tells which comes
/// first.
void alternate(ModelConfig& model, int64_t num_layers, int64_t every, bool sliding_first, int64_t window) {
  const auto full = [&](int64_t layer) { return sliding_first ? (layer + 1) % every == 0 : layer % every == 0; };
  for (int64_t layer = 0; layer < std::max<int64_t>(num_layers, every); ++layer) {
    const std::string name = full(layer) ? "full_attention" : "sliding_attention";
    auto found =
        std::find_if(model.kinds.begin(), model.kinds.end(), [&](const LayerKind& k) { return k.name == name; });
    if (found == model.kinds.end()) {
      model.kinds.push_back({name, 0, full(layer) ? std::nullopt : std::optional<int64_t>(window)});
      found = model.kinds.end() - 1;
    }
    if (num_layers) ++found->num_layers;
    if (num_layers) model.layers.push_back(static_cast<int>(found - model.kinds.begin()));
  }
}

void listed(const Keys& keys, const json::value& types, std::optional<int64_t> window, ModelConfig& model) {
  if (!types.is_array() || types.get_array().empty() || types.get_array().size() > kMostLayers)
    keys.refuse("layer_types", types, fmt::format("a list of 1 to {} words", kMostLayers));
  std::vector<std::pair<std::string, int64_t>> left_out;
  for (const json::value& type : types.get_array()) {
    if (!type.is_string()) keys.refuse("layer_types", type, "words");
    const std::string name(type.get_string());
    const bool sliding = name == "sliding_attention";
    if (!sliding && !among(name, {"full_attention", "attention", "chunked_attention"})) {
      const auto seen = std::find_if(left_out.begin(), left_out.end(), [&](const auto& l) { return l.first == name; });
      if (seen == left_out.end())
        left_out.emplace_back(name, 1);
      else
        ++seen->second;
      model.layers.push_back(-1);
      continue;
    }
    if (sliding && !window)
      throw Failure(
          fmt::format("{} has no key 'sliding_window', wanted it for layers of sliding_attention", model.path));
    auto found =
        std::find_if(model.kinds.begin(), model.kinds.end(), [&](const LayerKind& k) { return k.name == name; });
    if (found == model.kinds.end()) {
      model.kinds.push_back({name, 0, sliding ? window : std::nullopt});
      found = model.kinds.end() - 1;
      if (name == "chunked_attention")
        model.assumed.push_back("full attention where chunked_attention cuts the context");
    }
    ++found->num_layers;
    model.layers.push_back(static_cast<int>(found - model.kinds.begin()));
  }
  for (const auto& [name, count] : left_out)
    model.assumed.push_back(
        fmt::format("{} layers of {} need no attention and are left out", count, name.substr(0, 40)));
  if (model.kinds.empty()) keys.refuse("layer_types", types, "a layer of full_attention or sliding_attention");
}

void read_kinds(const Keys& keys, const Defaults& defaults, ModelConfig& model) {
  const std::string& type = model.model_type;
  const int64_t layers =
      keys.size({"num_hidden_layers", "n_layer", "n_layers", "num_layers"}, kMostLayers).value_or(defaults.num_layers);
  auto window = keys.size({"sliding_window"}, INT32_MAX);
  if (!window && defaults.sliding_window && !keys.has("layer_types")) {
    window = defaults.sliding_window;
    model.assumed.push_back(fmt::format("sliding_window {}, the default of {}", *window, type));
  }
  if (keys.has("use_sliding_window") && !keys.flag("use_sliding_window")) window.reset();
  if (type == "modernbert") {
    const int64_t local = keys.size({"local_attention"}, INT32_MAX).value_or(128);
    alternate(model, layers, keys.size({"global_attn_every_n_layers"}, kMostLayers).value_or(3), false, local / 2 + 1);
  } else if (const json::value* types = keys.find("layer_types")) {
    listed(keys, *types, window, model);
  } else if (const auto pattern = keys.size({"sliding_window_pattern", "_sliding_window_pattern"}, kMostLayers);
             window && (pattern || defaults.pattern)) {
    alternate(model, layers, pattern.value_or(defaults.pattern), true, *window);
  } else if (const auto full = keys.find("max_window_layers"); window && full && keys.flag("use_sliding_window")) {
    const int64_t first = full->is_int64() ? std::clamp<int64_t>(full->get_int64(), 0, layers) : 0;
    if (first > 0) model.kinds.push_back({"full_attention", first, std::nullopt});
    if (first < layers || layers == 0) model.kinds.push_back({"sliding_attention", layers - first, window});
    for (int64_t layer = 0; layer < layers; ++layer) model.layers.push_back(layer < first || first == 0 ? 0 : 1);
  } else {
    model.kinds.push_back({window ? "sliding_attention" : "full_attention", layers, window});
    model.layers.assign(static_cast<std::size_t>(layers), 0);
  }
}

void read_dtype(const Keys& text, const Keys& whole, ModelConfig& model) {
  for (const Keys* keys : {&text, &whole})
    for (const char* key : {"dtype", "torch_dtype"}) {
      if (model.dtype || !keys->has(key)) continue;
      const std::string word = lower(keys->text(key));
      if (word == "auto") continue;
      if (!among(word, {"bfloat16", "float16", "float32", "half", "float"}))
        throw Failure(fmt::format("{}: {} is '{}', wanted one of bfloat16, float16, float32", model.path, key,
                                  word.substr(0, 40)));
      model.dtype = Setting{word, fmt::format("{}: {}", model.path, key)};
    }
  if (!model.dtype) model.assumed.push_back("dtype bf16, since torch_dtype is not there");
}

}  // namespace

ModelConfig model_config(const json::object& config, const std::string& path) {
  ModelConfig model;
  model.path = path;
  const json::object& part = text_part(config);
  const Keys keys(part, model.path), whole(config, model.path);
  model.model_type = keys.text("model_type");
  if (model.model_type.empty()) model.model_type = whole.text("model_type");
  const std::string& type = model.model_type;
  Defaults defaults{};
  for (const Defaults& d : kDefaults)
    if (type == d.model_type) defaults = d;
  model.encoder = is_encoder(keys, type);
  model.mla = keys.has("kv_lora_rank");
  if (!is_known(type, model))
    model.assumed.push_back(
        fmt::format("a decoder with causal attention, since model_type '{}' is not known here", type.substr(0, 40)));
  if (keys.flag("is_encoder_decoder"))
    model.assumed.push_back("the decoder's attention over its own tokens, of an encoder and a decoder");
  read_heads(keys, defaults, model);
  read_mla(keys, model);
  read_kinds(keys, defaults, model);
  read_dtype(keys, whole, model);
  model.softcap = keys.number("attn_logit_softcapping");
  if (!model.softcap && defaults.softcap > 0 && !part.contains("attn_logit_softcapping")) {
    model.softcap = defaults.softcap;
    model.assumed.push_back(fmt::format("attn_logit_softcapping {}, the default of {}", defaults.softcap, type));
  }
  if (const auto scalar = keys.number("query_pre_attn_scalar"))
    model.scale = 1 / std::sqrt(*scalar);
  else if (defaults.query_pre_attn_scalar > 0)
    model.scale = 1 / std::sqrt(defaults.query_pre_attn_scalar);
  if (const auto multiplier = keys.number("attention_multiplier")) model.scale = multiplier;
  model.sinks = type == "gpt_oss";
  model.alibi = type == "bloom" || keys.flag("alibi");
  return model;
}

ModelConfig read_model_config(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  const std::string file = fs::is_directory(path, error) ? (fs::path(path) / "config.json").string() : path;
  const core::Result<std::string> text = core::read_regular_file(file, kMostBytes);
  if (!text) throw Failure(text.error().text + ", wanted a model's config.json");
  json::error_code wrong;
  const json::value value = json::parse(*text, wrong);
  if (wrong || !value.is_object())
    throw Failure(
        fmt::format("{} is no JSON object{}, wanted a model's config.json", file, wrong ? ": " + wrong.message() : ""));
  return model_config(value.get_object(), file);
}

}  // namespace attnrt::cli
