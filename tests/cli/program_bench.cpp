// SPDX-License-Identifier: Apache-2.0
// `attnrt bench`: flags, documents, the worker protocol, and that what is timed is right. Never how fast anything is.
#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

#include "program.hpp"
#include "scratch.hpp"

namespace json = boost::json;

namespace {

/// As little measuring as there can be.
const std::string kQuick = "-q bench --no-limits --min-time 0 --min-reps 1 ";
const std::string kSmall = kQuick + "--num-heads 4 --num-kv-heads 2 --head-size 32 ";

const json::array& results_of(const json::value& document) { return document.at("results").as_array(); }

std::string written(const Scratch& scratch, const char* name, const std::string& text) {
  std::ofstream(scratch.file(name)) << text;
  return scratch.file(name);
}

/// The answers of a worker to some lines, after its greeting.
std::vector<json::value> served(const std::string& requests, const std::string& flags = "") {
  const Scratch scratch("serve");
  const Outcome outcome = attnrt_program("bench --serve " + flags + " < " + written(scratch, "requests", requests));
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  std::istringstream lines(outcome.out);
  std::vector<json::value> answers;
  for (std::string line; std::getline(lines, line);) answers.push_back(json::parse(line));
  REQUIRE_FALSE(answers.empty());
  CHECK(answers.front() == json::value{{"ready", "attnrt"}, {"version", "0.1.0"}});
  answers.erase(answers.begin());
  return answers;
}

}  // namespace

TEST_CASE("bench times every variant that serves, and what it times is right") {
  for (const char* dtype : {"fp32", "fp16", "bf16"})
    for (const char* layout : {"native", "nhd", "hnd", "contiguous"}) {
      CAPTURE(dtype, layout);
      const json::value document =
          attnrt_json(kSmall + "--seqs 1x33,17x40,5x5 --threads 2 --json --dtype " + dtype + " --layout " + layout);
      CHECK(document.at("limits").as_array().empty());
      bool portable = false;
      for (const json::value& r : results_of(document)) {
        CHECK(r.at("case") == "1x33,17x40,5x5");
        CHECK(r.at("kind") == "mixed");
        CHECK(r.at("dtype") == dtype);
        CHECK(r.at("threads") == 2);
        CHECK(r.at("ms_best").as_double() > 0);
        CHECK(r.at("ms_median").as_double() >= r.at("ms_best").as_double());
        CHECK(r.at("percent_compute").is_null());
        CHECK(r.at("err").as_double() < (std::string(dtype) == "fp32"   ? 1e-6
                                         : std::string(dtype) == "fp16" ? 1e-3
                                                                        : 8e-3));
        CHECK(r.at("block_size").is_null() == (std::string(layout) == "contiguous"));
        portable |= r.at("variant") == "CPU_ATTN/portable";
      }
      if (std::string(layout) != "native") CHECK(portable);
    }
}

TEST_CASE("bench gives each variant a layout that it has, and tells of those that it leaves out") {
  const std::string flags = kSmall + "--seqs 1x33,17x40 --threads 1 ";
  const json::value open = attnrt_json(flags + "--json");
  std::vector<std::string> measured;
  for (const json::value& r : results_of(open)) {
    measured.emplace_back(r.at("variant").as_string());
    CHECK(r.at("err").as_double() < 8e-3);
    CHECK((r.at("layout") == "nhd") == r.at("variant").as_string().ends_with("/portable"));
    CHECK_FALSE(r.at("block_size").is_null());
  }
  // portable has no native layout, and is measured all the same.
  CHECK(std::count(measured.begin(), measured.end(), "CPU_ATTN/portable") == 1);
  // Every variant of the sheet is measured or left out with a reason.
  const json::value sheet = attnrt_json("show CPU_ATTN --json");
  for (const json::value& variant : sheet.at("variants").as_array()) {
    const std::string name = "CPU_ATTN/" + std::string(variant.at("name").as_string());
    CAPTURE(name);
    bool told = std::count(measured.begin(), measured.end(), name) == 1;
    for (const json::value& l : open.at("left_out").as_array())
      if (std::string(l.at("variant").as_string()) == name) {
        CHECK_FALSE(told);
        told = !l.at("reason").as_string().empty();
      }
    CHECK(told);
  }
  const Outcome native = attnrt_program(flags + "--layout native");
  CHECK_THAT(native.out, Catch::Contains("\nLeft out:\n") &&
                             Catch::Contains("CPU_ATTN/portable, FLEX_ATTENTION/portable: KV layout not supported") &&
                             !Catch::Contains("CPU_MLA"));
  const json::value named = attnrt_json(flags + "--variant CPU_ATTN/portable --json");
  REQUIRE(results_of(named).size() == 1);
  CHECK(results_of(named).at(0).at("layout") == "nhd");
  CHECK(results_of(named).at(0).at("unit") == "baseline");
  CHECK(named.at("left_out").as_array().empty());
}

TEST_CASE("bench prints what it measured in every format") {
  const std::string flags = kSmall + "--seqs 5x9 --threads 1 --variant CPU_ATTN/portable ";
  const Outcome csv = attnrt_program(flags + "--format csv");
  CHECK(csv.status == 0);
  CHECK_THAT(csv.out, Catch::StartsWith("case,kind,dtype,threads,variant,") &&
                          Catch::Contains("\n5x9,prefill,bf16,1,CPU_ATTN/portable,bf16,nhd,"));
  CHECK_THAT(
      attnrt_program(flags + "--format Markdown").out,
      Catch::StartsWith("| case | dtype |") && Catch::Contains("| 5x9 | bf16 | 1 | CPU_ATTN/portable (fastest) |"));
  CHECK(attnrt_json(flags + "--format json").at("results").as_array().size() == 1);
  const Outcome unknown = attnrt_program(flags + "--format xml");
  CHECK(unknown.status == 2);
  CHECK_THAT(unknown.err, Catch::Contains("--format is 'xml', wanted one of table, csv, markdown, json"));
  CHECK(attnrt_program(flags + "--format csv --json").status == 2);
}

TEST_CASE("bench measures what it is asked for") {
  const json::value two = attnrt_json(kSmall +
                                      "--seqs 9x9 --non-causal --json --variant CPU_ATTN/portable --layout nhd,hnd "
                                      "--block-size 24 --dtype fp32,bf16 --threads 1,3 --rounds 3");
  REQUIRE(results_of(two).size() == 8);
  const json::value& last = results_of(two).at(7);
  CHECK(last.at("kind") == "prefill");
  CHECK(last.at("dtype") == "bf16");
  CHECK(last.at("threads") == 3);
  CHECK(last.at("layout") == "hnd");
  CHECK(last.at("block_size") == 24);
  CHECK(last.at("reps") == 3);
  CHECK(last.at("err").as_double() < 8e-3);

  const json::value latent = attnrt_json(kQuick + "--seqs 1x50,1x3 --mla --json");
  for (const json::value& r : results_of(latent)) {
    CHECK(r.at("kind") == "decode");
    CHECK_THAT(std::string(r.at("variant").as_string()), Catch::StartsWith("CPU_MLA/"));
    CHECK(r.at("err").as_double() < 8e-3);
  }
  for (const char* block : {"1", "24", "64"})
    for (const char* dtype : {"fp32", "fp16", "bf16"}) {
      CAPTURE(block, dtype);
      const json::value ragged = attnrt_json(kQuick + "--seqs 1x130,3x150,1x16 --mla --num-heads 20 --json " +
                                             "--block-size " + block + " --dtype " + dtype);
      CHECK(results_of(ragged).size() >= 1);
      for (const json::value& r : results_of(ragged)) {
        CHECK(r.at("layout") == "mla");
        CHECK(r.at("err").as_double() < (std::string(dtype) == "fp32"   ? 1e-6
                                         : std::string(dtype) == "fp16" ? 1e-3
                                                                        : 8e-3));
      }
    }
}

TEST_CASE("bench measures requests that share a prefix, told and untold") {
  for (const char* more : {"", "--no-hint "})
    for (const char* shape : {"--num-heads 8 --num-kv-heads 2 --layout native,nhd ", "--mla "}) {
      const json::value shared = attnrt_json(kQuick + "--seqs 1x560,1x530,2x700 --shared-prefix 530 --block-size 16 " +
                                             "--json " + shape + more);
      CAPTURE(shape, more);
      CHECK(results_of(shared).size() >= 1);
      for (const json::value& r : results_of(shared)) CHECK(r.at("err").as_double() < 8e-3);
    }
  const Outcome longer = attnrt_program(kQuick + "--seqs 1x560,1x530 --shared-prefix 531");
  CHECK(longer.status == 2);
  CHECK_THAT(longer.err, Catch::Contains("shared_prefix is 531, wanted at most the 530 keys of the shortest request"));
}

TEST_CASE("bench measures MLA prefill as selection chooses it, or as it is told to") {
  const std::string flags = kQuick + "--seqs 33x33,7x7 --mla --num-heads 3 --json ";
  const json::value chosen = attnrt_json(flags);
  REQUIRE(results_of(chosen).size() == 1);
  const json::value& r = results_of(chosen).at(0);
  CHECK(r.at("kind") == "prefill");
  CHECK(r.at("layout") == "contiguous");
  CHECK_THAT(std::string(r.at("variant").as_string()), Catch::StartsWith("CPU_MLA/") && Catch::EndsWith("prefill"));
  CHECK(r.at("err").as_double() < 8e-3);
  const json::value told = attnrt_json("-ac.mla_prefill_backend CPU_MLA/portable_prefill " + flags);
  CHECK(results_of(told).at(0).at("variant") == "CPU_MLA/portable_prefill");
  const Outcome forced = attnrt_program(flags + "--variant CPU_MLA/portable_prefill");
  if (r.at("variant") != "CPU_MLA/portable_prefill")
    CHECK_THAT(forced.out, Catch::Contains("wanted -ac.mla_prefill_backend CPU_MLA/portable_prefill"));
}

TEST_CASE("bench reads a grid and draws a picture") {
  const Scratch scratch("grid");
  const std::string grid = written(scratch, "grid.json", R"({"one<two": {"seqs": [[4, 9]], "hq": 6, "hkv": 3, "d": 40},
    "odd": {"seqs": [[1, 9]], "hq": 2, "hkv": 2, "d": 600, "kind": "decode"}})");
  const std::string flags =
      kQuick + "--threads 2 --layout nhd --cases " + grid + " --plot " + scratch.file("plot.svg") + " ";
  const Outcome all = attnrt_program(flags);
  CHECK(all.status == 0);
  CHECK_THAT(all.out, Catch::Contains("one<two, bf16, 2 threads") && Catch::Contains("CPU_ATTN/portable") &&
                          Catch::Contains("head_size not supported"));
  std::ostringstream svg;
  svg << std::ifstream(scratch.file("plot.svg")).rdbuf();
  CHECK_THAT(svg.str(), Catch::StartsWith("<svg xmlns=") && Catch::EndsWith("</svg>\n") &&
                            Catch::Contains("one&lt;two, bf16, 2 threads") && Catch::Contains("CPU_ATTN/portable") &&
                            Catch::Contains("not supported") && !Catch::Contains("one<two"));
  CHECK(results_of(attnrt_json(flags + "--json --case one\\<two")).size() ==
        results_of(attnrt_json(flags + "--json")).size() - 1);
  const Outcome none = attnrt_program(flags + "--case odd");
  CHECK(none.status == 1);
  CHECK_THAT(none.err, Catch::StartsWith("attnrt: no variant serves any of these cases"));
}

TEST_CASE("bench measures the machine and says where it stands") {
  const Outcome outcome = attnrt_program("bench --seqs 2x2 --threads 1 --min-time 0 --json");
  REQUIRE(outcome.status == 0);
  CHECK_THAT(outcome.err, Catch::Contains("[1/2] limits, threads 1") && Catch::Contains("[2/2] 2x2, bf16, threads 1"));
  const json::value document = json::parse(outcome.out);
  const json::value& limits = document.at("limits").at(0);
  CHECK(limits.at("threads") == 1);
  CHECK(limits.at("fma_gflops").as_double() > 0);
  CHECK(limits.at("read_gbs").as_double() > 0);
  CHECK(results_of(document).at(0).at("percent_compute").as_double() > 0);
  CHECK(attnrt_program(kQuick + "--seqs 2x2").err.empty());
}

TEST_CASE("a bench worker answers each line") {
  const std::string request = R"({"case": "c", "seqs": [[3, 20], [1, 7]], "hq": 4, "hkv": 2, "d": 64, "causal": true,
    "kind": "mixed", "dtype": "fp32", "threads": 2, "min_time": 0.0, "max_time": 1.0, "min_reps": 2, "flops": 1.0})";
  std::string line = request;
  line.erase(std::remove(line.begin(), line.end(), '\n'), line.end());
  const auto answers = served(line + "\n\n" + line + "\nno json\n{}\n[]\n" +
                              R"({"case": "x", "seqs": [[1, 9]], "d": 600})"
                              "\n" +
                              R"({"case": "x", "seqs": [[1, 9]], "threads": 0})"
                              "\n" +
                              R"({"case": "x", "seqs": [[9, 1]]})"
                              "\n" +
                              line + "\n");
  REQUIRE(answers.size() == 9);
  for (const std::size_t good : {0u, 1u, 8u}) {
    CAPTURE(good, json::serialize(answers[good]));
    CHECK(answers[good].at("case") == "c");
    CHECK(answers[good].at("threads") == 2);
    CHECK(answers[good].at("reps") == 2);
    CHECK(answers[good].at("ms_median").as_double() >= answers[good].at("ms_best").as_double());
    CHECK(answers[good].at("err").as_double() < 1e-6);
    CHECK(answers[good].at("other_cpus").as_double() >= 0);
  }
  const std::pair<std::size_t, const char*> bad[] = {{2, "no JSON"},
                                                     {3, "seqs is empty"},
                                                     {4, "wanted a JSON object"},
                                                     {6, "threads is '0'"},
                                                     {7, "no more queries than keys"}};
  for (const auto& [at, sentence] : bad)
    CHECK_THAT(std::string(answers[at].at("error").as_string()), Catch::Contains(sentence));
  CHECK_THAT(std::string(answers[5].at("unsupported").as_string()), Catch::Contains("head_size not supported"));

  const auto forced = served(line + "\n", "--variant CPU_ATTN/portable --layout hnd --block-size 8");
  CHECK(forced.at(0).at("variant") == "CPU_ATTN/portable");
  CHECK(forced.at(0).at("layout") == "hnd");
  CHECK(forced.at(0).at("block") == 8);
}
