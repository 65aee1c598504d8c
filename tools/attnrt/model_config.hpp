// SPDX-License-Identifier: Apache-2.0
//
// model_config.hpp: what a config.json of Hugging Face says about a model's attention.
#ifndef ATTNRT_CLI_MODEL_CONFIG_HPP
#define ATTNRT_CLI_MODEL_CONFIG_HPP
#include <boost/json.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "setting.hpp"

namespace attnrt::cli {

/// Layers of a model that attend alike.
struct LayerKind {
  std::string name;        ///< "full_attention", "sliding_attention"
  int64_t num_layers = 0;  ///< 0 = the file does not say
  std::optional<int64_t>
      sliding_window;  ///< keys a query sees at most, its own included; an encoder's: W - 1 each side
};

/// Attention of one model. Sizes that latent attention has, mla, are those of DeepSeek's configurations.
struct ModelConfig {
  std::string path, model_type;
  std::vector<LayerKind> kinds;      ///< distinct kinds in order of their first layer; at least one
  std::vector<int> layers;           ///< of each layer its place in `kinds`, -1 = no attention; empty = not said
  std::vector<std::string> assumed;  ///< a sentence for each thing that the file does not say
  MaybeSetting dtype;                ///< "bfloat16" ..., from the file
  int64_t num_heads = 0, num_kv_heads = 0, head_size = 0;
  bool encoder = false;  ///< every token sees every token
  bool mla = false;
  int64_t kv_lora = 0, rope = 0, nope = 0, head_size_v = 0;  ///< of MLA
  bool sparse = false;                                       ///< top-k sparse attention, index_topk
  bool sinks = false, alibi = false;
  std::optional<double> softcap, scale;
};

/// The attention of a configuration; `path` stands in sentences. Configurations of several parts (text_config) tell of
/// their text part. Throws Failure for a key that is missing or not what it has to be. [thread-safe]
ModelConfig model_config(const boost::json::object& config, const std::string& path);

/// Reads a regular file of at most 4 MiB, or config.json in a folder. Throws Failure.
ModelConfig read_model_config(const std::string& path);

}  // namespace attnrt::cli
#endif
