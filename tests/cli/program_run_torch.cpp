// SPDX-License-Identifier: Apache-2.0
// `attnrt run` on what scaled_dot_product_attention and flash_attn take, against attention in plain loops.
#include <algorithm>
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "made_file.hpp"

using namespace attnrt::cli;

namespace {

constexpr double kHides = -std::numeric_limits<double>::infinity();

Array packed(const Array& four) {
  Array array = four;
  array.shape = {four.shape[0] * four.shape[1], four.shape[2], four.shape[3]};
  return array;
}

/// query, key and value of scaled_dot_product_attention, here [B, L, H, D] so that they are packed as they lie.
struct Dump {
  int64_t batch, queries, keys, heads, kv_heads;
  Tensors file;
  Words words{{"layout", "bshd"}};
  Dump(int64_t b, int64_t l, int64_t s, int64_t h, int64_t hkv)
      : batch(b), queries(l), keys(s), heads(h), kv_heads(hkv) {
    file["query"] = noise({b, l, h, 32});
    file["key"] = noise({b, s, hkv, 32});
    file["value"] = noise({b, s, hkv, 32});
  }
  /// Positions: with the first keys, or with the last ones.
  void expect_with(Attention a, bool first) {
    std::vector<Request> requests;
    for (int64_t r = 0; r < batch; ++r)
      requests.push_back({r * queries, queries, r * keys, keys, first ? queries : keys});
    if (a.scale == 1) a.scale = 1 / std::sqrt(32.0);
    expect(file, packed(file["query"]), packed(file["key"]), packed(file["value"]), 32, requests, a);
    file["expected.out"].shape = file["query"].shape;
  }
};

/// BF16 and F16 numbers that both types hold exactly.
Array narrow(Shape shape, Dtype dtype) {
  Array array = make_array(dtype, std::move(shape), 0);
  for (int64_t i = 0; i < array.elements(); ++i) {
    const uint16_t number = static_cast<uint16_t>(random_bits() % 8);  // 0, 1/4 ... 7/4 and -inf
    const float value = static_cast<float>(number) / 4;
    const bool hides = random_bits() % 4 == 0;
    const uint16_t wide = static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16);
    const uint16_t half =
        number == 0 ? uint16_t{0} : static_cast<uint16_t>(((wide & 0x7f80) - 0x3800) << 3 | (wide & 0x7f) << 3);
    array.as<uint16_t>()[i] =
        dtype == Dtype::F16 ? (hides ? uint16_t{0xfc00} : half) : (hides ? uint16_t{0xff80} : wide);
  }
  return array;
}

double mask_value(const Array& mask, int64_t at) {
  if (mask.dtype == Dtype::BOOL) return mask.as<uint8_t>()[at] ? 0 : kHides;
  if (mask.dtype == Dtype::F32) return static_cast<double>(mask.as<float>()[at]);
  const uint16_t bits = mask.as<uint16_t>()[at];
  if (bits == 0xff80 || bits == 0xfc00) return kHides;
  if (mask.dtype == Dtype::BF16) return static_cast<double>(std::bit_cast<float>(uint32_t{bits} << 16));
  return bits == 0 ? 0 : std::ldexp(1024 + (bits & 0x3ff), (bits >> 10) - 25);
}

Array random_mask(const Shape& shape, Dtype dtype) {
  if (dtype == Dtype::BF16 || dtype == Dtype::F16) return narrow(shape, dtype);
  if (dtype == Dtype::F32) return noise(shape);
  Array mask = make_array(Dtype::BOOL, shape, 0);
  for (int64_t i = 0; i < mask.elements(); ++i) mask.as<uint8_t>()[i] = random_bits() % 3 != 0;
  return mask;
}

}  // namespace

TEST_CASE("attn_mask in every type and shape that PyTorch broadcasts") {
  const Shape shapes[] = {{6, 10},       {1, 10},       {6, 1},        {4, 6, 10},   {1, 1, 6, 10}, {2, 1, 6, 10},
                          {1, 4, 6, 10}, {2, 4, 6, 10}, {2, 1, 1, 10}, {1, 1, 6, 1}, {2, 4, 1, 1}};
  for (const Dtype dtype : {Dtype::BOOL, Dtype::F16, Dtype::BF16, Dtype::F32})
    for (const Shape& shape : shapes) {
      if (dtype != Dtype::BOOL && shape != shapes[0] && shape != shapes[5] && shape != shapes[8]) continue;
      CAPTURE(name_of(dtype), text_of(shape));
      Dump dump(2, 6, 10, 4, 2);
      const Array mask = random_mask(shape, dtype);
      dump.file["attn_mask"] = mask;
      Attention a;
      a.causal = false;
      a.bias = [&mask](int64_t r, int64_t h, int64_t i, int64_t j) {
        Shape s = mask.shape;
        s.insert(s.begin(), 4 - s.size(), 1);
        const int64_t index[] = {r, h, i, j};
        int64_t at = 0;
        for (std::size_t d = 0; d < 4; ++d) at = at * s[d] + (s[d] == 1 ? 0 : index[d]);
        return mask_value(mask, at);
      };
      dump.expect_with(a, true);
      check_file(dump.file, dump.words);
      check_file(dump.file, dump.words, "--attention-backend CPU_ATTN/portable");
      if (shape != shapes[0]) continue;
      a.causal = true;  // both apply
      dump.expect_with(a, true);
      dump.words["is_causal"] = "True";
      check_file(dump.file, dump.words);
      dump.file.erase("attn_mask");
      check_file(dump.file, dump.words, "", 1);
    }
}

TEST_CASE("attn_mask that does not fit is refused") {
  Dump dump(2, 6, 10, 4, 2);
  for (const Shape& shape :
       {Shape{10, 6}, Shape{3, 1, 6, 10}, Shape{2, 2, 6, 10}, Shape{2, 4, 6, 9}, Shape{10}, Shape{1, 1, 1, 6, 10}}) {
    dump.file["attn_mask"] = random_mask(shape, Dtype::BOOL);
    check_refused(dump.file, dump.words,
                  "[2 or 1, 4 or 1, 6 or 1, 10 or 1] = [requests, Hq, longest query, most keys]");
  }
  dump.file["attn_mask"] = make_array(Dtype::I64, {6, 10}, 0);
  check_refused(dump.file, dump.words, "tensor 'attn_mask' is I64 [6, 10], wanted BOOL or F16 or BF16 or F32");
  dump.file["attn_mask"] = random_mask({6, 10}, Dtype::BOOL);
  dump.words["causal"] = "true";
  check_refused(dump.file, dump.words, "it has attn_mask, wanted a file without one for --chunk", "--chunk 4");
  dump.file.erase("attn_mask");
  check_refused(dump.file, dump.words, "has no tensor 'attn_mask', wanted it for --dense-mask", "--dense-mask");
}

TEST_CASE("is_causal counts from the first key, causal from the last") {
  for (const auto& [queries, keys] : {std::pair{6, 6}, {6, 11}, {70, 5}, {70, 90}, {1, 9}, {9, 1}}) {
    CAPTURE(queries, keys);
    Dump dump(2, queries, keys, 4, 2);
    const Words first{{"layout", "bshd"}, {"is_causal", "True"}}, last{{"layout", "bshd"}, {"causal", "True"}},
        never{{"layout", "bshd"}, {"is_causal", "False"}};
    dump.expect_with({}, true);
    check_file(dump.file, first);
    check_file(dump.file, first, "--attention-backend CPU_ATTN/portable");
    check_file(dump.file, last, "", queries == keys ? 0 : 1);
    dump.expect_with({}, false);
    check_file(dump.file, last);
    check_file(dump.file, first, "--causal");  // the flag is aligned at the last key
    Attention a;
    a.causal = false;
    dump.expect_with(a, true);
    check_file(dump.file, never);
    check_file(dump.file, {{"layout", "bshd"}});  // the default of scaled_dot_product_attention
  }
  Dump dump(1, 4, 4, 2, 2);
  check_refused(dump.file, {{"is_causal", "true"}, {"causal", "true"}}, "is_causal are both there");
  check_refused(dump.file, {{"is_causal", "maybe"}}, "metadata is_causal is 'maybe', wanted one of true");
  dump.file["seq_lens"] = ints({6});
  check_refused(dump.file, {{"layout", "bshd"}, {"is_causal", "true"}}, "seq_lens[0] is 6, wanted 4");
}

TEST_CASE("what flash_attn takes") {
  Dump dump(2, 9, 30, 4, 2);
  Attention a;
  a.left = 3;
  a.right = 0;
  dump.expect_with(a, false);
  check_file(dump.file, {{"layout", "bshd"}, {"causal", "True"}, {"window_size", "(3, 0)"}});
  check_file(dump.file,
             {{"layout", "bshd"}, {"causal", "True"}, {"window_size", "[3, -1]"}});  // causal hides the right
  check_file(dump.file, {{"layout", "bshd"}, {"causal", "False"}, {"window_size", "3,0"}});
  check_file(dump.file, {{"layout", "bshd"}, {"causal", "True"}, {"window_size", "(30, 0)"}}, "--sliding-window 4");
  a.causal = false;
  a.left = 2;
  a.right = 5;
  dump.expect_with(a, false);
  check_file(dump.file, {{"layout", "bshd"}, {"causal", "False"}, {"window_size", "(2, 5)"}});
  a.left = a.right = -1;
  a.scale = 0.4;
  a.softcap = 3;
  const Array slopes = noise({4});
  dump.expect_with(a, false);
  const Words words{{"layout", "bshd"},         {"causal", "False"},         {"softmax_scale", "0.4"},
                    {"softcap", "3.0"},         {"window_size", "(-1, -1)"}, {"dropout_p", "0.0"},
                    {"deterministic", "False"}, {"alibi_slopes", "None"}};
  check_refused(dump.file, words, "metadata key 'alibi_slopes' is not understood");
  Words known = words;
  known.erase("alibi_slopes");
  check_file(dump.file, known);
  dump.file["alibi_slopes"] = slopes;
  check_refused(dump.file, known, "alibi_slopes without causal fall with the distance on both sides");
  known["causal"] = "True";
  a.causal = true;
  a.slopes = &slopes;
  dump.expect_with(a, false);
  check_file(dump.file, known);
  dump.file.erase("alibi_slopes");
  known.erase("layout");
  check_refused(dump.file, known, "is of flash_attn, whose query is [B, S, H, D], wanted metadata layout");
  check_refused(dump.file, {{"layout", "bshd"}, {"window_size", "5"}}, "window_size is '5', wanted (left, right)");
  check_refused(dump.file, {{"layout", "bshd"}, {"window_size", "(1, -2)"}}, "is '(1, -2)', wanted (left, right)");
  check_refused(dump.file, {{"layout", "bshd"}, {"window_size", "(1, 2)"}, {"sliding_window", "3"}}, "both there");
  Dump tall(1, 9, 4, 2, 2);  // the first queries stand before all keys and see those on their right
  Attention sides;
  sides.causal = false;
  sides.left = sides.right = 2;
  tall.expect_with(sides, false);
  check_file(tall.file, {{"layout", "bshd"}, {"causal", "false"}, {"window_size", "(2, 2)"}});
}

TEST_CASE("sinks in the type of the checkpoint, and values that mean nothing") {
  for (const Dtype dtype : {Dtype::BF16, Dtype::F16}) {
    Dump dump(1, 5, 7, 4, 2);
    Array sinks = make_array(dtype, {4}, 0);
    for (int64_t i = 0; i < 4; ++i) sinks.as<uint16_t>()[i] = dtype == Dtype::BF16 ? 0x3fc0 : 0x3e00;  // 1.5
    Array wide = make_array(Dtype::F32, {4}, 0);
    std::fill_n(wide.as<float>(), 4, 1.5f);
    dump.file["s_aux"] = sinks;
    Attention a;
    a.causal = false;
    a.sinks = &wide;
    dump.expect_with(a, false);
    check_file(dump.file, dump.words);
    sinks.as<uint16_t>()[2] = 0x7fff;
    dump.file["s_aux"] = sinks;
    check_refused(dump.file, dump.words, "s_aux[2] is nan, wanted finite numbers, or -inf for none");
  }
  Dump dump(1, 5, 7, 4, 2);
  dump.file["alibi_slopes"] = noise({4});
  dump.file["alibi_slopes"].as<float>()[1] = std::numeric_limits<float>::infinity();
  check_refused(dump.file, dump.words, "alibi_slopes[1] is inf, wanted finite numbers");
  dump.file.erase("alibi_slopes");
  for (const char* scale : {"0", "-0.0", "1e-60", "nan", "inf", "-inf", "1e60"}) {
    Words words = dump.words;
    words["sm_scale"] = scale;
    check_refused(dump.file, words, std::string("metadata sm_scale is '") + scale + "', wanted a number");
  }
  check_refused(dump.file, dump.words, "--scale is '0', wanted a number other than 0, such as 1 / sqrt(head size)",
                "--scale 0");
  check_refused(dump.file, {{"layout", "bshd"}, {"dropout_p", "0.1"}}, "metadata dropout_p is '0.1', wanted 0");
  check_refused(dump.file, {{"layout", "bshd"}, {"enable_gqa", "False"}},
                "metadata enable_gqa is 'False', wanted true for 4 query heads over 2 key heads");

  Tensors cache;
  cache["q"] = noise({1, 4, 32});
  cache["k_cache"] = cache["v_cache"] = make_array(Dtype::F8_E4M3, {2, 16, 2, 32}, 0x38);
  cache["block_table"] = ints({0});
  cache["block_table"].shape = {1, 1};
  cache["seq_lens"] = ints({9});
  for (const float scale : {0.0f, -1.0f, std::numeric_limits<float>::infinity(), std::nanf("")}) {
    cache["v_scale"] = make_array(Dtype::F32, {1}, 0);
    cache["v_scale"].as<float>()[0] = scale;
    check_refused(cache, {}, "wanted finite numbers above 0");
  }
}
