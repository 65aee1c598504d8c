// SPDX-License-Identifier: Apache-2.0
// What is wrong on the command line or in a file: exit status 2 and one sentence on standard error.
#include <catch2/catch.hpp>
#include <functional>

#include "program.hpp"
#include "safetensors.hpp"
#include "scratch.hpp"

using namespace attnrt::cli;

namespace {

void check_bad(const std::string& arguments, const std::string& sentence) {
  const Outcome outcome = attnrt_program(arguments);
  INFO(arguments << "\n" << outcome.err);
  CHECK(outcome.status == 2);
  CHECK(outcome.out.empty());
  CHECK_THAT(outcome.err, Catch::StartsWith("attnrt: ") && Catch::Contains(sentence));
}

/// A fixture's tensors and metadata, to be spoiled.
struct Spoiled {
  std::map<std::string, Array> tensors;
  std::map<std::string, std::string> metadata;

  explicit Spoiled(const std::string& name) {
    const Safetensors file(fixture(name));
    metadata = file.header().metadata;
    for (const auto& [key, entry] : file.header().tensors) tensors[key] = file.read(key);
  }
  int32_t* ints(const char* name) { return tensors.at(name).as<int32_t>(); }
  void write(const std::string& path) const {
    std::map<std::string, const Array*> all;
    for (const auto& [key, array] : tensors) all[key] = &array;
    write_safetensors(path, all, metadata);
  }
};

}  // namespace

TEST_CASE("usage errors") {
  const std::string run = "run " + fixture("minilm_decoder_l3") + " ",
                    paged = "run " + fixture("minilm_decoder_paged_l3") + " ";
  const std::pair<std::string, const char*> cases[] = {
      {"frobnicate", "attnrt --help"},
      {"list --frob", "--frob"},
      {"show", "BACKEND is required"},
      {"lsit", ". Did you mean 'list'? attnrt --help"},
      {"-q verfy CPU_ATTN", "Did you mean 'verify'?"},
      {"select --head-sizes 80", "Did you mean '--head-size'?"},
      {"select --plugin-paht=/x", "Did you mean '--plugin-path'?"},
      {"select --dtype bf61", ". Did you mean 'bf16'?"},
      {"select --kv-layout ndh", ". Did you mean 'nhd'?"},
      {"select --device cpu:avx521", ". Did you mean 'cpu:avx512'?"},
      {"--attention-backend CPU_ATN select --device cpu", ". Did you mean 'CPU_ATTN'?"},
      {"-ac.bakend CPU_ATTN select", ". Did you mean 'backend'?"},
      {"bench --case prefil_512", ". Did you mean 'prefill_512'?"},
      {"show NOPE", "NOPE"},
      {"select --dtype fp64", "--dtype is 'fp64', wanted one of fp32"},
      {"select --head-size x", "--head-size is 'x', wanted a whole number from 1 to 65536"},
      {"select --block-size 0", "--block-size is '0', wanted a whole number from 1 to 1048576"},
      {"select --num-heads 12 --num-kv-heads 5", "num_heads is 12, wanted a multiple of num_kv_heads 5"},
      {"select --attn-type x", "--attn-type is 'x', wanted one of decoder, encoder, encoder_only, encoder_decoder"},
      {"select --phase x", "--phase is 'x', wanted one of prefill, decode, mixed"},
      {"select --kv-layout x", "--kv-layout is 'x', wanted one of nhd, hnd"},
      {"select --softcap nan", "--softcap is 'nan', wanted a number of at least 0"},
      {"select --sliding-window -5", "--sliding-window is '-5', wanted a whole number from 1"},
      {"select --causal --non-causal", "excludes"},
      {"select --device tpu", "tpu"},
      {"--attention-backend CPU_ATTN -ac.backend CPU_ATTN select", "wanted one of the two"},
      {"--attention-backend INVALID select --device cpu", "Unknown attention backend: 'INVALID'. Valid options are:"},
      {"-ac.frob 1 select", "frob"},
      {"-ac '{' select", "wanted a JSON object"},
      {"--priority /nonexistent select", "/nonexistent"},
      {"run", "FILE is required"},
      {"run /nonexistent", "/nonexistent cannot be read: No such file or directory"},
      {"run /", "not a regular file"},
      {run + "--chunk 0", "--chunk is '0', wanted a whole number from 1"},
      {run + "--chunk 16 --block-size 0", "--block-size is '0'"},
      {run + "--chunk 16 --block-size 1048576", "wanted at most 1073741824 bytes in all"},
      {run + "--block-size 16", "wanted --chunk or a file with a cache"},
      {run + "--kv-layout hnd", "wanted --chunk or a file with a cache"},
      {run + "--chunk 4 --non-causal", "is not a causal decoder's"},
      {run + "--threads 0", "--threads is '0'"},
      {run + "--repeat 0", "--repeat is '0'"},
      {run + "--tolerance -1", "--tolerance is '-1'"},
      {run + "--scale x", "--scale is 'x'"},
      {run + "--layout x", "--layout is 'x', wanted one of bhsd, bshd"},
      {run + "--dtype bf16", "--dtype is 'bf16', wanted fp32, the dtype of q"},
      {run + "--head-size 64", "--head-size is '64', wanted 32"},
      {run + "--num-kv-heads 4", "--num-kv-heads is '4', wanted 12"},
      {run + "--device cuda:9.0", "--device is 'cuda:9.0', wanted a device that is in this machine"},
      {run + "--sink", "no tensor 'sinks', wanted it for --sink"},
      {run + "--alibi", "no tensor 'alibi_slopes', wanted it for --alibi"},
      {run + "--tree-mask", "--tree-mask is given, wanted it with select only"},
      {run + "--output /nonexistent/x", "cannot be written"},
      {paged + "--chunk 4", "it has a cache"},
      {paged + "--block-size 8", "--block-size is '8', wanted 16"},
      {paged + "--mla", "wanted kv_cache alone with mla"},
      {"bench --case nope", "--case is 'nope', wanted one of prefill_512, prefill_2048"},
      {"bench --cases /nonexistent",
       "/nonexistent cannot be read: No such file or directory, wanted a grid of cases in JSON"},
      {"bench --cases " + fixture("minilm_encoder_l0"), "is no JSON object of cases"},
      {"bench --seqs 4", "--seqs is '4', wanted queries x keys"},
      {"bench --seqs 4x3", "--seqs is '4', wanted a whole number from 1 to 3"},
      {"bench --seqs 4xa", "--seqs is 'a'"},
      {"bench --seqs 4x4 --case prefill_512", "excludes"},
      {"bench --num-heads 4", "requires --seqs"},
      {"bench --seqs 4x4 --num-kv-heads 5", "num_heads is 32, wanted a multiple of num_kv_heads 5"},
      {"bench --dtype fp64", "--dtype is 'fp64', wanted one of fp32, fp16, bf16"},
      {"bench --layout x", "--layout is 'x', wanted one of auto, native, nhd, hnd, contiguous"},
      {"bench --threads 0", "--threads is '0'"},
      {"bench --block-size 0", "--block-size is '0'"},
      {"bench --min-reps 0", "--min-reps is '0'"},
      {"bench --min-time x", "--min-time is 'x'"},
      {"bench --rounds 0", "--rounds is '0'"},
      {"bench --serve --json", "excludes"},
      {"bench --seqs 4x4 --plot /nonexistent/x", "--plot: /nonexistent/x cannot be written"},
      {"-q bench --seqs 4x4 --no-limits --variant NOPE/x", "NOPE"}};
  for (const auto& [arguments, sentence] : cases) check_bad(arguments, sentence);
}

TEST_CASE("files whose tensors do not fit together") {
  using Spoil = std::function<void(Spoiled&)>;
  const struct {
    const char* from;
    Spoil spoil;
    const char* sentence;
  } cases[] = {
      {"minilm_decoder_l3", [](Spoiled& s) { s.tensors.erase("q"); },
       "has no tensor 'q', wanted F32 or F16 or BF16 [T, Hq, Dqk]"},
      {"minilm_decoder_l3", [](Spoiled& s) { s.tensors.erase("v"); }, "has no tensor 'v'"},
      {"minilm_decoder_l3", [](Spoiled& s) { s.tensors["q"].dtype = Dtype::I32; },
       "tensor 'q' is I32 [128, 12, 32], wanted F32"},
      {"minilm_decoder_l3",
       [](Spoiled& s) {
         s.tensors["k"].shape = {256, 12, 16};
       },
       "wanted F32 [S, Hkv, Dqk] = [any, any, 32]"},
      {"minilm_decoder_l3",
       [](Spoiled& s) {
         s.tensors["k"].shape = {64, 24, 32};
       },
       "tensor 'v' is F32 [128, 12, 32]"},
      {"minilm_decoder_l3",
       [](Spoiled& s) {
         s.tensors.erase("expected.out"), s.tensors.erase("expected.lse"), s.tensors["q"].shape = {256, 6, 32};
       },
       "num_kv_heads is 12, wanted 1 to 6"},
      {"minilm_decoder_l3",
       [](Spoiled& s) {
         s.tensors["q"] = make_array(Dtype::F32, {int64_t{1} << 40, 12, 0}, 0);
       },
       "tensor 'q'"},
      {"minilm_decoder_l3",
       [](Spoiled& s) {
         s.tensors["q"] = make_array(Dtype::F32, {1 << 30, 12, 0}, 0);
       },
       "at least one head"},
      {"minilm_decoder_l3", [](Spoiled& s) { s.ints("query_start_loc")[1] = 200; }, "query"},
      {"minilm_decoder_l3", [](Spoiled& s) { s.ints("query_start_loc")[1] = -7; },
       "query_start_loc[1] is -7, wanted at least 0"},
      {"minilm_decoder_l3", [](Spoiled& s) { s.ints("query_start_loc")[3] = 127; }, "query_start_loc"},
      {"minilm_decoder_l3", [](Spoiled& s) { s.ints("kv_start_loc")[3] = 129; },
       "kv_start_loc ends at 129, wanted 128"},
      {"minilm_decoder_l3", [](Spoiled& s) { s.tensors["query_start_loc"] = make_array(Dtype::I32, {0}, 0); },
       "query_start_loc is empty"},
      {"minilm_decoder_l3", [](Spoiled& s) { s.tensors["sinks"] = make_array(Dtype::F32, {11}, 0); },
       "wanted F32 or F16 or BF16 [Hq] = [12]"},
      {"minilm_decoder_l3",
       [](Spoiled& s) {
         s.tensors["expected.out"].shape = {128, 32, 12};
       },
       "tensor 'expected.out'"},
      {"minilm_decoder_l3", [](Spoiled& s) { s.metadata["causal"] = "maybe"; },
       "metadata causal is 'maybe', wanted one of true"},
      {"minilm_decoder_l3", [](Spoiled& s) { s.metadata["sliding_window"] = "0"; }, "metadata sliding_window is '0'"},
      {"minilm_decoder_l3", [](Spoiled& s) { s.metadata["scale"] = "big"; },
       "metadata scale is 'big', wanted a number"},
      {"minilm_sdpa_l0", [](Spoiled& s) { s.metadata["layout"] = "hbsd"; }, "metadata layout is 'hbsd'"},
      {"minilm_sdpa_l0", [](Spoiled& s) { s.tensors["query_start_loc"] = make_array(Dtype::I32, {3}, 0); },
       "wanted neither"},
      {"minilm_sdpa_l0",
       [](Spoiled& s) {
         s.tensors["k"].shape = {4, 6, 14, 32};
       },
       "wanted F32 [B, Hkv, S, D]"},
      {"minilm_decoder_paged_l3", [](Spoiled& s) { s.tensors.erase("block_table"); }, "has no tensor 'block_table'"},
      {"minilm_decoder_paged_l3", [](Spoiled& s) { s.tensors.erase("seq_lens"); }, "has no tensor 'seq_lens'"},
      {"minilm_decoder_paged_l3", [](Spoiled& s) { s.ints("seq_lens")[1] = 1000; },
       "seq_lens[1] is 1000, wanted 1 (its query) to"},
      {"minilm_decoder_paged_l3", [](Spoiled& s) { s.ints("seq_lens")[0] = -1; }, "seq_lens[0] is -1"},
      {"minilm_decoder_paged_l3", [](Spoiled& s) { s.ints("seq_lens")[0] = 2147483647; }, "seq_lens[0] is 2147483647"},
      {"minilm_decoder_paged_l3", [](Spoiled& s) { s.ints("block_table")[0] = 12; },
       "block_table[0][0] is 12, wanted 0 to 11"},
      {"minilm_decoder_paged_l3", [](Spoiled& s) { s.ints("block_table")[1] = -1; },
       "block_table[0][1] is -1, wanted 0 to 11"},
      {"minilm_decoder_paged_l3", [](Spoiled& s) { s.metadata["kv_layout"] = "dhn"; },
       "metadata kv_layout is 'dhn', wanted one of nhd, hnd"},
      {"minilm_decoder_paged_l3",
       [](Spoiled& s) {
         s.tensors["k_cache"] = make_array(Dtype::F32, {1 << 30, 0, 12, 32}, 0);
       },
       "v_cache"},
      {"minilm_decoder_paged_l3_hnd_bf16",
       [](Spoiled& s) { s.tensors["slot_mapping"].as<int64_t>()[0] = int64_t{1} << 40; },
       "slot_mapping[0] is 1099511627776, wanted -1 (skip) to"},
      {"minilm_decoder_paged_l3_hnd_bf16", [](Spoiled& s) { s.tensors["slot_mapping"].as<int64_t>()[3] = -2; },
       "slot_mapping[3] is -2"},
      {"minilm_decoder_paged_l3_hnd_bf16", [](Spoiled& s) { s.tensors.erase("slot_mapping"); },
       "has no tensor 'slot_mapping'"},
  };
  const Scratch scratch("spoiled");
  for (const auto& c : cases) {
    Spoiled spoiled(c.from);
    c.spoil(spoiled);
    spoiled.write(scratch.file("spoiled.safetensors"));
    check_bad("run " + scratch.file("spoiled.safetensors"), c.sentence);
  }
}

TEST_CASE("a wrong expectation is found, told and allowed by tolerance") {
  const Scratch scratch("wrong");
  Spoiled spoiled("minilm_encoder_l0");
  float* expected = spoiled.tensors.at("expected.out").as<float>();
  expected[(58 * 12 + 11) * 32 + 31] += 1e-3f;
  spoiled.write(scratch.file("wrong.safetensors"));
  const Outcome text = attnrt_program("run " + scratch.file("wrong.safetensors"));
  CHECK(text.status == 1);
  CHECK_THAT(text.out, Catch::Contains("out      WRONG: max error 0.001"));
  CHECK_THAT(text.err, Catch::StartsWith("attnrt: out[58, 11, 31] is "));
  const boost::json::value report = attnrt_json("run --json " + scratch.file("wrong.safetensors"), 1);
  CHECK(report.at("passed") == false);
  CHECK(report.at("out").at("worst").at("index") == boost::json::value({58, 11, 31}));
  CHECK(report.at("lse").at("passed") == true);
  CHECK(attnrt_program("run --tolerance 1000 " + scratch.file("wrong.safetensors")).status == 0);

  Spoiled lse("minilm_encoder_l0");
  lse.tensors.at("expected.lse").as<float>()[5] += 0.01f;
  lse.write(scratch.file("wrong.safetensors"));
  CHECK_THAT(attnrt_program("run " + scratch.file("wrong.safetensors")).err,
             Catch::StartsWith("attnrt: lse[0, 5] is "));
}
