// SPDX-License-Identifier: Apache-2.0
// diag.hpp: what a plugin may say and what a host keeps of it.
#include "attnrt/diag.hpp"

#include <catch2/catch.hpp>

#include "attnrt/plugin.hpp"

using namespace attnrt::sdk;

TEST_CASE("text of somebody else is made printable") {
  CHECK(printable("a sentence") == "a sentence");
  CHECK(printable("tab\tbell\aline\nescape\x1b[2J delete\x7f") == "tab?bell?line?escape?[2J delete?");
  CHECK(printable("caf\xe9 \xff") == "caf? ?");  // Latin-1
  CHECK(printable("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8c\x8d") == "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8c\x8d");
  CHECK(printable("\xc2\x9b\x31m") == "??1m");  // a control code of two bytes
  CHECK(printable("\xc0\xaf|\xe0\x80\xaf|\xed\xa0\x80|\xf4\x90\x80\x80") == "??|???|???|????");
  CHECK(printable("cut \xe2\x82") == "cut ??");
  CHECK(printable("0123456789", 10) == "0123456789");
  CHECK(printable("0123456789a", 10) == "0123456789...");
  CHECK(printable("01234567\xe2\x82\xac", 10) == "01234567...");  // no character is cut in two
  CHECK(printable(static_cast<const char*>(nullptr)) == "");
  const char endless[] = {'a', 'b', 'c', 'd', 'e', 'f'};  // no more is read than is kept and one character
  CHECK(printable(endless, 2) == "ab...");
}

TEST_CASE("a sink keeps what a call says, whatever it is") {
  DiagSink sink;
  CHECK(sink.text() == "");
  const attnrt_diag* face = sink.get();
  face->add(face->self, ATTNRT_WHY_OTHER, nullptr);
  face->add(face->self, 999, "");
  face->add(nullptr, ATTNRT_WHY_OTHER, "for nobody");
  CHECK(sink.text() == "");
  CHECK(sink.count() == 2);
  CHECK(sink.worded() == 0);
  face->add(face->self, ATTNRT_WHY_ISA, "one");
  face->add(face->self, -1, "two\n");
  CHECK(sink.text() == "one; two?");
  CHECK(sink.worded() == 2);
  REQUIRE(sink.sentences().size() == 4);
  CHECK(sink.sentences()[1].why == 999);
  CHECK(sink.sentences()[2].why == ATTNRT_WHY_ISA);
}

TEST_CASE("a sink is bounded") {
  DiagSink sink;
  const std::string flood(1 << 20, 'x');
  for (int i = 0; i < 1000; ++i) sink.get()->add(sink.get()->self, ATTNRT_WHY_OTHER, flood.c_str());
  CHECK(sink.count() == 1000);
  CHECK(sink.sentences().size() == 4);
  CHECK(sink.sentences()[0].text == std::string(1024, 'x') + "...");
  CHECK(sink.text().size() < 4200);
  DiagSink many;
  for (int i = 0; i < 1000; ++i) many.get()->add(many.get()->self, ATTNRT_WHY_OTHER, nullptr);
  CHECK(many.count() == 1000);
  CHECK(many.sentences().size() == 64);
  CHECK(many.text() == "");
  CHECK_THAT(sink.text(), Catch::Matchers::EndsWith("; and 996 more"));

  DiagSink counter(DiagSink::Keep::count);
  counter.get()->add(counter.get()->self, ATTNRT_WHY_OTHER, "lost");
  CHECK(counter.count() == 1);
  CHECK(counter.worded() == 1);
  CHECK(counter.sentences().empty());
}

TEST_CASE("a plugin whose host gives no sink answers all the same") {
  const Diag diag(nullptr);
  CHECK(diag.invalid("unheard") == ATTNRT_INVALID);
  CHECK(diag.count() == 1);
  CHECK(detail::guarded(nullptr, []() -> attnrt_status { throw Error(ATTNRT_UNAVAILABLE, "unheard"); }) ==
        ATTNRT_UNAVAILABLE);
  const attnrt_diag without{sizeof(attnrt_diag), 0, nullptr, nullptr};
  CHECK_FALSE(Diag(&without).fail("unheard"));
  DiagSink sink;
  Diag(sink.get()).add(ATTNRT_WHY_OTHER, static_cast<const char*>(nullptr));
  CHECK(sink.count() == 1);
}
