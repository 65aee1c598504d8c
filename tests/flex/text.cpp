// SPDX-License-Identifier: Apache-2.0
//
// What a user writes: what each text means, and the line, the column and the sentence of each error.
#include "attnrt/flex/evaluate.hpp"
#include "flex/print.hpp"
#include "programs.hpp"

using namespace attnrt;
using namespace attnrt::flex;

namespace {

std::string error_of(const std::string& text, std::vector<Buffer> declared = {}) {
  const core::Result<Program> result = core::parse_flex(text, "flex", std::move(declared));
  return result ? "no error" : result.error().text;
}

bool sees(const std::string& text, int32_t q, int32_t kv, const BufferView* views = nullptr) {
  const Program program = parsed(text);
  return Evaluator(program, views).visible({0, 0, q, kv, 0});
}

float scored(const std::string& text, float score, int32_t q = 0, int32_t kv = 0, int32_t h = 0) {
  const Program program = parsed(text);
  return Evaluator(program, nullptr).score({0, h, q, kv, score});
}

}  // namespace

TEST_CASE("a mask and a score as a user types them") {
  CHECK(sees("mask: kv_idx <= q_idx && q_idx - kv_idx < 3", 5, 3));
  CHECK_FALSE(sees("mask: kv_idx <= q_idx && q_idx - kv_idx < 3", 5, 2));
  CHECK_FALSE(sees("mask: kv_idx <= q_idx && q_idx - kv_idx < 3", 5, 6));
  CHECK(scored("score: 20 * tanh(score / 20)", 10) == Approx(20 * std::tanh(0.5f)));
  CHECK(scored("score: score + exp2(-8.0 * (h + 1) / 4) * (kv_idx - q_idx)", 1, 7, 4, 1) == Approx(1 - 3.0f / 16));
  CHECK(scored("let near = abs(q_idx - kv_idx) < 2  # a comment\nscore: near ? score : -inf", 1, 4, 9) == -HUGE_VALF);
  const int32_t doc[] = {0, 0, 1, 1, 1};
  const BufferView views[] = {{doc, {5}, {1}}};
  CHECK(sees("buffer doc: i32[num_tokens]; mask: doc[q_idx] == doc[kv_idx]", 4, 2, views));
  CHECK_FALSE(sees("mask: doc[q_idx] == doc[kv_idx]\nbuffer doc: i32[num_tokens]", 2, 1, views));
  // Past the end the last element counts.
  CHECK(sees("buffer doc: i32[num_tokens]; mask: doc[q_idx] == doc[kv_idx]", 1000000, 2, views));
}

TEST_CASE("operators bind as in C, and what binds otherwise elsewhere wants parentheses") {
  CHECK(scored("score: 1 + 2 * 3 - 8 // 3", 0) == 5);
  CHECK(scored("score: -7 // 2 * 10 + -7 % 3", 0) == -38);
  CHECK(scored("score: 7 / 2", 0) == 3.5f);
  CHECK(sees("mask: 1 << 3 == 8 || false && false", 0, 0));
  CHECK(scored("score: true ? 1 : false ? 2 : 3", 0) == 1);
  CHECK(scored("score: (5 & 3) + (5 | 3) * 10 + (5 ^ 3) * 100", 0) == 671);
  CHECK(sees("mask: (q_idx >= kv_idx) & (q_idx < 9)", 3, 2));
  CHECK(error_of("mask: q_idx & 1 == 0") ==
        "flex:1:13: '&' stands beside a comparison, wanted parentheses around that: languages differ in what binds "
        "first");
  CHECK(error_of("mask: 0 <= q_idx < 9") == "flex:1:18: comparisons do not chain, wanted a < b && b < c");
  CHECK(sees("mask: (0 < 1) == (2 < 3)", 0, 0));
}

TEST_CASE("numbers of a text") {
  CHECK(scored("score: 0x1F + 1e1 + .5 + 2.", 0) == 43.5f);
  CHECK(scored("score: f32(-2147483648)", 0) == -2147483648.0f);
  CHECK(error_of("score: 2147483648") == "flex:1:8: saw '2147483648', wanted an integer of 32 bits");
  CHECK(error_of("score: 99999999999999999999") ==
        "flex:1:8: saw '99999999999999999999', wanted an integer of 32 bits");
  CHECK(error_of("score: 1.2.3") == "flex:1:8: saw '1.2.3', wanted a number, a name or '('");
  CHECK(error_of("score: 1q") == "flex:1:8: saw '1q', wanted a number, a name or '('");
  CHECK(error_of("score: 0x") == "flex:1:8: saw '0x', wanted a number, a name or '('");
}

TEST_CASE("errors name line and column, what was seen and what was wanted") {
  CHECK(error_of("") == "flex:1:1: there is neither a mask nor a score, wanted one of them");
  CHECK(error_of("mask: q_idx <") == "flex:1:14: saw the end, wanted a number, a name or '('");
  CHECK(error_of("let a = 1\nmask: a +\n  * 2") == "flex:3:3: saw '*', wanted a number, a name or '('");
  CHECK(error_of("q_idx < 3") == "flex:1:1: saw 'q_idx', wanted 'mask:', 'score:', 'let' or 'buffer'");
  CHECK(error_of("mask: q_idx") == "flex:1:7: mask is i32, wanted bool");
  CHECK(error_of("score: q_idx < 3") == "flex:1:8: score is bool, wanted f32");
  CHECK(error_of("mask: score > 0") == "flex:1:7: mask reads score, wanted b, h, q_idx, kv_idx and buffers alone");
  CHECK(error_of("mask: q_idx && true") == "flex:1:13: && has operands of type i32, bool, wanted bool");
  CHECK(error_of("mask: (q_idx < 2) + 1 > 0") == "flex:1:19: + has operands of type bool, i32, wanted numbers");
  CHECK(error_of("mask: 1.5 << 2 > 0") == "flex:1:11: << has operands of type f32, i32, wanted i32");
  CHECK(error_of("mask: true == 1") ==
        "flex:1:12: == has operands of type bool, i32, wanted numbers, or bool and bool");
  CHECK(error_of("score: where(1, 2, 3)") ==
        "flex:1:8: where has operands of type i32, i32, i32, wanted bool and two values of one type");
  CHECK(error_of("score: min(1)") == "flex:1:8: min has 1 operands, wanted 2");
  CHECK(error_of("mask: a < 3", {{"doc", Element::i32, {}}}) ==
        "flex:1:7: 'a' is not known, wanted b, h, q_idx, kv_idx, score, a function, a buffer or a let: doc");
  CHECK(error_of("mask: doc[q_idx] > 0", {{"doc", Element::i32, {}}}) == "flex:1:7: doc has 1 indices, wanted 0");
  CHECK(error_of("mask: doc[1.5] > 0", {{"doc", Element::i32, {{4, ""}}}}) ==
        "flex:1:7: an index of doc is f32, wanted i32");
  CHECK(error_of("mask: true; mask: false") == "flex:1:13: there are two of 'mask:', wanted one");
  CHECK(error_of("let h = 1; mask: true") == "flex:1:5: 'h' has a meaning of its own, wanted another name");
  CHECK(error_of("let a = 1; let a = 2; mask: true") == "flex:1:12: 'a' is there already, wanted another name");
  CHECK(error_of("buffer a: i64[3]\nmask: true") == "flex:1:11: saw 'i64', wanted i32, f32, fp16, bf16 or bool");
  CHECK(error_of("buffer a: i32[0]\nmask: true") ==
        "flex:1:8: buffer a has the extent '0', wanted a number from 1 on, or a name");
  CHECK(error_of("mask: true $") == "flex:1:12: saw '$', wanted 'mask:', 'score:', 'let' or 'buffer'");
  CHECK(error_of("mask: q_idx < 3 and true").find("saw 'and'") != std::string::npos);
  CHECK(error_of("score: -99999999999") == "flex:1:9: saw '99999999999', wanted an integer of 32 bits");
  CHECK(error_of("mask: (true") == "flex:1:12: saw the end, wanted ')'");
  CHECK(error_of("score: min 3") == "flex:1:12: saw '3', wanted '('");
  CHECK(error_of("mask: true ? false; true") == "flex:1:19: saw ';', wanted ':'");
  CHECK(error_of("let 3 = 4; mask: true") == "flex:1:5: saw '3', wanted a name");
  CHECK(error_of("let a 4; mask: true") == "flex:1:7: saw '4', wanted '='");
  CHECK(error_of("buffer a: i32[-1]\nmask: true") == "flex:1:15: saw '-', wanted a size or its name");
  CHECK(error_of("buffer a: i32[3\nmask: true") == "flex:2:1: saw 'mask', wanted ']'");
  CHECK(error_of("buffer a i32\nmask: true") == "flex:1:10: saw 'i32', wanted ':'");
  CHECK(error_of("buffer a: i32\nbuffer a: f32; mask: true") == "flex:2:8: buffer a is declared twice, wanted once");
  CHECK(error_of("buffer a: i32[1, 2, 3, 4, 5]\nmask: true") ==
        "flex:1:8: buffer a has 5 dimensions, wanted at most 4");
  CHECK(error_of("score: sin(true)") == "flex:1:8: sin has operands of type bool, wanted numbers");
  CHECK(error_of("mask: (1.5 & 2.5) == 0") ==
        "flex:1:12: & has operands of type f32, f32, wanted i32, or bool and bool");
}

TEST_CASE("errors repeat what was typed as one printable line of bounded length") {
  CHECK(error_of("mask: \x01") == "flex:1:7: saw '?', wanted a number, a name or '('");
  CHECK(error_of("mask: \u00e9") == "flex:1:7: saw '\u00e9', wanted a number, a name or '('");
  const std::string name(64, 'a'), mask = "; mask: true";
  const std::string refused = "the name '" + name + "' has 64 characters, wanted at most 63";
  CHECK(error_of("let " + name + " = 1" + mask) == "flex:1:5: " + refused);
  CHECK(error_of("buffer " + name + ": i32" + mask) == "flex:1:8: " + refused);
  CHECK(error_of("buffer a: i32[" + name + "]" + mask) == "flex:1:15: " + refused);
  CHECK(error_of("let " + name.substr(1) + " = 1" + mask) == "no error");
  CHECK(error_of("mask: " + std::string(4000, 'x')).size() < 300);
  std::string many;
  for (int i = 0; i < 30; ++i) many += "let a" + std::to_string(i) + " = 1\n";
  CHECK(error_of(many + "mask: c").find(", a26 and 10 more") != std::string::npos);
}

TEST_CASE("limits of a program") {
  const std::string open(70, '('), close(70, ')');
  CHECK(error_of("mask: " + open + "true" + close) ==
        "flex:1:71: the program is deeper than 64 operators, wanted at most that");
  CHECK(error_of("mask: " + std::string(70, '!') + "true").find("deeper than 64") != std::string::npos);
  std::string sum = "score: 0.5";
  for (int i = 0; i < 70; ++i) sum += " + score";
  CHECK(error_of(sum).find("deeper than 64") != std::string::npos);
  std::string wide = "mask: false";
  for (int i = 0; i < 60; ++i) wide += "\nlet a" + std::to_string(i) + " = q_idx < 5";
  CHECK(error_of(wide) == "no error");
  std::string many = "let a = score";
  for (int i = 0; i < 2100; ++i) many += "\nlet a" + std::to_string(i) + " = score + " + std::to_string(i) + ".5";
  CHECK(error_of(many + "\nscore: a").find("more than 4096 nodes") != std::string::npos);
  std::vector<Buffer> buffers;
  for (int i = 0; i < 17; ++i) buffers.push_back({"a" + std::to_string(i), Element::i32, {}});
  CHECK(error_of("mask: true", buffers).find("there are 17 buffers, wanted at most 16") != std::string::npos);
}

TEST_CASE("declarations of the command line") {
  const auto declared = core::parse_flex_buffer("bias=bf16[h_count, 33]", "--flex-buffer");
  REQUIRE(static_cast<bool>(declared));
  CHECK((*declared == Buffer{"bias", Element::bf16, {{0, "h_count"}, {33, ""}}}));
  CHECK(core::parse_flex_buffer("w=f32", "f")->extents.empty());
  CHECK(core::parse_flex_buffer("w:f32", "--flex-buffer").error().text == "--flex-buffer:1:2: saw ':', wanted '='");
  CHECK(core::parse_flex_buffer("w=f32[3", "f").error().text == "f:1:8: saw the end, wanted ']'");
}

TEST_CASE("what is printed is read back as the same program") {
  // Levels count: what is printed has no more of them than what was read.
  for (const std::string& text : {"mask: " + std::string(61, '!') + "(q_idx < 3)", std::string("score: score * -inf"),
                                  std::string("score: -(-(-score)) - -(7)")}) {
    const Program program = parsed(text);
    INFO(core::print_flex(program));
    CHECK(parsed(core::print_flex(program)) == program);
  }
  RandomPrograms random(5);
  for (int i = 0; i < 200; ++i) {
    const Program program = random.next();
    const std::string text = core::print_flex(program);
    INFO(text);
    const core::Result<Program> again = core::parse_flex(text, "again", {});
    INFO((again ? std::string() : again.error().text));
    REQUIRE(static_cast<bool>(again));
    CHECK(*again == program);
  }
}
