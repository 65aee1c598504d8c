// SPDX-License-Identifier: Apache-2.0
// Plugins that add a NULL text, or megabytes of what cannot be printed, wherever they are given a sink: the probe
// passes them, so the host must bear them.
#include <algorithm>

#include "folder.hpp"

using Catch::Matchers::Contains;

namespace {

/// Something for a terminal and for JSON: no control code but line ends, nothing but ASCII here, and no flood.
void check_printable(const std::string& text) {
  CHECK(text.size() < 20000);
  CHECK(std::all_of(text.begin(), text.end(), [](char c) { return c == '\n' || (c >= 0x20 && c < 0x7f); }));
}

/// The sentence of a selection of this backend and of an op of it, whichever is refused.
std::string refusal(const Folder& folder, const std::string& backend) {
  attnrt::Options options = folder.options();
  options.attention_backend = backend;
  try {
    const attnrt::Runtime runtime(options);
    attnrt_problem problem = small_problem(runtime, ATTNRT_KV_NHD);
    problem.features = 0;
    const attnrt::Choice choice = runtime.select(problem);
    check_printable(choice.explain());
    runtime.op(choice);
  } catch (const attnrt::Error& e) {
    return e.what();
  }
  return "not refused";
}

}  // namespace

TEST_CASE("a plugin may say nothing or far too much, wherever it is asked") {
  const struct {
    const char *place, *null_says;
  } rows[] = {{"available", "the plugin cannot use this device and gave no reason"},
              {"supports", "refused by the plugin without a reason"},
              {"kv_layout", ""},
              {"create", "and gave no reason"}};
  for (const auto& row : rows)
    for (const std::string deed : {"say_null", "say_much"}) {
      const std::string name = deed + "_in_" + row.place;
      CAPTURE(name);
      const Folder folder;
      folder.install(name);
      folder.install(cpu_attn(), "cpu_attn.so");
      const std::string said = refusal(folder, name);
      INFO(said);
      CHECK(said != "not refused");
      check_printable(said);
      if (deed == "say_null") CHECK_THAT(said, Contains(row.null_says));
      const attnrt::Runtime runtime(folder.options());
      check_printable(runtime.list());
      check_printable(runtime.doctor());
      check_cpu_attn(runtime);
    }
}
