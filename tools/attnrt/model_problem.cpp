// SPDX-License-Identifier: Apache-2.0
#include "model_problem.hpp"

#include <spdlog/fmt/fmt.h>

#include <utility>

#include "attnrt/diag.hpp"
#include "failure.hpp"
#include "streams.hpp"

namespace attnrt::cli {
namespace {

/// "full_attention (layers 5, 11, ...)"
std::string text_of(const ModelConfig& model, std::size_t kind) {
  std::string list;
  int shown = 0;
  for (std::size_t layer = 0; layer < model.layers.size(); ++layer) {
    if (model.layers[layer] != static_cast<int>(kind)) continue;
    list += fmt::format("{}{}", list.empty() ? "" : ", ", shown < 2 ? std::to_string(layer) : "...");
    if (++shown == 3) break;
  }
  return fmt::format("{} (layers {})", model.kinds[kind].name, list);
}

}  // namespace

CLI::Option* add_model_flag(CLI::App& verb, std::string& path) {
  return verb
      .add_option("--model", path,
                  "A model's config.json of Hugging Face, or its folder: what it says of heads, sizes, windows and "
                  "masks stands where no flag says it")
      ->type_name("FILE");
}

void tell_assumed(const ModelConfig& model) {
  for (const std::string& sentence : model.assumed)
    tell(fmt::format("{}: assumed {}\n", sdk::printable(model.path), sdk::printable(sentence)));
}

void fill_from_model(ProblemFlags& flags, const ModelConfig& model, const LayerKind& kind) {
  const auto fill = [&model](MaybeSetting& setting, const std::string& text, const char* key) {
    if (!setting) setting = Setting{text, fmt::format("{}: {}", model.path, key)};
  };
  if (flags.mla && truth(*flags.mla) && !model.mla)
    throw Failure(fmt::format("{} is given, wanted a model with kv_lora_rank in {}", flags.mla->from, model.path));
  if (!flags.dtype) flags.dtype = model.dtype;
  if (model.encoder) fill(flags.attn_type, "encoder_only", "model_type");
  fill(flags.num_heads, std::to_string(model.num_heads), "num_attention_heads");
  if (model.mla) {
    fill(flags.mla, "true", "kv_lora_rank");
    const auto size = [](int64_t n) { return static_cast<uint32_t>(n); };
    flags.mla_sizes = {size(model.kv_lora), size(model.nope), size(model.rope), size(model.head_size_v)};
  } else {
    fill(flags.num_kv_heads, std::to_string(model.num_kv_heads), "num_key_value_heads");
    fill(flags.head_size, std::to_string(model.head_size), "head_dim");
  }
  if (kind.sliding_window) fill(flags.sliding_window, std::to_string(*kind.sliding_window), "sliding_window");
  if (model.softcap) fill(flags.softcap, fmt::format("{}", *model.softcap), "attn_logit_softcapping");
  flags.sparse |= model.sparse;
  flags.sink |= model.sinks;
  flags.alibi |= model.alibi;
}

const LayerKind& kind_of_layer(const ModelConfig& model, const MaybeSetting& layer) {
  if (layer) {
    if (model.layers.empty())
      throw Failure(fmt::format("{} is given, wanted num_hidden_layers in {}", layer->from, model.path));
    const auto at = static_cast<std::size_t>(whole(*layer, 0, static_cast<int64_t>(model.layers.size()) - 1));
    if (model.layers[at] < 0)
      throw Failure(fmt::format("{} is '{}', wanted a layer of attention in {}", layer->from, layer->text, model.path));
    return model.kinds[static_cast<std::size_t>(model.layers[at])];
  }
  if (model.kinds.size() == 1) return model.kinds[0];
  std::string kinds;
  for (std::size_t i = 0; i < model.kinds.size(); ++i) kinds += (i ? " and " : "") + text_of(model, i);
  throw Failure(
      fmt::format("{} has {}, wanted --layer, the number of the layer that the file holds", model.path, kinds));
}

void want_measured(const ModelConfig& model) {
  if (model.mla && !(model.kv_lora == 512 && model.rope == 64 && model.nope == 128 && model.head_size_v == 128))
    throw Failure(
        fmt::format("{} has latents of {} + {}, keys of {} + {} and values of {}, wanted 512 + 64, 128 + 64 "
                    "and 128, the latent attention that bench measures",
                    model.path, model.kv_lora, model.rope, model.nope, model.rope, model.head_size_v));
}

void tell_measured(const ModelConfig& model) {
  tell_assumed(model);
  if (model.sparse) tell(fmt::format("{}: measured without the choice of keys\n", sdk::printable(model.path)));
}

std::vector<BenchCase> of_each_kind(const BenchCase& c, const ModelConfig& model) {
  std::vector<BenchCase> cases;
  for (const LayerKind& kind : model.kinds) {
    BenchCase& own = cases.emplace_back(c);
    if (model.kinds.size() > 1) own.id += ", " + kind.name;
    own.window = kind.sliding_window.value_or(0);
    own.softcap = model.softcap.value_or(0);
    own.sinks = model.sinks;
    own.alibi = model.alibi;
  }
  return cases;
}

std::vector<BenchCase> cases_of_model(const std::vector<BenchCase>& grid, const ModelConfig& model) {
  std::vector<BenchCase> cases;
  for (const BenchCase& c : grid) {
    if (c.mla != model.mla || c.causal == model.encoder) continue;
    BenchCase own = c;
    own.num_heads = model.num_heads;
    own.num_kv_heads = c.latent() ? 1 : model.num_kv_heads;
    if (!c.mla) own.head_size = model.head_size;
    for (BenchCase& each : of_each_kind(own, model)) cases.push_back(std::move(each));
  }
  if (cases.empty())
    throw Failure(fmt::format("{} has none of these cases, wanted one that such a model has", model.path));
  return cases;
}

}  // namespace attnrt::cli
