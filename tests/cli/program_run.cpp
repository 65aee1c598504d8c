// SPDX-License-Identifier: Apache-2.0
// `attnrt run` on files made here, against attention in plain loops: that metadata, flags and tensors reach the kernels
// with the meaning of docs/run-file.md.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "made_file.hpp"
#include "program.hpp"
#include "scratch.hpp"

using namespace attnrt::cli;

namespace {

const double kScale = 1 / std::sqrt(32.0);

/// A packed batch of three requests, grouped heads.
struct Packed {
  std::map<std::string, Array> file;
  std::vector<Request> requests{{0, 9, 0, 9, 9}, {9, 1, 9, 6, 6}, {10, 20, 15, 33, 33}};
  Packed() {
    file["q"] = noise({30, 4, 32});
    file["k"] = noise({48, 2, 32});
    file["v"] = noise({48, 2, 32});
    file["query_start_loc"] = ints({0, 9, 10, 30});
    file["kv_start_loc"] = ints({0, 9, 15, 48});
  }
  void expect_with(const Attention& a) { expect(file, file["q"], file["k"], file["v"], 32, requests, a); }
};

}  // namespace

TEST_CASE("causal queries that stand before the first key are empty rows") {
  std::map<std::string, Array> file{{"q", noise({5, 2, 8})}, {"k", noise({3, 2, 8})}, {"v", noise({3, 2, 8})}};
  Attention a;
  a.scale = 1 / std::sqrt(8.0);
  expect(file, file["q"], file["k"], file["v"], 8, {{0, 5, 0, 3, 3}}, a);
  CHECK(file["expected.lse"].as<float>()[3] == -std::numeric_limits<float>::infinity());
  CHECK(std::isfinite(file["expected.lse"].as<float>()[4]));
  check_file(file, {});
}

TEST_CASE("metadata and flags have the meaning that the document gives them") {
  Packed p;
  Attention a;
  a.scale = kScale;
  p.expect_with(a);
  check_file(p.file, {});
  check_file(p.file, {{"causal", "false"}}, "--causal");
  check_file(p.file, {{"causal", "false"}}, "", 1);
  check_file(p.file, {}, "--chunk 5 --block-size 4");
  check_file(p.file, {}, "--chunk 5 --block-size 4 --kv-layout hnd --threads 1");

  SECTION("sliding window") {
    a.left = 4;
    a.right = 0;
    p.expect_with(a);
    check_file(p.file, {{"sliding_window", "5"}});
    check_file(p.file, {{"sliding_window", "9"}}, "--sliding-window 5");
    check_file(p.file, {{"sliding_window", "9"}}, "", 1);
    check_file(p.file, {}, "--sliding-window 5 --chunk 3 --block-size 2");
  }
  SECTION("sliding window of an encoder") {
    a.left = a.right = 2;
    a.causal = false;
    p.expect_with(a);
    check_file(p.file, {{"attn_type", "encoder_only"}, {"sliding_window", "3"}});
  }
  SECTION("scale and softcap") {
    a.scale = 0.9;
    a.softcap = 2;
    p.expect_with(a);
    check_file(p.file, {{"scale", "0.9"}, {"softcap", "2"}});
    check_file(p.file, {}, "--scale 0.9 --softcap 2 --chunk 8");
  }
  SECTION("sinks and slopes") {
    const Array sinks = noise({4}), slopes = noise({4});
    p.file["sinks"] = sinks;
    p.file["alibi_slopes"] = slopes;
    a.sinks = &sinks;
    a.slopes = &slopes;
    p.expect_with(a);
    check_file(p.file, {});
    check_file(p.file, {}, "--sink --alibi --chunk 6 --block-size 8");
  }
  SECTION("causality of each request") {
    Array flags = make_array(Dtype::U8, {3}, 1);
    flags.as<uint8_t>()[2] = 0;
    p.file["causal_per_request"] = flags;
    Packed never = p;
    a.causal = false;
    never.expect_with(a);
    for (const char* name : {"expected.out", "expected.lse"}) {
      const std::size_t row = p.file[name].data.size() / 30;
      std::copy_n(never.file[name].data.begin() + static_cast<std::ptrdiff_t>(10 * row), 20 * row,
                  p.file[name].data.begin() + static_cast<std::ptrdiff_t>(10 * row));
    }
    check_file(p.file, {});
    check_file(never.file, {}, "--non-causal");
  }
  SECTION("visible keys") {
    p.file["kv_lens"] = ints({7, 6, 30});
    p.file["seq_lens"] = ints({9, 6, 33});
    p.requests[0].keys = 7;
    p.requests[2].keys = 30;
    a.causal = false;
    p.expect_with(a);
    check_file(p.file, {{"attn_type", "encoder_decoder"}});
  }
}

TEST_CASE("four dimensions in both orders") {
  std::map<std::string, Array> file;
  file["q"] = noise({2, 7, 4, 32});
  file["k"] = noise({2, 3, 2, 32});
  file["v"] = noise({2, 3, 2, 32});
  Attention a;
  a.scale = kScale;
  a.causal = false;
  Array q = file["q"], k = file["k"], v = file["v"];
  q.shape = {14, 4, 32};
  k.shape = v.shape = {6, 2, 32};
  expect(file, q, k, v, 32, {{0, 7, 0, 3, 7}, {7, 7, 3, 3, 7}}, a);
  file["expected.out"].shape = {2, 7, 4, 32};
  const Scratch scratch("four");
  check_file(file, {{"layout", "bshd"}, {"causal", "false"}}, "-o " + scratch.file("out"));
  CHECK(Safetensors(scratch.file("out")).read("out").shape == Shape{2, 7, 4, 32});
  CHECK(Safetensors(scratch.file("out")).read("lse").shape == Shape{14, 4});
}

TEST_CASE("the output file holds what was computed") {
  const Scratch scratch("output");
  const boost::json::value report =
      attnrt_json("run --json " + fixture("minilm_sdpa_l0") + " --repeat 3 --output " + scratch.file("out"));
  CHECK(report.at("repeat") == 3);
  CHECK(report.at("time_ms").as_double() > 0);
  const Safetensors written(scratch.file("out")), source(fixture("minilm_sdpa_l0"));
  CHECK(written.header().metadata.at("backend") == "CPU_ATTN");
  const Array out = written.read("out"), expected = source.read("expected.out");
  REQUIRE(out.shape == expected.shape);
  for (int64_t i = 0; i < out.elements(); ++i)
    REQUIRE(out.as<float>()[i] == Approx(expected.as<float>()[i]).margin(1e-5));
}

TEST_CASE("a file without expectations just runs, no tokens included") {
  std::map<std::string, Array> file;
  file["q"] = noise({3, 2, 32});
  file["k"] = noise({3, 2, 32});
  file["v"] = noise({3, 2, 32});
  CHECK(check_file(file, {}).at("passed").is_null());
  CHECK(check_file(file, {}, "--lse").at("lse").is_null());
  for (const char* name : {"q", "k", "v"}) file[name] = noise({0, 2, 32});
  CHECK(check_file(file, {}).at("num_tokens") == 0);
  CHECK(check_file(file, {}, "--chunk 4").at("num_tokens") == 0);
}

TEST_CASE("MLA: latent decode, with the new tokens in the cache and beside it") {
  const Array rows = noise({24, 1, 576});  // request 0: rows 0 to 13, request 1: rows 14 to 23
  std::map<std::string, Array> file;
  file["q"] = noise({3, 4, 576});
  file["query_start_loc"] = ints({0, 1, 3});
  file["seq_lens"] = ints({14, 10});
  file["block_table"] = ints({3, 0, 1, 4});
  file["block_table"].shape = {2, 2};
  Array cache = make_array(Dtype::F32, {5, 8, 576}, 0xFF);
  const auto slot = [&file](int64_t row) {
    const int64_t request = row >= 14, token = request ? row - 14 : row;
    return file["block_table"].as<int32_t>()[request * 2 + token / 8] * 8 + token % 8;
  };
  for (int64_t row = 0; row < 24; ++row)
    std::copy_n(rows.as<float>() + row * 576, 576, cache.as<float>() + slot(row) * 576);
  Attention a;
  a.scale = 1 / std::sqrt(192.0);
  expect(file, file["q"], rows, rows, 512, {{0, 1, 0, 14, 14}, {1, 2, 14, 10, 10}}, a);
  const std::map<std::string, std::string> metadata{{"mla", "true"}, {"scale", "0.0721687836487032"}};

  file["kv_cache"] = cache;
  CHECK(check_file(file, metadata).at("backend") == "CPU_MLA");

  Array k = make_array(Dtype::F32, {3, 1, 512}, 0), v = make_array(Dtype::F32, {3, 1, 64}, 0);
  Array slots = make_array(Dtype::I64, {3}, 0);
  const int64_t fresh[] = {13, 22, 23};
  for (int64_t i = 0; i < 3; ++i) {
    const float* row = rows.as<float>() + fresh[i] * 576;
    std::copy_n(row, 512, k.as<float>() + i * 512);
    std::copy_n(row + 512, 64, v.as<float>() + i * 64);
    slots.as<int64_t>()[i] = slot(fresh[i]);
    std::fill_n(cache.as<float>() + slot(fresh[i]) * 576, 576, std::numeric_limits<float>::quiet_NaN());
  }
  file["kv_cache"] = cache;
  check_file(file, metadata, "", 1);  // NaN where the new tokens are missing
  file["k"] = k;
  file["v"] = v;
  file["slot_mapping"] = slots;
  check_file(file, metadata);
}

TEST_CASE("MLA: prefill") {
  std::map<std::string, Array> file;
  file["q"] = noise({12, 2, 192});
  file["k"] = noise({12, 2, 192});
  file["v"] = noise({12, 2, 128});
  file["query_start_loc"] = ints({0, 5, 12});
  Attention a;
  a.scale = 1 / std::sqrt(192.0);
  expect(file, file["q"], file["k"], file["v"], 128, {{0, 5, 0, 5, 5}, {5, 7, 5, 7, 7}}, a);
  CHECK(check_file(file, {{"mla", "true"}}).at("backend") == "CPU_MLA");
}

TEST_CASE("a cache of 8 bits, with scales of every kind") {
  // Codes of numbers that e4m3, e5m2 and int8 hold.
  const struct {
    Dtype dtype;
    uint8_t codes[4];
    float numbers[4];
    const char* word;
  } types[] = {{Dtype::F8_E4M3, {0x38, 0xc0, 0x34, 0x01}, {1, -2, 0.75f, 0x1p-9f}, "fp8_e4m3"},
               {Dtype::F8_E5M2, {0x3c, 0xc0, 0x3a, 0x01}, {1, -2, 0.75f, 0x1p-16f}, "fp8_e5m2"},
               {Dtype::I8, {1, 0xfe, 3, 127}, {1, -2, 3, 127}, "int8"}};
  for (const auto& type : types)
    for (const int kind : {0, 1, 2, 3}) {  // no scales, one, one a head, one a row
      std::map<std::string, Array> file;
      file["q"] = noise({2, 4, 32});
      file["seq_lens"] = ints({11});
      file["block_table"] = ints({2, 0});
      file["block_table"].shape = {1, 2};
      Array k = make_array(Dtype::F32, {11, 2, 32}, 0), v = k;
      for (const bool second : {false, true}) {
        const std::string name = second ? "v" : "k";
        Array cache = make_array(type.dtype, {3, 8, 2, 32}, 0), scales = make_array(Dtype::F32, {kind == 2 ? 2 : 1}, 0);
        if (kind == 3) scales = make_array(Dtype::F32, {3, 8, 2}, 0);
        const auto any = [] { return 0.01f + 0.001f * static_cast<float>(random_bits() % 64); };
        std::generate_n(scales.as<float>(), scales.elements(), any);
        for (int64_t row = 0; row < 22; ++row) {
          const int64_t key = row / 2, head = row % 2, at = ((key < 8 ? 16 : -8) + key) * 2 + head;
          const float scale = kind == 0 ? 1.0f : scales.as<float>()[kind == 1 ? 0 : kind == 2 ? head : at];
          for (int64_t d = 0; d < 32; ++d) {
            const std::size_t code = random_bits() % 4;
            cache.as<uint8_t>()[at * 32 + d] = type.codes[code];
            (second ? v : k).as<float>()[row * 32 + d] = type.numbers[code] * scale;
          }
        }
        file[name + "_cache"] = cache;
        if (kind) file[name + (kind == 3 ? "_row_scales" : "_scale")] = scales;
      }
      Attention a;
      a.scale = kScale;
      expect(file, file["q"], k, v, 32, {{0, 2, 0, 11, 11}}, a);
      CAPTURE(type.word, kind);
      const boost::json::value done = check_file(file, {});
      CHECK(done.at("backend") == "CPU_ATTN");
      if (kind != 1) continue;
      file["k_scale"].as<float>()[0] *= 3;
      check_file(file, {}, "", 1);
      file["k_scale"].shape = {2, 1};
      file["k_scale"].data.resize(8);
      const Scratch scratch("scales");
      std::map<std::string, const Array*> all;
      for (const auto& [name, array] : file) all[name] = &array;
      write_safetensors(scratch.file("wrong.safetensors"), all, {});
      const Outcome refused = attnrt_program("run " + scratch.file("wrong.safetensors"));
      CHECK(refused.status == 2);
      CHECK_THAT(refused.err, Catch::Contains("tensor 'k_scale' is F32 [2, 1], wanted F32 [Hkv] = [2]"));
    }
}
