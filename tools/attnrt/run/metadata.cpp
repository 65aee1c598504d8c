// SPDX-License-Identifier: Apache-2.0
#include "run/metadata.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <limits>

#include "failure.hpp"

namespace attnrt::cli {
namespace {

constexpr std::size_t kLongest = 200;  // no word or number needs more

/// The metadata of one file by their name here.
class Metadata {
 public:
  Metadata(const Safetensors& file, const RunNames& names) : file_(file), names_(names) {}

  MaybeSetting get(const char* name) const {
    const std::string* key = names_.key(name);
    if (!key) return std::nullopt;
    const std::string& text = file_.header().metadata.at(*key);
    if (lower(text) == "none") return std::nullopt;
    const auto odd = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
    if (text.size() > kLongest || std::any_of(text.begin(), text.end(), odd))
      throw Failure(fmt::format("{}: metadata {} is {}, wanted at most {} characters on one line", file_.path(), *key,
                                in_quotes(text), kLongest));
    return Setting{text, fmt::format("{}: metadata {}", file_.path(), *key)};
  }
  void fill(const char* name, MaybeSetting& setting) const {
    if (!setting) setting = get(name);
  }

 private:
  const Safetensors& file_;
  const RunNames& names_;
};

/// "(127, 0)", "[127, 0]" or "127,0".
std::pair<int32_t, int32_t> window_pair(const Setting& said) {
  std::string text;
  for (const char c : said.text)
    if (c != ' ' && c != '(' && c != ')' && c != '[' && c != ']') text += c;
  const std::size_t comma = text.find(',');
  try {
    if (comma == std::string::npos) throw Failure("");
    const auto side = [&](std::string part) {
      return static_cast<int32_t>(whole({std::move(part), said.from}, -1, std::numeric_limits<int32_t>::max()));
    };
    return {side(text.substr(0, comma)), side(text.substr(comma + 1))};
  } catch (const Failure&) {
    throw Failure(
        fmt::format("{} is '{}', wanted (left, right), two whole numbers from -1 (all keys)", said.from, said.text));
  }
}

void add_causal(RunFlags& flags, const Metadata& metadata) {
  MaybeSetting& causal = flags.problem.causal;
  const MaybeSetting last = metadata.get("causal"), first = metadata.get("is_causal");
  if (last && first)
    throw Failure(
        fmt::format("{} and is_causal are both there, wanted causal, aligned to the last query and key, or "
                    "PyTorch's is_causal, aligned to the first ones",
                    last->from));
  if (causal) return;
  causal = first ? first : last;
  flags.top_left = first && truth(*first);
}

/// scaled_dot_product_attention is causal only where it is told to be.
void add_default_causal(RunFlags& flags, const Safetensors& file, const RunNames& names) {
  if (flags.problem.causal || flags.problem.attn_type) return;
  const std::string* q = names.tensor("q");
  const bool torch = q && *q == "query" && file.header().tensors.at(*q).shape.size() == 4;
  if (torch || names.tensor("attn_mask")) flags.problem.causal = Setting{"false", "the default"};
}

void add_window(RunFlags& flags, const Metadata& metadata) {
  const MaybeSetting one = metadata.get("sliding_window"), pair = metadata.get("window_size");
  if (one && pair) throw Failure(fmt::format("{} and window_size are both there, wanted one of them", one->from));
  if (flags.problem.sliding_window) return;
  flags.problem.sliding_window = one;
  if (pair) flags.window_size = window_pair(*pair);
}

}  // namespace

void add_metadata(RunFlags& flags, const Safetensors& file, const RunNames& names) {
  const Metadata metadata(file, names);
  ProblemFlags& p = flags.problem;
  flags.kv_layout_flag = p.kv_layout.has_value();
  metadata.fill("attn_type", p.attn_type);
  metadata.fill("scale", flags.scale);
  metadata.fill("softcap", p.softcap);
  metadata.fill("kv_layout", p.kv_layout);
  metadata.fill("layout", flags.layout);
  metadata.fill("mla", p.mla);
  flags.enable_gqa = metadata.get("enable_gqa");
  add_causal(flags, metadata);
  add_default_causal(flags, file, names);
  add_window(flags, metadata);
  if (const MaybeSetting dropout = metadata.get("dropout_p"); dropout && number(*dropout, 0) != 0)
    throw Failure(fmt::format("{} is '{}', wanted 0: attention here drops nothing", dropout->from, dropout->text));
  for (const char* key : {"window_size", "deterministic", "return_attn_probs"})
    if (names.key(key)) flags.flash_attn = Setting{key, fmt::format("{}: metadata {}", file.path(), key)};
  if (const std::string* scale = names.key("scale"); scale && *scale == "softmax_scale")
    flags.flash_attn = Setting{*scale, fmt::format("{}: metadata {}", file.path(), *scale)};
}

}  // namespace attnrt::cli
