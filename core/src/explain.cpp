// SPDX-License-Identifier: Apache-2.0
#include "explain.hpp"

#include <cstdint>

#include "absence.hpp"
#include "measured_rank.hpp"
#include "other_kind.hpp"
#include "problem.hpp"
#include "reasons.hpp"
#include "words.hpp"

namespace attnrt::core {
namespace json = boost::json;
namespace {

constexpr std::size_t kColumns = 80;

std::string winner_name(const Choice& choice) {
  return choice.attention_free ? "NO_ATTENTION" : choice.backend && choice.status.ok() ? choice.backend->name : "";
}

/// Text flowed into lines of at most kColumns, continued under `head`. Made printable first: a line end in a plugin's
/// or a file's words would begin a line that looks like ours.
std::string wrap(const std::string& head, const std::string& words) {
  const std::string text = printable(words, SIZE_MAX);
  std::string out = head;
  std::size_t column = head.size(), begin = 0;
  bool fresh = true;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find(' ', begin), text.size());
    const std::size_t width = end - begin;
    if (!fresh && column + 1 + width > kColumns) {
      out += "\n" + std::string(head.size(), ' ');
      column = head.size();
      fresh = true;
    }
    if (!fresh) {
      out += ' ';
      ++column;
    }
    out.append(text, begin, width);
    column += width;
    fresh = false;
    begin = end + 1;
  }
  return out + "\n";
}

std::string pad(std::string text, std::size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

std::string why_sentence(const Choice& choice) {
  if (choice.attention_free) return "the model has no attention layers";
  if (choice.honoured) return "forced by " + choice.wish.origin + " (" + choice.wish.value + ")";
  if (!choice.backend) return choice.status.text;
  const std::string rule = choice.rule ? "rule \"" + choice.rule->name + "\" of " + choice.catalog->table->file
                                       : "no rule of " + choice.catalog->table->file + " fits, names in order";
  if (choice.by_measurement)
    return "the first valid backend by what was measured here (rank=measured), ties by " + rule;
  return "the first valid backend by " + rule;
}

/// Whose order the variants of the chosen backend are tried in; "" = there is one alone.
std::string variants_sentence(const Choice& choice) {
  if (choice.backend->table->num_variants < 2) return "";
  if (const std::string measured = measured_text(choice); !measured.empty()) return measured;
  const VariantOrder& order = choice.catalog->variants_of(*choice.backend, choice.problem);
  if (!order.rule) return "in the order of their plugin, verified ones first";
  std::vector<std::string> names;
  for (std::size_t i = 0; i < order.listed; ++i) names.emplace_back(order.variants[i]->name);
  return "in the order of " + choice.catalog->table->file + " for " + order.rule->name + ": " + join(names) +
         "; verified ones first";
}

std::string result_text(const Choice& choice, const Candidate& c) {
  if (!c.slot->backend) return c.slot->file ? state_name(c.slot->file->state) : "not installed";
  if (choice.backend == c.slot->backend) return "chosen";
  const Verdict* best = best_verdict(choice, c);
  return best->ok() ? "valid, ranks lower" : "refused";
}

std::string reasons_line(const std::vector<Refusal>& refusals) {
  std::vector<std::string> parts;
  for (const Refusal& r : refusals) parts.push_back(r.detail.empty() ? r.text : r.text + " (" + r.detail + ")");
  return join(parts, "; ");
}

json::array strings(const std::vector<std::string>& items) { return json::array(items.begin(), items.end()); }

json::object problem_json(const Choice& choice) {
  const attnrt_problem& p = choice.problem;
  const auto optional = [](int32_t n) { return n < 0 ? json::value(nullptr) : json::value(n); };
  return {{"device", name_of(words::devices, static_cast<uint64_t>(p.device_type))},
          {"arch", arch_name(p.device_type, p.arch)},
          {"isa", strings(names_of(words::isa, p.isa))},
          {"simulated", p.device_id < 0},
          {"family", is_mla_prefill(p) ? "mla_prefill" : name_of(words::families, p.family)},
          {"attn_type", name_of(words::attn_types, p.attn_type)},
          {"phase", name_of(words::phases, p.phase)},
          {"dtype", name_of(words::dtypes, p.q_dtype)},
          {"kv_cache_dtype", name_of(words::dtypes, p.kv_dtype)},
          {"out_dtype", name_of(words::dtypes, p.out_dtype)},
          {"num_heads", p.num_heads},
          {"num_kv_heads", p.num_kv_heads},
          {"head_size", p.head_size_qk},
          {"head_size_v", p.head_size_v},
          {"kv_layouts", strings(names_of(words::kv_layouts, p.kv_layouts))},
          {"window_left", optional(p.window_left)},
          {"window_right", optional(p.window_right)},
          {"softcap", p.softcap},
          {"causal", name_of(words::causal, p.causal)},
          {"features", strings(names_of(words::features, p.features))},
          {"decode_query_len", p.decode_query_len},
          {"determinism", name_of(words::determinism, p.determinism)},
          {"graph_level", name_of(words::graph_levels, p.graph_level)},
          {"dcp_size", p.cp_size}};
}

json::array candidates_json(const Choice& choice) {
  json::array out;
  for (const Candidate& c : choice.candidates) {
    const Verdict* best = best_verdict(choice, c);
    json::array variants;
    for (std::size_t i = c.first; i < c.first + c.count; ++i) {
      const Verdict& v = choice.verdicts[i];
      json::array reasons;
      for (const Refusal& r : refusals_of(choice, v))
        reasons.push_back({{"code", why_code(r.why)}, {"text", r.text}, {"detail", r.detail}});
      variants.push_back({{"name", v.variant->name},
                          {"valid", v.ok()},
                          {"measured_ns", v.timing ? json::value(v.timing->median) : json::value(nullptr)},
                          {"reasons", std::move(reasons)}});
    }
    const PluginFile* file = c.slot->backend ? &choice.catalog->registry->file_of(*c.slot->backend) : c.slot->file;
    out.push_back({{"backend", c.slot->name},
                   {"valid", best && best->ok()},
                   {"other_kind", of_other_kind(choice, c)},
                   {"state", file ? state_name(file->state) : "not installed"},
                   {"sentence", file ? json::value(file->sentence) : json::value(nullptr)},
                   {"variants", std::move(variants)}});
  }
  return out;
}

}  // namespace

std::string log_line(const Choice& choice) {
  if (choice.attention_free) return "Using NO_ATTENTION: the model has no attention layers.";
  std::string out = "Using " + winner_name(choice) + " attention backend ";
  return out + (choice.honoured ? "(forced by " + choice.wish.origin + ")."
                                : "out of potential backends: [" + join(potential_backends(choice), ", ", "'") + "].");
}

std::string explain_text(const Choice& choice, bool all) {
  const std::string name = winner_name(choice);
  std::string out = name.empty() ? "No backend" : choice.variant ? name + "/" + choice.variant->name : name;
  out += "\n" + wrap("  why       ", why_sentence(choice));
  if (choice.wish.source != Source::automatic && !choice.honoured)
    out += wrap("  override  ", choice.wish.origin + "=" + choice.wish.value + " not honoured: " + choice.wish_reasons);
  else
    out += wrap("  override  ", choice.honoured ? choice.wish.origin + "=" + choice.wish.value + ", honoured" : "none");
  out += wrap("  problem   ", describe(choice.problem));
  if (choice.backend) {
    out += wrap("  plugin    ", choice.catalog->registry->file_of(*choice.backend).path.string());
    out += wrap("  impl      ",
                choice.variant->caps->impl + std::string(choice.verified ? ", verified on this kind of device"
                                                                         : ", not verified on this kind of device"));
    if (const std::string order = variants_sentence(choice); !order.empty()) out += wrap("  variants  ", order);
    std::string cache = name_of(words::kv_layouts, choice.problem.kv_layouts);
    if (choice.block_size)
      cache = (choice.kv_layout.id ? printable(choice.kv_layout.id) : cache) + ", block size " +
              std::to_string(choice.block_size) +
              (choice.block_size != choice.problem.block_size
                   ? " in kernel blocks of " + std::to_string(choice.problem.block_size)
                   : "") +
              ", " + std::to_string(choice.kv_layout.block_bytes) + " bytes a kernel block and layer";
    out += wrap("  KV        ", cache);
  }
  for (const std::string& warning : choice.warnings) out += wrap("  warning   ", warning);
  if (!choice.candidates.empty()) out += "\n  rank  backend                   result\n";
  std::size_t rank = 0;
  std::vector<std::string> others;
  for (const Candidate& c : choice.candidates) {
    const std::string number = std::to_string(++rank);
    if (!all && of_other_kind(choice, c)) {
      others.push_back(c.slot->name);
      continue;
    }
    out += "  " + std::string(4 - std::min<std::size_t>(4, number.size()), ' ') + number + "  " +
           pad(printable(c.slot->name), 26) + result_text(choice, c) + "\n";
    if (!c.slot->backend && c.slot->file) out += wrap("          ", absence(c.slot->file));
    for (std::size_t i = c.first; i < c.first + c.count; ++i) {
      const Verdict& v = choice.verdicts[i];
      const bool winner = choice.variant == v.variant;
      if (v.ok() && c.count == 1) continue;
      out +=
          wrap("          " + pad(v.variant->name, 16) + " ",
               v.ok() ? (winner ? "chosen" : "valid") + (v.timing ? ", " + time_text(v.timing->median) + " here" : "")
                      : reasons_line(refusals_of(choice, v)));
    }
  }
  if (!others.empty())
    out += wrap(
        "        " + std::to_string(others.size()) + " ",
        std::string(others.size() == 1 ? "backend" : "backends") + " of other families or devices: " + join(others));
  if (choice.catalog)
    for (const std::string& file : unknown_plugins(*choice.catalog->registry, *choice.catalog->table))
      out += wrap("  not loaded  ", file);
  if (choice.prefill) out += "\nprefill: " + explain_text(*choice.prefill, all);
  return out;
}

json::object choice_json(const Choice& choice) {
  const std::string name = winner_name(choice);
  const auto text_or_null = [](const std::string& s) { return s.empty() ? json::value(nullptr) : json::value(s); };
  json::value layout = nullptr, wish = nullptr, rule = nullptr, variant_rule = nullptr;
  if (choice.block_size)
    layout = {{"id", printable(choice.kv_layout.id)},
              {"kind", name_of(words::kv_layouts, choice.kv_layout.kind)},
              {"block_bytes", choice.kv_layout.block_bytes}};
  if (choice.wish.source != Source::automatic)
    wish = {{"source", source_name(choice.wish.source)},
            {"origin", choice.wish.origin},
            {"value", choice.wish.value},
            {"honoured", choice.honoured},
            {"reasons", text_or_null(choice.wish_reasons)}};
  if (choice.catalog)
    rule = {{"file", choice.catalog->table->file},
            {"name", choice.rule ? json::value(choice.rule->name) : json::value(nullptr)}};
  if (choice.backend)
    if (const VariantRule* by = choice.catalog->variants_of(*choice.backend, choice.problem).rule)
      variant_rule = by->name;
  return {{"backend", text_or_null(name)},
          {"variant", choice.variant ? json::value(choice.variant->name) : json::value(nullptr)},
          {"plugin", choice.backend ? json::value(choice.catalog->registry->file_of(*choice.backend).path.string())
                                    : json::value(nullptr)},
          {"impl", choice.variant ? json::value(choice.variant->caps->impl) : json::value(nullptr)},
          {"verified", choice.verified},
          {"log", name.empty() ? json::value(nullptr) : json::value(log_line(choice))},
          {"error", text_or_null(choice.status.text)},
          {"kv_layout", std::move(layout)},
          {"block_size", choice.block_size ? json::value(choice.block_size) : json::value(nullptr)},
          {"kernel_block_size", choice.block_size ? json::value(choice.problem.block_size) : json::value(nullptr)},
          {"source", source_name(choice.source)},
          {"override", std::move(wish)},
          {"rule", std::move(rule)},
          {"variant_rule", std::move(variant_rule)},
          {"measured", text_or_null(choice.backend ? measured_text(choice) : "")},
          {"potential_backends", strings(potential_backends(choice))},
          {"warnings", strings(choice.warnings)},
          {"problem", problem_json(choice)},
          {"candidates", candidates_json(choice)},
          {"prefill", choice.prefill ? json::value(choice_json(*choice.prefill)) : json::value(nullptr)}};
}

}  // namespace attnrt::core
