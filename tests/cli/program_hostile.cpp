// SPDX-License-Identifier: Apache-2.0
// Files, names, options and streams that somebody else made: each costs a sentence and an exit status, nothing waits,
// nothing aborts.
#include <sys/stat.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <fstream>

#include "attnrt/diag.hpp"
#include "made_file.hpp"
#include "program.hpp"
#include "scratch.hpp"

namespace json = boost::json;
using namespace attnrt::cli;

namespace {

const std::string hex_a(64, 'a'), hex_b(64, 'b');

/// Every line is UTF-8 without a control code.
void check_shown(const std::string& text) {
  CAPTURE(text);
  std::string flat = text;
  std::replace(flat.begin(), flat.end(), '\n', ' ');
  CHECK(attnrt::sdk::printable(flat, SIZE_MAX) == flat);
}

/// A line of the shell in place of the program's own redirections; its exit status stands at the end of what it
/// printed.
int status_of(const std::string& line) {
  const Outcome outcome = attnrt_program(line + "; echo \"status $?\" #");
  CAPTURE(line, outcome.out);
  const std::size_t at = outcome.out.rfind("status ");
  REQUIRE(at != std::string::npos);
  return std::stoi(outcome.out.substr(at + 7));
}

std::string pin(const std::string& plugin, const std::string& digest) {
  return " --attention-config '{\"pin\": {\"" + plugin + "\": \"sha256:" + digest + "\"}}'";
}

}  // namespace

TEST_CASE("a name that is no UTF-8 breaks no verb") {
  const Scratch scratch("names");
  const std::string odd = "caf\xe9 \x1b[2J \xc2\x9b.so";
  std::ofstream(scratch.file(odd)) << "no library";
  const std::string path = "--plugin-path " + scratch.file("") + " ";
  const json::value list = attnrt_json(path + "list --json");
  REQUIRE(list.at("plugins").as_array().size() == 1);
  CHECK(list.at("plugins").at(0).at("state") == "foreign");
  check_shown(list.at("plugins").at(0).at("file").as_string().c_str());
  attnrt_json(path + "doctor --json", 1);  // no backend is loaded
  const std::string backend = "VLLM_ATTENTION_BACKEND=\"$(printf 'caf\\351 \\033[2J')\"";
  for (const std::string& arguments :
       {path + "list", path + "doctor", std::string("doctor"), std::string("-v list"),
        std::string("select --device cpu --explain"), std::string("select --device cpu --json")}) {
    const Outcome outcome = attnrt_program(arguments, backend);
    CAPTURE(arguments, outcome.status);
    CHECK(outcome.status <= 1);
    CHECK_FALSE(outcome.out.empty());
    check_shown(outcome.out);
    check_shown(outcome.err);
  }
  for (const std::string& arguments :
       {"run '" + scratch.file("caf\xe9\x1b[2J\nattnrt: forged") + "'",
        std::string("--attention-backend '\xff\x9b' select --device cpu"), std::string("-ac.backend '\xff' list"),
        std::string("-ac '{\"backend\": \"\xff\"}' list"), std::string("show 'x\xff\ny'"), std::string("'\xff\x1b'")}) {
    const Outcome outcome = attnrt_program(arguments);
    CAPTURE(arguments);
    CHECK(outcome.status == 2);
    check_shown(outcome.err);
    CHECK(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1);
  }
}

TEST_CASE("streams that are closed or full") {
  for (const char* verb : {"list", "list --json", "doctor", "--help", "--version", "man", "select --device cpu"})
    for (const char* away : {" > /dev/full", " >&-"}) {
      CHECK(status_of(std::string(verb) + away + " 2>/dev/null") == 3);
      CHECK(status_of(std::string(verb) + " 2>/dev/full" + away) == 3);  // not even a sentence can be said
    }
  CHECK_THAT(attnrt_program("list > /dev/full").err, Catch::Contains("attnrt: standard output cannot be written\n"));
  // What is printed counts, whatever becomes of the log.
  for (const char* away : {" 2>&-", " 2>/dev/full", " <&- 2>&-"}) {
    CHECK(status_of(std::string("-v list") + away) == 0);
    CHECK(status_of(std::string("frob") + away) == 2);
  }
  // A file that is opened takes the number of no closed stream.
  const Scratch scratch("streams");
  const std::string out = scratch.file("out.safetensors");
  CHECK(status_of("-v run " + fixture("minilm_encoder_l0") + " --output " + out + " 2>&-") == 0);
  CHECK(Safetensors(out).has("out"));
  CHECK(status_of("-v run " + fixture("minilm_encoder_l0") + " --output " + out + " <&- >&- 2>&-") == 3);
  CHECK(Safetensors(out).has("out"));
}

TEST_CASE("what is no regular file is refused at once") {
  const Scratch scratch("fifo");
  const std::string fifo = scratch.file("fifo");
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  for (const std::string& file : {fifo, std::string("/dev/zero"), scratch.file("")})
    for (const char* verb : {"run ", "bench --cases ", "select --model "}) {
      if (file == scratch.file("") && verb == std::string("select --model ")) continue;  // a folder with a config.json
      const Outcome outcome = attnrt_program(verb + file, "timeout 20");
      CAPTURE(verb, file, outcome.err);
      CHECK(outcome.status == 2);
      CHECK_THAT(outcome.err, Catch::Contains(" regular file, wanted "));
    }
}

TEST_CASE("a header and lengths are bounded before memory is taken for them") {
  const Scratch scratch("bounds");
  {
    std::string header = "{\"q\": {\"dtype\": \"F32\", \"shape\": [0";
    while (header.size() < 5'000'000) header += ",1";
    header += "]}}";
    std::ofstream file(scratch.file("header"), std::ios::binary);
    for (int i = 0; i < 8; ++i) file.put(static_cast<char>(header.size() >> (8 * i) & 0xff));
    file << header;
  }
  const Outcome large = attnrt_program("run " + scratch.file("header"));
  CHECK(large.status == 2);
  CHECK_THAT(large.err, Catch::Contains("bytes long, wanted at most 4194304"));

  Tensors file;
  file["q"] = noise({2, 2, 32});
  file["k"] = noise({2, 2, 32});
  file["v"] = noise({2, 2, 32});
  file["query_start_loc"] = ints({0, 1, 2});
  const struct {
    const char* tensor;
    Array value;
    const char* sentence;
  } rows[] = {
      {"kv_start_loc", ints({0, 2147483647, 2}), "kv_start_loc[1] is 2147483647, wanted at least 0 and at most 2"},
      {"kv_start_loc", ints({-2147483647, 1, 2}), "kv_start_loc[0] is -2147483647, wanted at least 0"},
      {"query_start_loc", ints({0, 2147483647, 2}),
       "query_start_loc[1] is 2147483647, wanted at least 0 and at most 2"},
      {"seq_lens", ints({2147483647, 1}), "seq_lens[0] is 2147483647, wanted at most 16777216"},
      {"kv_lens", ints({2147483647, 1}), "kv_lens[0] is 2147483647, wanted at most 16777216"}};
  for (const auto& row : rows) {
    Tensors spoilt = file;
    spoilt[row.tensor] = row.value;
    check_refused(spoilt, {}, row.sentence);
  }
}

TEST_CASE("pins of several options hold together") {
  // A second option does not free what the first one pinned.
  for (const std::string& second : {std::string(" --attention-config '{\"pin\": {}}'"), pin("other", hex_b),
                                    std::string(" -ac.pin '{}'"), pin("cpu_attn", hex_a)}) {
    CAPTURE(second);
    const json::value list = attnrt_json(pin("cpu_attn", hex_a) + second + " list --json");
    for (const json::value& plugin : list.at("plugins").as_array())
      if (plugin.at("file") == "cpu_attn.so") CHECK(plugin.at("state") == "untrusted");
  }
  const json::value unpinned = attnrt_json("--pinned-only list --json");
  for (const json::value& plugin : unpinned.at("plugins").as_array()) CHECK(plugin.at("state") == "untrusted");
  const Outcome two = attnrt_program(pin("cpu_attn", hex_a) + pin("cpu_attn", hex_b) + " list");
  CHECK(two.status == 2);
  CHECK_THAT(two.err, Catch::Contains("pins 'cpu_attn' to \"sha256:" + hex_b +
                                      "\", pinned before to \"sha256:" + hex_a + "\", wanted one digest"));
  const Outcome odd = attnrt_program("-ac.pin sha256:" + hex_a + " list");
  CHECK(odd.status == 2);
  CHECK_THAT(odd.err, Catch::Contains("pin is '\"sha256:") && Catch::Contains("wanted an object such as"));
}
