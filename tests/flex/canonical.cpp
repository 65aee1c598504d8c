// SPDX-License-Identifier: Apache-2.0
//
// The canonical form: one for each program, read strictly.
#include "attnrt/flex/canonical.hpp"

#include "programs.hpp"

using namespace attnrt::flex;

namespace {

const std::string kDocuments =
    R"({"flex":1,"buffers":[{"name":"doc","dtype":"i32","extents":["num_tokens"]}],)"
    R"("nodes":[["q_idx"],["load",0,0],["kv_idx"],["load",0,2],["eq",1,3]],"mask":4,"score":null})";

std::string refusal(const std::string& text) {
  Program out;
  const std::string why = read_canonical(text, out);
  return why.empty() ? "none" : why;
}
std::string with(std::string text, const std::string& what, const std::string& instead) {
  const std::size_t at = text.find(what);
  REQUIRE(at != text.npos);
  return text.replace(at, what.size(), instead);
}

}  // namespace

TEST_CASE("the canonical form of a document mask") {
  const Program program = parsed("buffer doc: i32[num_tokens]\nmask: doc[q_idx] == doc[kv_idx]");
  CHECK(write_canonical(program) == kDocuments);
  Program again;
  CHECK(read_canonical(kDocuments, again).empty());
  CHECK(again == program);
  // Parts, names of parts and the order of what commutes make no difference.
  CHECK(parsed("let unused = 3 let d = doc[kv_idx] mask: (doc[q_idx] == d) buffer doc: i32[num_tokens]").nodes.size() ==
        5);
  CHECK(write_canonical(parsed("score: score + f32(h)")) == write_canonical(parsed("score: score + h")));
}

TEST_CASE("every random program survives its canonical form, and so does what simplifies it") {
  RandomPrograms random(7);
  for (int i = 0; i < 300; ++i) {
    const Program program = random.next();
    const std::string text = write_canonical(program);
    Program again;
    INFO(text);
    CHECK(read_canonical(text, again) == "");
    CHECK(again == program);
    const Program simple = simplify(program);
    CHECK(simplify(simple) == simple);
    CHECK(read_canonical(write_canonical(simple), again) == "");
  }
}

TEST_CASE("what is no canonical form is refused with its byte") {
  CHECK(refusal("") == "the canonical form of a flex program has an error at byte 0: wanted {\"flex\":1,\"buffers\":[");
  CHECK(refusal(kDocuments + " ").find("wanted the end") != std::string::npos);
  CHECK(refusal(with(kDocuments, "\"flex\":1", "\"flex\":2")).find("byte 0") != std::string::npos);
  CHECK(refusal(with(kDocuments, "\"mask\":4", "\"mask\":9")).find("node 9 is not there") != std::string::npos);
  CHECK(refusal(with(kDocuments, "\"mask\":4", "\"mask\":3")).find("mask is i32, wanted bool") != std::string::npos);
  CHECK(refusal(with(kDocuments, "[\"load\",0,0]", "[\"load\",0,1]")).find("node 1 is not there yet") !=
        std::string::npos);
  CHECK(refusal(with(kDocuments, "[\"load\",0,0]", "[\"load\",7,0]")).find("buffer 7 is not declared") !=
        std::string::npos);
  CHECK(refusal(with(kDocuments, "\"eq\"", "\"equal\"")).find("'equal' is no operator") != std::string::npos);
  CHECK(refusal(with(kDocuments, "i32", "i64")).find("'i64' is no dtype") != std::string::npos);
  CHECK(refusal(with(kDocuments, "[\"eq\",1,3]", "[\"eq\",3,1]")).find("another canonical form") != std::string::npos);
  CHECK(refusal(with(kDocuments, "[\"kv_idx\"]", "[\"kv_idx\",0]")) != "none");
  // Cut anywhere, or with a byte changed, it ends with a sentence, or it is another program's form.
  for (std::size_t i = 0; i < kDocuments.size(); ++i) {
    CHECK(refusal(kDocuments.substr(0, i)) != "none");
    for (const char c : {'\0', '"', '9', ']', 'x'}) {
      std::string text = kDocuments;
      text[i] = c;
      Program out;
      if (read_canonical(text, out).empty()) CHECK(write_canonical(out) == text);
    }
  }
}
