// SPDX-License-Identifier: Apache-2.0
// Every name in the tables of docs/run-file.md, tried on the program, and names that stand in none of them.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <set>
#include <sstream>

#include "made_file.hpp"
#include "program.hpp"
#include "run/names.hpp"
#include "scratch.hpp"

using namespace attnrt::cli;

namespace {

struct File {
  Tensors tensors;
  Words words;
};

/// The names between backticks of a table's cell.
std::vector<std::string> ticked(const std::string& cell) {
  std::vector<std::string> names;
  std::istringstream parts(cell);
  std::string part;
  for (bool inside = false; std::getline(parts, part, '`'); inside = !inside)
    if (inside) names.push_back(part);
  return names;
}

/// From the names of a table's first column to their other spellings in the second.
std::map<std::string, std::vector<std::string>> table(const std::string& heading) {
  std::ifstream document(ATTNRT_TEST_RUN_FILE);
  std::map<std::string, std::vector<std::string>> rows;
  bool inside = false;
  for (std::string line; std::getline(document, line);) {
    if (line.rfind("## ", 0) == 0) inside = line == heading;
    if (!inside || line.rfind("| `", 0) != 0) continue;
    std::istringstream cells(line);
    std::string empty, names, aliases;
    std::getline(cells, empty, '|');
    std::getline(cells, names, '|');
    std::getline(cells, aliases, '|');
    for (const std::string& name : ticked(names)) rows[name];
    for (const std::string& alias : ticked(aliases)) {
      // In a row of several names an alias belongs to the one in the same place.
      const std::vector<std::string> all = ticked(names), others = ticked(aliases);
      const std::size_t place =
          static_cast<std::size_t>(std::find(others.begin(), others.end(), alias) - others.begin());
      rows[all[place * all.size() / others.size()]].push_back(alias);
    }
  }
  return rows;
}

File packed() {
  File file;
  file.tensors["q"] = noise({7, 2, 32});
  file.tensors["k"] = noise({9, 2, 32});
  file.tensors["v"] = noise({9, 2, 32});
  file.tensors["query_start_loc"] = ints({0, 3, 7});
  file.tensors["kv_start_loc"] = ints({0, 4, 9});
  file.tensors["seq_lens"] = ints({4, 6});
  file.tensors["kv_lens"] = ints({4, 4});
  file.tensors["causal_per_request"] = make_array(Dtype::U8, {2}, 0);
  file.tensors["causal_per_request"].as<uint8_t>()[1] = 1;
  file.tensors["attn_mask"] = noise({2, 2, 4, 4});
  file.tensors["sinks"] = noise({2});
  file.tensors["alibi_slopes"] = noise({2});
  file.tensors["expected.out"] = noise({7, 2, 32});
  file.tensors["expected.lse"] = noise({7, 2});
  file.words = {{"scale", "0.7"},           {"softcap", "1.5"},         {"enable_gqa", "True"},  {"dropout_p", "0.0"},
                {"provenance", "made"},     {"source", "made"},         {"description", "made"}, {"format", "pt"},
                {"deterministic", "False"}, {"return_attn_probs", "0"}, {"max_seqlen_q", "4"},   {"max_seqlen_k", "5"}};
  return file;
}

File paged(Dtype dtype, const char* scales) {
  File file;
  file.tensors["q"] = noise({3, 2, 32});
  file.tensors["k_cache"] = make_array(dtype, {4, 2, 2, 32}, 0);
  for (int64_t i = 0; i < 4 * 2 * 2 * 32; ++i) {
    const uint32_t bits = random_bits();
    if (dtype == Dtype::I8) file.tensors["k_cache"].as<int8_t>()[i] = static_cast<int8_t>(bits % 11);
    if (dtype == Dtype::F32) file.tensors["k_cache"].as<float>()[i] = static_cast<float>(bits % 11);
  }
  file.tensors["v_cache"] = file.tensors["k_cache"];
  file.tensors["block_table"] = ints({2, 0, 3});
  file.tensors["block_table"].shape = {1, 3};
  file.tensors["seq_lens"] = ints({5});
  file.words = {{"kv_layout", "hnd"}};
  if (dtype == Dtype::F32)
    file.words.insert({{"attn_type", "encoder_decoder"}, {"sliding_window", "3"}});
  else
    file.words["causal"] = "false";
  if (dtype == Dtype::F32) {
    file.tensors["k"] = noise({1, 2, 32});
    file.tensors["v"] = noise({1, 2, 32});
    file.tensors["slot_mapping"] = make_array(Dtype::I64, {1}, 0);
    file.tensors["slot_mapping"].as<int64_t>()[0] = 4;
  }
  for (const std::string name : {"k", "v"}) {
    if (std::string(scales) == "whole") {
      file.tensors[name + "_scale"] = make_array(Dtype::F32, {1}, 0);
      file.tensors[name + "_scale"].as<float>()[0] = 0.01f;
    } else if (std::string(scales) == "rows") {
      file.tensors[name + "_row_scales"] = make_array(Dtype::F32, {4, 2, 2}, 0);
      for (int64_t i = 0; i < 16; ++i)
        file.tensors[name + "_row_scales"].as<float>()[i] = 0.001f * static_cast<float>(i);
    }
  }
  return file;
}

File latent() {
  File file;
  file.tensors["q"] = noise({1, 2, 576});
  file.tensors["kv_cache"] = noise({2, 16, 576});
  file.tensors["block_table"] = ints({1});
  file.tensors["block_table"].shape = {1, 1};
  file.tensors["seq_lens"] = ints({11});
  file.words = {{"mla", "true"}, {"scale", "0.07"}};
  return file;
}

File four() {
  File file;
  file.tensors["q"] = noise({1, 4, 4, 32});
  file.tensors["k"] = noise({1, 4, 4, 32});
  file.tensors["v"] = noise({1, 4, 4, 32});
  file.words = {{"layout", "bshd"}, {"is_causal", "false"}, {"window_size", "(0, 1)"}};
  return file;
}

const std::vector<File>& files() {
  static const std::vector<File> all{
      packed(), paged(Dtype::F32, ""), paged(Dtype::I8, "whole"), paged(Dtype::I8, "rows"), latent(), four()};
  return all;
}

/// Exit status, and the bytes of the output.
std::pair<int, Bytes> computed(const File& file) {
  const Scratch scratch("names");
  write_file(scratch.file("in"), file.tensors, file.words);
  const Outcome outcome = attnrt_program("run --tolerance 1e9 " + scratch.file("in") + " -o " + scratch.file("out"));
  INFO(outcome.err);
  if (outcome.status != 0) return {outcome.status, {}};
  return {0, Safetensors(scratch.file("out")).read("out").data};
}

template <class Table>
void rename(Table& entries, const std::string& from, const std::string& to) {
  auto node = entries.extract(from);
  node.key() = to;
  entries.insert(std::move(node));
}

/// The names that change nothing in the output: text, what is fixed here, and what is compared.
const std::set<std::string> kNoEffect{
    "provenance",   "source",       "description", "format",    "deterministic", "return_attn_probs",
    "max_seqlen_q", "max_seqlen_k", "enable_gqa",  "dropout_p", "expected.out",  "expected.lse"};

/// A name has an effect, and each other spelling has the same.
template <class Entries>
void try_names(const std::map<std::string, std::vector<std::string>>& names, Entries File::*entries) {
  for (const auto& [name, aliases] : names) {
    CAPTURE(name);
    const File* with = nullptr;
    for (const File& file : files())
      if ((file.*entries).count(name) && !with) with = &file;
    REQUIRE(with);
    const auto [status, out] = computed(*with);
    REQUIRE(status == 0);
    File without = *with;
    (without.*entries).erase(name);
    const auto [other_status, other] = computed(without);
    CHECK((other_status == 0 && other == out) == (kNoEffect.count(name) != 0));
    for (const std::string& alias : aliases) {
      CAPTURE(alias);
      File renamed = *with;
      rename(renamed.*entries, name, alias);
      CHECK(computed(renamed) == std::pair(0, out));
      File twice = *with;
      (twice.*entries)[alias] = (twice.*entries).at(name);
      CHECK(computed(twice).first == 2);
    }
  }
}

std::map<std::string, std::vector<std::string>> known(const std::vector<RunName>& names) {
  std::map<std::string, std::vector<std::string>> out;
  for (const RunName& n : names) out[n.name].assign(n.aliases.begin(), n.aliases.end());
  return out;
}

}  // namespace

TEST_CASE("the tables of the document are the names that the program understands") {
  CHECK(table("## Tensors") == known(tensor_names()));
  CHECK(table("## Metadata") == known(metadata_names()));
}

TEST_CASE("every name of tensors has its effect") { try_names(table("## Tensors"), &File::tensors); }

TEST_CASE("every name of metadata has its effect") { try_names(table("## Metadata"), &File::words); }

TEST_CASE("names that are not understood are named, with those that are") {
  File file = four();
  file.tensors["attn_maks"] = noise({4, 4});
  check_refused(file.tensors, file.words, "tensor 'attn_maks' is not understood, wanted one of q, query");
  check_refused(file.tensors, file.words, "'extra.'. Did you mean 'attn_mask'?");
  file = four();
  file.words["Sm_scal"] = "1";
  check_refused(file.tensors, file.words, "metadata key 'Sm_scal' is not understood, wanted one of attn_type, causal");
  check_refused(file.tensors, file.words, "Did you mean 'sm_scale'?");
  file = four();
  file.words["rotary_interleaved"] = "1";
  check_refused(file.tensors, file.words, "metadata key 'rotary_interleaved' is not understood, wanted one of");
  file = four();
  file.tensors["extra.weights"] = noise({3});
  file.words["extra.epoch"] = "3";
  CHECK(computed(file).first == 0);
  file = four();
  file.tensors["query"] = file.tensors["q"];
  check_refused(file.tensors, file.words, "tensors 'q' and 'query' are both there and mean the same");
}

TEST_CASE("tensors that nothing reads are named") {
  const std::pair<const char*, const char*> cases[] = {
      {"block_table", "tensor 'block_table' has no use here, wanted it with k_cache and v_cache, or kv_cache only"},
      {"slot_mapping", "tensor 'slot_mapping' has no use here"},
      {"k_scale", "tensor 'k_scale' has no use here, wanted it with a cache of 8 bits only"},
      {"v_row_scales", "tensor 'v_row_scales' has no use here"}};
  for (const auto& [name, sentence] : cases) {
    File file = four();
    file.tensors[name] = noise({1});
    check_refused(file.tensors, file.words, sentence);
  }
  File file = paged(Dtype::F32, "");
  file.tensors["kv_start_loc"] = ints({0, 5});
  check_refused(file.tensors, file.words, "tensor 'kv_start_loc' has no use here, wanted it with k and v without");
}

TEST_CASE("None is an argument that was not given") {
  File file = four();
  const auto plain = computed(file);
  file.words["scale"] = "None";
  file.words["softcap"] = "None";
  CHECK(computed(file) == plain);
}
