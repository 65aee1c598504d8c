// SPDX-License-Identifier: Apache-2.0
// Plugins that add a NULL text, or megabytes of what cannot be printed, wherever they are given a sink: the probe
// passes them, so the host must bear them.
#include <algorithm>
#include <cstdint>

#include "attnrt/diag.hpp"

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

namespace {

/// UTF-8 without a control code, but for line ends where there may be lines.
void check_shown(const std::string& text, bool lines = false) {
  CAPTURE(text);
  std::string flat = text;
  if (lines) std::replace(flat.begin(), flat.end(), '\n', ' ');
  CHECK(attnrt::sdk::printable(flat, SIZE_MAX) == flat);
  CHECK_THAT(text, !Contains("\nattnrt: error: forged"));
}

void check_shown(const boost::json::value& value) {
  if (value.is_string()) check_shown(std::string(value.as_string().c_str()));
  if (value.is_array())
    for (const auto& item : value.as_array()) check_shown(item);
  if (value.is_object())
    for (const auto& member : value.as_object()) check_shown(member.value());
}

/// A document that every reader of JSON takes, UTF-8 with it.
boost::json::value read_document(const std::string& text) {
  boost::json::error_code error;
  const boost::json::value value = boost::json::parse(text, error);
  INFO(text);
  REQUIRE_FALSE(error);
  check_shown(value);
  return value;
}

}  // namespace

TEST_CASE("no file name, summary or variable breaks a document, a line of the log or an error") {
  const std::string odd = "caf\xe9 \x1b[2J \xc2\x9b\nattnrt: error: forged\x7f";
  const Folder folder;
  folder.install(bad_plugin("latin_texts"), odd + ".so");
  folder.install(cpu_attn(), "cpu_attn.so");
  folder.write("text " + odd + ".so", "no library");
  fs::create_directory(folder.path() / odd);
  const EnvironmentVariable backend("VLLM_ATTENTION_BACKEND", odd), table("ATTNRT_OVERRIDE", odd);
  std::vector<std::string> log;
  attnrt::Options options = folder.options(ATTNRT_PROBE_NEVER);
  options.read_environment = true;
  options.plugin_path = folder.plugins().string() + ":" + (folder.path() / odd).string() + ":/absent/" + odd;
  options.log = [&log](int32_t, const char* text) { log.emplace_back(text); };
  const attnrt::Runtime runtime(options);

  const boost::json::value list = read_document(runtime.list());
  std::map<std::string, int> states;
  for (const auto& plugin : list.at("plugins").as_array()) ++states[plugin.at("state").as_string().c_str()];
  CHECK(states == std::map<std::string, int>{{"loaded", 2}, {"foreign", 1}});  // Latin-1 alone refuses nobody
  read_document(runtime.doctor());
  read_document(runtime.show("latin_texts"));
  const attnrt::Choice choice = runtime.select(small_problem(runtime, ATTNRT_KV_NHD));
  CHECK(choice.backend() == "CPU_ATTN");
  read_document(choice.json());
  check_shown(choice.explain_all(), true);
  check_shown(choice.unhonoured());
  CHECK_FALSE(choice.unhonoured().empty());
  check_shown(refused([&] { runtime.show(odd); }));
  options.priority_file = "/absent/" + odd;
  check_shown(refused([&] { attnrt::Runtime{options}; }));
  CHECK(log.size() > 3);
  for (const std::string& line : log) check_shown(line);
}
