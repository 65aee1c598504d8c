// SPDX-License-Identifier: Apache-2.0
#include "case.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>

namespace attnrt::tests {
namespace json = boost::json;
namespace {

/// A program, for problems with the feature flex.
constexpr char kProgramBytes[] =
    R"({"flex":1,"buffers":[],"nodes":[["kv_idx"],["q_idx"],["le",0,1]],"mask":2,"score":null})";
constexpr attnrt_flex_program kAnyProgram{sizeof(attnrt_flex_program), 0, sizeof kProgramBytes - 1, kProgramBytes};

constexpr const char* kFeatures[] = {"causal",
                                     "non_causal",
                                     "sliding_window",
                                     "softcap",
                                     "alibi",
                                     "sinks",
                                     "dense_mask",
                                     "tree_mask",
                                     "mm_prefix",
                                     "block_sparse",
                                     "sparse_topk",
                                     "lse",
                                     "kv_scales",
                                     "per_head_scales",
                                     "per_token_head_scales",
                                     "diff_kv",
                                     "context_parallel",
                                     "output_quant",
                                     "flex",
                                     "causal_per_request",
                                     "alibi_sqrt",
                                     "window_prefix",
                                     "split_q",
                                     "common_prefix"};
constexpr const char* kDtypes[] = {"fp32", "fp16", "bf16", "fp8_e4m3", "fp8_e4m3fnuz", "fp8_e5m2", "int8"};
constexpr const char* kLayouts[] = {"contiguous", "nhd", "hnd", "packed", "xpacked", "mla", "fp8_ds_mla", "native"};
constexpr const char* kAttnTypes[] = {"decoder", "encoder", "encoder_only", "encoder_decoder"};
constexpr const char* kPhases[] = {"prefill", "decode", "mixed"};
constexpr const char* kDeterminism[] = {"none", "repeatable", "batch-invariant", "schedule-invariant"};
constexpr const char* kGraphs[] = {"never", "uniform decode", "uniform batch", "always"};
constexpr const char* kCausal[] = {"never", "always", "per request"};
constexpr const char* kProvides[] = {"host_lengths", "host_lengths_upper_bound", "decodes_first"};

std::string text(const json::value& v) {
  return v.is_string() ? std::string(v.get_string().data(), v.get_string().size()) : json::serialize(v);
}

template <std::size_t N>
uint32_t place(const char* const (&names)[N], const json::value& v) {
  const auto it = std::find(std::begin(names), std::end(names), text(v));
  if (it == std::end(names)) throw std::invalid_argument("a case speaks of " + text(v));
  return static_cast<uint32_t>(it - std::begin(names));
}

template <std::size_t N>
uint64_t bits(const char* const (&names)[N], const json::value& list) {
  uint64_t out = 0;
  for (const json::value& v : list.as_array()) out |= uint64_t{1} << place(names, v);
  return out;
}

const json::object& object_in(const json::object& row, const char* key) {
  static const json::object none;
  const json::value* found = row.if_contains(key);
  return found ? found->as_object() : none;
}

std::string string_in(const json::object& row, const char* key) {
  const json::value* found = row.if_contains(key);
  return found ? text(*found) : "";
}

/// The check's words by its code.
const std::map<std::string, std::string>& words() {
  static const std::map<std::string, std::string> all = [] {
    std::map<std::string, std::string> out;
    std::ifstream in(ATTNRT_SELECTION "/data/checks.json");
    const std::string content{std::istreambuf_iterator<char>(in), {}};
    const json::value checks = json::parse(content);
    for (const auto& [code, said] : checks.as_object()) out[std::string(code)] = text(said);
    return out;
  }();
  return all;
}

/// What a runtime said and what it is: kept from row to row, because most rows share one.
struct Opened {
  std::vector<std::string> log;
  std::unique_ptr<Runtime> runtime;
};

std::unique_ptr<Opened> open(const json::object& row) {
  const json::object& options = object_in(row, "options");
  auto opened = std::make_unique<Opened>();
  Options o;
  std::vector<std::string> plugins;
  if (const json::value* list = row.if_contains("plugins"))
    for (const json::value& p : list->as_array()) plugins.push_back(text(p));
  o.plugin_path = plugin_path(string_in(row, "set"), plugins);
  o.probe = ATTNRT_PROBE_NEVER;  // our own tables: nothing to be careful about
  o.attention_backend = string_in(options, "attention_backend");
  if (const json::value* config = options.if_contains("attention_config"))
    o.attention_config = json::serialize(*config);
  if (const std::string table = string_in(options, "priority_file"); !table.empty())
    o.priority_file = ATTNRT_SELECTION "/" + table;
  if (const json::value* read = options.if_contains("read_environment")) o.read_environment = read->as_bool();
  o.log = [sink = &opened->log](int32_t level, const char* line) {
    if (level >= ATTNRT_LOG_INFO) sink->push_back((level == ATTNRT_LOG_WARNING ? "warning: " : "") + std::string(line));
  };
  opened->runtime = std::make_unique<Runtime>(std::move(o));
  return opened;
}

/// The answer to a row in the words of its expectation.
struct Answer {
  json::object choice;  ///< the JSON document; empty where there is none
  std::string error;
  attnrt_status status = ATTNRT_OK;
};

class Comparison {
 public:
  std::vector<std::string> differences;

  void same(const std::string& what, const json::value& wanted, const json::value* seen) {
    const json::value none = nullptr;
    if ((seen ? *seen : none) != wanted)
      differences.push_back(what + " is " + json::serialize(seen ? *seen : none) + ", wanted " +
                            json::serialize(wanted));
  }
  void holds(const std::string& what, const json::array& fragments, const std::string& seen) {
    std::size_t at = 0;
    for (const json::value& fragment : fragments) {
      const std::size_t found = seen.find(text(fragment), at);
      if (found == std::string::npos) {
        differences.push_back(what + " is \"" + seen + "\", wanted in it \"" + text(fragment) + "\"");
        return;
      }
      at = found + text(fragment).size();
    }
  }
};

/// "NAME/variant" -> its reasons, "NAME" -> ["not installed"], as the candidates of a choice tell them.
std::map<std::string, json::array> reasons_of(const json::object& choice, Comparison& c) {
  std::map<std::string, json::array> out;
  for (const json::value& candidate : choice.at("candidates").as_array()) {
    const std::string name = text(candidate.at("backend"));
    if (candidate.at("variants").as_array().empty()) out[name] = {candidate.at("state")};
    for (const json::value& variant : candidate.at("variants").as_array()) {
      json::array& texts = out[name + "/" + text(variant.at("name"))];
      for (const json::value& reason : variant.at("reasons").as_array()) {
        texts.push_back(reason.at("text"));
        const std::string said = text(reason.at("text"));
        const auto word = words().find(text(reason.at("code")));
        const std::string begin = word == words().end() ? "" : word->second.substr(0, word->second.find("{}"));
        const bool other_way = said == "non-MLA not supported" || said == "non-sparse not supported";
        if (!other_way && !said.starts_with(begin))
          c.differences.push_back(name + ": the code " + text(reason.at("code")) + " comes with \"" + said + "\"");
      }
    }
  }
  return out;
}

void compare(Comparison& c, const json::object& expect, const Answer& answer, const std::vector<std::string>& log) {
  const json::object& choice = answer.choice;
  for (const auto& [key_view, wanted] : expect) {
    const std::string key(key_view);
    if (key == "error") {
      c.holds(key, wanted.as_array(), answer.error);
    } else if (key == "error_is") {
      const json::value seen(answer.error);
      c.same(key, wanted, &seen);
    } else if (key == "status") {
      const json::value seen(answer.status);
      c.same(key, wanted, &seen);
    } else if (key == "potential") {
      c.same(key, wanted, choice.if_contains("potential_backends"));
    } else if (key == "honoured") {
      const json::value* wish = choice.if_contains("override");
      c.same(key, wanted, wish && wish->is_object() ? wish->get_object().if_contains("honoured") : nullptr);
    } else if (key == "rule") {
      const json::value* rule = choice.if_contains("rule");
      c.same(key, wanted, rule && rule->is_object() ? rule->get_object().if_contains("name") : nullptr);
    } else if (key == "layout") {
      const json::value* layout = choice.if_contains("kv_layout");
      c.same(key, wanted, layout && layout->is_object() ? layout->get_object().if_contains("kind") : nullptr);
    } else if (key == "logged") {
      json::array lines(log.begin(), log.end());
      const json::value seen = lines;
      c.same(key, wanted, &seen);
    } else if (key == "order") {
      json::array names;
      if (choice.contains("candidates"))
        for (const json::value& candidate : choice.at("candidates").as_array())
          names.push_back(candidate.at("backend"));
      const json::value seen = names;
      c.same(key, wanted, &seen);
    } else if (key == "reasons") {
      if (choice.empty()) continue;
      const auto seen = reasons_of(choice, c);
      for (const auto& [name, texts] : wanted.as_object()) {
        const auto it = seen.find(std::string(name));
        const json::value value = it == seen.end() ? json::value(nullptr) : json::value(it->second);
        c.same("reasons of " + std::string(name), texts, &value);
      }
    } else if (key == "prefill") {
      const json::value* half = choice.if_contains("prefill");
      Answer prefill;
      if (half && half->is_object()) prefill.choice = half->get_object();
      compare(c, wanted.as_object(), prefill, log);
    } else {
      c.same(key, wanted, choice.if_contains(key));
    }
  }
  // What a row does not speak of is empty.
  for (const char* quiet : {"warnings"})
    if (!expect.contains(quiet) && choice.contains(quiet)) c.same(quiet, json::array{}, choice.if_contains(quiet));
  if (!expect.contains("error") && !expect.contains("error_is") && !answer.error.empty())
    c.differences.push_back("an error: \"" + answer.error + "\"");
}

Answer ask(const json::object& row, Opened& opened) {
  Answer answer;
  Runtime& runtime = *opened.runtime;
  const auto failed = [&answer](const Error& e) {
    answer.error = e.what();
    answer.status = e.status();
  };
  std::size_t pushed = 0;
  const json::value* scoped = row.if_contains("scoped");
  try {
    if (row.contains("global")) runtime.force_backend(string_in(row, "global"));
    if (scoped)
      for (const json::value& name : scoped->as_array()) {
        check(attnrt_push_force(runtime.get(), text(name).c_str()));
        ++pushed;
      }
    const attnrt_problem problem = problem_of(runtime, string_in(row, "device"), object_in(row, "problem"));
    attnrt_choice* choice = nullptr;
    answer.status = attnrt_select(runtime.get(), &problem, &choice);
    if (answer.status != ATTNRT_OK) answer.error = attnrt_last_error();
    const Choice owned(choice);
    if (choice) answer.choice = json::parse(owned.json()).as_object();
    for (int again = 0; again < 2 && row.contains("asked_thrice"); ++again) runtime.try_select(problem);
  } catch (const Error& e) {
    failed(e);
  }
  while (pushed--) check(attnrt_pop_force(runtime.get()));
  if (row.contains("global")) runtime.force_backend("");
  return answer;
}

}  // namespace

json::array read_rows(const std::string& file) {
  std::ifstream in(ATTNRT_SELECTION "/" + file);
  const std::string content{std::istreambuf_iterator<char>(in), {}};
  return json::parse(content).as_array();
}

std::string plugin_path(const std::string& set, const std::vector<std::string>& plugins) {
  const std::vector<std::string> all = {"cpu", "cuda", "portable", "rocm"};
  std::string out;
  for (const std::string& plugin : plugins.empty() ? all : plugins)
    out += (out.empty() ? "" : ":") + std::string(ATTNRT_SELECTION_PLUGINS) + "/" + set + "/" + plugin;
  return out;
}

void clear_environment() {
  for (const char* name :
       {"VLLM_ATTENTION_BACKEND", "ATTNRT_OVERRIDE", "ATTNRT_PRIORITY", "ATTNRT_PLUGIN_PATH", "VLLM_BATCH_INVARIANT",
        "VLLM_ROCM_USE_AITER", "VLLM_ROCM_USE_AITER_MHA", "VLLM_ROCM_USE_AITER_MLA",
        "VLLM_ROCM_USE_AITER_UNIFIED_ATTENTION", "VLLM_V1_USE_PREFILL_DECODE_ATTENTION", "VLLM_FLASH_ATTN_VERSION"})
    unsetenv(name);
}

attnrt_problem problem_of(const Runtime& runtime, const std::string& device, const json::object& fields) {
  attnrt_problem p = runtime.problem(device.c_str());
  const auto number = [](const json::value& v) { return v.to_number<uint32_t>(); };
  if (string_in(fields, "family") == "mla") {
    p.family = ATTNRT_FAMILY_MLA;
    p.num_kv_heads = 1;
    p.head_size_qk = 576;
    p.mla_nope = p.mla_v = 128;
    p.mla_rope = 64;
  }
  for (const auto& [key_view, v] : fields) {
    const std::string key(key_view);
    if (key == "family")
      continue;
    else if (key == "head_size")
      p.head_size_qk = p.head_size_v = number(v);
    else if (key == "head_size_v")
      p.head_size_v = number(v);
    else if (key == "dtype")
      p.q_dtype = p.kv_dtype = p.out_dtype = place(kDtypes, v);
    else if (key == "kv_cache_dtype")
      p.kv_dtype = place(kDtypes, v);
    else if (key == "out_dtype")
      p.out_dtype = place(kDtypes, v);
    else if (key == "block_size")
      p.block_size = number(v);
    else if (key == "attn_type")
      p.attn_type = 1u << place(kAttnTypes, v);
    else if (key == "phase")
      p.phase = 1u << place(kPhases, v);
    else if (key == "window_left")
      p.window_left = v.to_number<int32_t>();
    else if (key == "softcap")
      p.softcap = v.to_number<float>();
    else if (key == "causal")
      p.causal = place(kCausal, v);
    else if (key == "determinism")
      p.determinism = place(kDeterminism, v);
    else if (key == "graph_level")
      p.graph_level = place(kGraphs, v);
    else if (key == "cp_size")
      p.cp_size = number(v), p.cp_interleave = 1;
    else if (key == "sparse_topk")
      p.sparse_topk = number(v);
    else if (key == "decode_query_len")
      p.decode_query_len = number(v);
    else if (key == "num_heads")
      p.num_heads = number(v);
    else if (key == "num_kv_heads")
      p.num_kv_heads = number(v);
    else if (key == "nope")
      p.mla_nope = number(v);
    else if (key == "provides")
      p.provides = static_cast<uint32_t>(bits(kProvides, v));
    else if (key == "kv_layouts")
      p.kv_layouts = static_cast<uint32_t>(bits(kLayouts, v));
    else if (key == "features")
      p.features |= bits(kFeatures, v), p.flex = &kAnyProgram;
    else
      throw std::invalid_argument("a case sets '" + key + "', which no problem has");
  }
  if (p.family == ATTNRT_FAMILY_MLA) {
    p.mla_kv_lora = p.head_size_qk - p.mla_rope;
    p.head_size_v = p.mla_kv_lora;
  }
  return p;
}

std::vector<std::string> run_case(const json::object& row) {
  static std::map<std::string, std::unique_ptr<Opened>> kept;
  clear_environment();
  Comparison c;
  for (const auto& [name, value] : object_in(row, "env")) {
    std::string said = text(value);
    if (const std::size_t at = said.find("{tests}"); at != std::string::npos) said.replace(at, 7, ATTNRT_SELECTION);
    setenv(std::string(name).c_str(), said.c_str(), 1);
  }
  const json::object& expect = row.at("expect").as_object();
  Answer answer;
  std::vector<std::string> log;
  try {
    // Who asks about the log, or opens under a variable, wants a runtime that has said nothing yet.
    std::unique_ptr<Opened> fresh;
    Opened* opened = nullptr;
    if (expect.contains("logged") || object_in(row, "env").contains("ATTNRT_PRIORITY")) {
      fresh = open(row);
      opened = fresh.get();
    } else {
      const std::string key =
          string_in(row, "set") + string_in(row, "plugins") + json::serialize(object_in(row, "options"));
      auto& place_kept = kept[key];
      if (!place_kept) place_kept = open(row);
      opened = place_kept.get();
    }
    answer = ask(row, *opened);
    log = opened->log;
  } catch (const Error& e) {
    answer.error = e.what();
    answer.status = e.status();
  }
  compare(c, expect, answer, log);
  clear_environment();
  return c.differences;
}

}  // namespace attnrt::tests
