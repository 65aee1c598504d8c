// SPDX-License-Identifier: Apache-2.0
#include "bench/flags.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <optional>

#include "comma_list.hpp"
#include "failure.hpp"
#include "model_problem.hpp"
#include "nearest.hpp"
#include "setting_flag.hpp"

namespace attnrt::cli {
namespace {

namespace json = boost::json;

/// A batch of one's own, of the model where one is given.
std::vector<BenchCase> own_case(const BenchFlags& flags, const std::optional<ModelConfig>& model) {
  json::array seqs;
  bool decode = true, prefill = true;
  for (const BenchCase::Request& r : bench_requests(flags.seqs)) {
    seqs.push_back(json::array{r.queries, r.keys});
    (r.queries == 1 ? prefill : decode) = false;
  }
  json::object o{{"seqs", std::move(seqs)},
                 {"causal", !flags.non_causal && !(model && model->encoder)},
                 {"mla", flags.mla || (model && model->mla)}};
  o["kind"] = decode ? "decode" : prefill ? "prefill" : "mixed";
  const std::pair<const MaybeSetting*, const char*> sizes[] = {
      {&flags.num_heads, "hq"}, {&flags.num_kv_heads, "hkv"}, {&flags.head_size, "d"}};
  for (const auto& [setting, key] : sizes)
    if (*setting) o[key] = whole(**setting, 1, 1024);
  if (model) {
    const auto fill = [&o](const char* key, int64_t value) { o.emplace(key, value); };  // a flag's value stays
    fill("hq", model->num_heads);
    fill("hkv", model->mla && (decode || !prefill) ? 1 : model->num_kv_heads);
    if (!model->mla) fill("d", model->head_size);
  }
  if (flags.shared_prefix) o["shared_prefix"] = whole(*flags.shared_prefix, 1, 1 << 24);
  o["hint"] = !flags.no_hint;
  std::string id = flags.seqs;
  if (flags.shared_prefix) id += ", sharing " + flags.shared_prefix->text + (flags.no_hint ? " untold" : "");
  const BenchCase c = bench_case(id, o, "--seqs");
  return model ? of_each_kind(c, *model) : std::vector<BenchCase>{c};
}

}  // namespace

void add_bench_flags(CLI::App& verb, BenchFlags& flags) {
  const auto text = [&verb](const char* name, const char* type, std::string& to, const char* help) {
    return verb.add_option(name, to, help)->type_name(type);
  };
  const auto value = [&verb](const char* name, const char* type, MaybeSetting& to, const char* help) {
    return add_setting(verb, name, type, to, help);
  };
  add_model_flag(verb, flags.model);
  text("--device", "DEV", flags.device,
       "What computes: cpu, or a GPU of this machine and whatever plugin serves it, cuda:0 or rocm:0: cpu");
  text("--emulate", "DEVICE", flags.emulate, "")->group("");  // refused with a sentence
  text("--case", "NAMES", flags.cases, "Only these cases of the grid, a comma list");
  text("--cases", "FILE", flags.grid,
       "A grid in JSON in place of the shipped one: {\"name\": {\"seqs\": [[queries, keys]], "
       "\"hq\", \"hkv\", \"d\", \"causal\", \"kind\", \"mla\", \"window\", \"softcap\", \"sinks\", \"alibi\", "
       "\"shared_prefix\", \"hint\"}}");
  CLI::Option* seqs = text("--seqs", "QxK,...", flags.seqs, "A batch of one's own: queries x keys of each request");
  seqs->excludes("--case")->excludes("--cases");
  value("--num-heads", "N", flags.num_heads, "of that batch, query heads: 32")->needs(seqs);
  value("--num-kv-heads", "N", flags.num_kv_heads, "of that batch: 8")->needs(seqs);
  value("--head-size", "N", flags.head_size, "of that batch: 128")->needs(seqs);
  verb.add_flag("--non-causal", flags.non_causal, "of that batch: a query sees all keys")->needs(seqs);
  verb.add_flag("--mla", flags.mla, "of that batch: MLA, 16 heads; latent 576/512, all prefill: 192/128, no cache")
      ->needs(seqs);
  CLI::Option* prefix = value("--shared-prefix", "N", flags.shared_prefix,
                              "of that batch: the first N keys of all requests are the same, in the same blocks");
  prefix->needs(seqs);
  verb.add_flag("--no-hint", flags.no_hint, "Do not tell the library of the shared prefix")->needs(prefix);
  text("--dtype", "TYPES", flags.dtypes, "of q, k, v and the output, a comma list of fp32, fp16, bf16: bf16");
  text("--threads", "NS", flags.threads, "Threads that compute, a comma list; default: one for each CPU");
  text("--variant", "NAMES", flags.variants, "BACKEND/variant, a comma list; default: every one that serves the case");
  text("--layout", "NAMES", flags.layouts,
       "of the cache, a comma list of native, nhd, hnd, contiguous (no cache), and auto: the first of these that the "
       "variant has: auto");
  value("--block-size", "N", flags.block_size, "Tokens in a block of the cache; default: what the backend likes best");
  text("--kv-cache-dtype", "TYPES", flags.kv_dtypes,
       "of the cache, a comma list of auto (as --dtype), fp8_e4m3, fp8_e5m2, and int8 with a scale for each token and "
       "head: auto");
  value("--min-time", "S", flags.min_time, "Repeat for so many seconds at least: 0.4");
  value("--max-time", "S", flags.max_time, "and stop after so many: 6");
  value("--min-reps", "N", flags.min_reps, "and repeat so often at least: 5");
  value("--rounds", "N", flags.rounds, "Measure all variants of a case in turn, N times: 1");
  verb.add_flag("--no-limits", flags.no_limits, "Do not measure what the machine can do at most");
  CLI::Option* format = value("--format", "table|csv|markdown|json", flags.format, "How it is printed: table");
  verb.add_flag("--json", flags.as_json, "--format json")->excludes(format);
  text("--plot", "FILE", flags.plot, "Draw what was measured to this SVG file");
  verb.add_flag("--serve", flags.serve, "Answer requests in JSON on standard input, a line each, until it ends")
      ->excludes("--json")
      ->excludes(format)
      ->excludes("--plot");
}

std::optional<ModelConfig> wanted_model(const BenchFlags& flags) {
  if (flags.model.empty()) return std::nullopt;
  ModelConfig model = read_model_config(flags.model);
  want_measured(model);
  return model;
}

std::vector<BenchCase> wanted_cases(const BenchFlags& flags, const std::optional<ModelConfig>& model) {
  if (!flags.seqs.empty()) return own_case(flags, model);
  std::vector<BenchCase> grid = flags.grid.empty() ? bench_grid() : read_bench_grid(flags.grid);
  if (flags.cases.empty()) return model ? cases_of_model(grid, *model) : grid;
  std::vector<BenchCase> chosen;
  for (const std::string& name : items_of(flags.cases)) {
    const auto found = std::find_if(grid.begin(), grid.end(), [&name](const BenchCase& c) { return c.id == name; });
    if (found == grid.end()) {
      std::vector<std::string> known;
      for (const BenchCase& c : grid) known.push_back(c.id);
      throw Failure(
          fmt::format("--case is '{}', wanted one of {}{}", name, fmt::join(known, ", "), did_you_mean(name, known)));
    }
    chosen.push_back(*found);
  }
  return model ? cases_of_model(chosen, *model) : chosen;
}

std::vector<uint32_t> wanted_dtypes(const BenchFlags& flags, const std::optional<ModelConfig>& model) {
  std::vector<uint32_t> dtypes;
  if (flags.dtypes.empty()) return {model && model->dtype ? element_type(*model->dtype) : uint32_t{ATTNRT_BF16}};
  for (const std::string& name : items_of(flags.dtypes))
    dtypes.push_back(word({name, "--dtype"}, {{"fp32", ATTNRT_FP32}, {"fp16", ATTNRT_FP16}, {"bf16", ATTNRT_BF16}}));
  return dtypes;
}

std::vector<uint32_t> wanted_threads(const BenchFlags& flags) {
  std::vector<uint32_t> threads;
  for (const std::string& n : items_of(flags.threads))
    threads.push_back(static_cast<uint32_t>(whole({n, "--threads"}, 1, 1024)));
  return threads;
}

std::vector<BenchWish> wanted_layouts(const BenchFlags& flags) {
  std::vector<BenchWish> wishes;
  for (const std::string& name : items_of(flags.layouts)) {
    BenchWish wish;
    wish.device = flags.device;
    wish.layout = word({name, "--layout"}, {{"auto", 0},
                                            {"native", ATTNRT_KV_NATIVE},
                                            {"nhd", ATTNRT_KV_NHD},
                                            {"hnd", ATTNRT_KV_HND},
                                            {"contiguous", ATTNRT_KV_CONTIGUOUS}});
    if (flags.block_size) wish.block_size = static_cast<uint32_t>(whole(*flags.block_size, 1, 1 << 20));
    for (const std::string& type : items_of(flags.kv_dtypes)) {
      wish.kv_dtype.reset();
      if (lower(type) != "auto") wish.kv_dtype = element_type({type, "--kv-cache-dtype"});
      wishes.push_back(wish);
    }
  }
  return wishes;
}

BenchFormat wanted_format(const BenchFlags& flags) {
  if (flags.as_json) return BenchFormat::json;
  if (!flags.format) return BenchFormat::table;
  const auto code = [](BenchFormat format) { return static_cast<uint32_t>(format); };
  return static_cast<BenchFormat>(word(*flags.format, {{"table", code(BenchFormat::table)},
                                                       {"csv", code(BenchFormat::csv)},
                                                       {"markdown", code(BenchFormat::markdown)},
                                                       {"json", code(BenchFormat::json)}}));
}

std::vector<std::string> wanted_variants(const BenchFlags& flags) { return items_of(flags.variants); }

BenchEffort wanted_effort(const BenchFlags& flags) {
  BenchEffort effort;
  if (flags.min_time) effort.min_time = number(*flags.min_time, 0);
  if (flags.max_time) effort.max_time = number(*flags.max_time, 0);
  if (flags.min_reps) effort.min_reps = whole(*flags.min_reps, 1, 1'000'000);
  return effort;
}

}  // namespace attnrt::cli
