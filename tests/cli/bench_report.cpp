// SPDX-License-Identifier: Apache-2.0
// What `attnrt bench` says of measurements that were made: units, tables, the picture. Nothing is measured here.
#include <algorithm>
#include <catch2/catch.hpp>
#include <regex>
#include <sstream>

#include "attnrt/plugin.h"
#include "bench/plot.hpp"
#include "bench/table.hpp"

using namespace attnrt::cli;
using Catch::Contains;

namespace {

BenchResult result(const std::string& id, const std::string& variant, BenchUnit unit, double seconds) {
  BenchResult r;
  r.shape.id = id;
  r.shape.requests = {{512, 512}};
  r.dtype = r.kv_dtype = ATTNRT_BF16;
  r.variant = variant;
  r.layout = "nhd";
  r.block_size = 16;
  r.unit = unit;
  r.times.seconds = {seconds};
  r.error = 1e-3;
  return r;
}

/// A prefill of two variants on different units, a decode that one of them cannot do, one variant left out.
BenchReport report() {
  BenchReport report;
  BenchLimits limits;
  limits.gflops = {20, 100, 200, 115, 1000};
  limits.read_gbs = 10;
  report.limits = {limits};
  report.results = {result("p", "CPU_ATTN/amx_bf16", BenchUnit::amx_bf16, 0.01),
                    result("p", "CPU_ATTN/portable", BenchUnit::baseline, 0.5),
                    result("a decode, \"quoted\"", "CPU_ATTN/portable", BenchUnit::baseline, 0.5)};
  report.results[2].shape.kind = "decode";
  report.results[2].shape.requests = {{1, 4096}};
  report.results.push_back(report.results[2]);
  report.results[3].variant = "CPU_ATTN/amx_bf16";
  report.results[3].refusal = "KV layout not supported (hnd: offers nhd)";
  report.left_out = {{"p", ATTNRT_BF16, "CPU_ATTN/avx512", "instruction set not supported"},
                     {"p", ATTNRT_BF16, "CPU_ATTN/onednn", "instruction set not supported"},
                     {"a decode, \"quoted\"", ATTNRT_BF16, "CPU_ATTN/avx512", "instruction set not supported"},
                     {"a decode, \"quoted\"", ATTNRT_BF16, "CPU_ATTN/onednn", "instruction set not supported"},
                     {"p", ATTNRT_BF16, "CPU_ATTN/odd", "head_size not supported"}};
  return report;
}

/// The fields of a line of CSV, quotes undone.
std::vector<std::string> fields_of(const std::string& line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '"' && quoted && i + 1 < line.size() && line[i + 1] == '"')
      fields.back() += line[++i];
    else if (line[i] == '"')
      quoted = !quoted;
    else if (line[i] == ',' && !quoted)
      fields.emplace_back();
    else
      fields.back() += line[i];
  }
  return fields;
}

}  // namespace

TEST_CASE("the unit follows from the sheet's instruction sets and the dtype") {
  const uint64_t amx = isa_of_words("avx2, avx512, avx512_bf16, amx_tile, amx_bf16");
  const uint64_t dot = isa_of_words("avx2, avx512, avx512_bf16");
  const uint64_t avx512 = isa_of_words("avx2, avx512");
  const uint64_t avx2 = isa_of_words("avx2");
  CHECK(amx == (ATTNRT_ISA_AVX2 | ATTNRT_ISA_AVX512 | ATTNRT_ISA_AVX512_BF16 | ATTNRT_ISA_AMX_BF16));
  CHECK(isa_of_words("") == 0);

  CHECK(unit_of(amx, ATTNRT_BF16) == BenchUnit::amx_bf16);
  CHECK(unit_of(dot, ATTNRT_BF16) == BenchUnit::bf16_dot);
  CHECK(unit_of(avx512, ATTNRT_BF16) == BenchUnit::avx512_fma);
  CHECK(unit_of(avx2, ATTNRT_BF16) == BenchUnit::avx2_fma);
  CHECK(unit_of(0, ATTNRT_BF16) == BenchUnit::baseline);
  for (const uint32_t dtype : {ATTNRT_FP32, ATTNRT_FP16}) {
    CHECK(unit_of(amx, dtype) == BenchUnit::avx512_fma);
    CHECK(unit_of(dot, dtype) == BenchUnit::avx512_fma);
    CHECK(unit_of(avx2, dtype) == BenchUnit::avx2_fma);
  }

  // A sheet of AVX-512 on a machine with AMX: our kernel does not use AMX, another library does.
  CHECK(unit_of(computing_isa(avx512, "own", amx), ATTNRT_BF16) == BenchUnit::avx512_fma);
  CHECK(unit_of(computing_isa(avx512, "own, assembled", amx), ATTNRT_BF16) == BenchUnit::avx512_fma);
  CHECK(unit_of(computing_isa(avx512, "onednn 2.6", amx), ATTNRT_BF16) == BenchUnit::amx_bf16);
  CHECK(unit_of(computing_isa(avx512, "onednn 2.6", amx), ATTNRT_FP32) == BenchUnit::avx512_fma);
}

TEST_CASE("a result is held against the limit of its own unit") {
  const BenchReport r = report();
  const double operations = r.results[0].shape.flops();
  CHECK(r.results[0].percent(r.limits[0]) == Approx(100 * operations / 0.01 * 1e-9 / 1000));
  CHECK(r.results[1].percent(r.limits[0]) == Approx(100 * operations / 0.5 * 1e-9 / 20));
  CHECK(r.results[2].percent(r.limits[0]) == Approx(r.results[2].percent_read(r.limits[0])));
  CHECK(r.results[0].limit() == std::string("AMX bf16"));
  CHECK(r.results[2].limit() == std::string("read"));
  CHECK(r.results[1].percent(r.limits_for(7)) == 0);
  CHECK(r.limits[0].widest_fma() == 200);
}

TEST_CASE("the table names the limit and what was left out") {
  const std::string table = bench_table(report());
  CHECK_THAT(table, Contains("AMX bf16 1000 GF/s") && Contains("% AMX bf16") && Contains("% baseline") &&
                        Contains("% read") && Contains("KV layout not supported (hnd: offers nhd)"));
  CHECK_THAT(table, Contains("\nLeft out:\n  CPU_ATTN/avx512, CPU_ATTN/onednn: instruction set not supported\n"
                             "  CPU_ATTN/odd: head_size not supported, of p, bf16\n"));
  BenchReport bare = report();
  bare.limits.clear();
  bare.left_out.clear();
  CHECK_THAT(bench_table(bare), !Contains("Left out") && !Contains("%"));
}

TEST_CASE("CSV has a header and as many fields in each line") {
  std::istringstream lines(bench_csv(report()));
  std::vector<std::vector<std::string>> rows;
  for (std::string line; std::getline(lines, line);) rows.push_back(fields_of(line));
  REQUIRE(rows.size() == 1 + 4 + 5);
  const std::vector<std::string> names{"case",         "kind",   "dtype",      "threads", "variant",
                                       "kv_dtype",     "layout", "block_size", "ms_best", "ms_median",
                                       "reps",         "gflops", "gbs",        "unit",    "percent_compute",
                                       "percent_read", "err",    "fastest",    "reason",  "device"};
  CHECK(rows[0] == names);
  const auto at = [&](std::size_t row, const char* name) {
    return rows[row][static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin())];
  };
  for (const auto& row : rows) REQUIRE(row.size() == names.size());
  CHECK(at(1, "variant") == "CPU_ATTN/amx_bf16");
  CHECK(at(1, "unit") == "amx_bf16");
  CHECK(at(1, "ms_median") == "10");
  CHECK(at(1, "fastest") == "true");
  CHECK(at(2, "fastest") == "false");
  CHECK(at(3, "case") == "a decode, \"quoted\"");
  CHECK(at(3, "reason").empty());
  CHECK(at(4, "reason") == "KV layout not supported (hnd: offers nhd)");
  CHECK(at(4, "ms_best").empty());
  CHECK(at(9, "variant") == "CPU_ATTN/odd");
  CHECK(at(9, "dtype") == "bf16");
  CHECK(at(9, "reason") == "head_size not supported");
  CHECK(at(1, "device") == "cpu");
  CHECK(at(4, "device") == "cpu");
}

TEST_CASE("a device stands where the threads do, beside how fast it copies") {
  BenchReport r = report();
  r.device_name = "NVIDIA H200";
  r.limits[0] = {};
  r.limits[0].device = "cuda:0";
  r.limits[0].read_gbs = 4000;
  for (BenchResult& each : r.results) each.device = "cuda:0";
  const std::string table = bench_table(r);
  CHECK_THAT(table, Contains("NVIDIA H200\nlimits of cuda:0: copy 4000.0 GB/s\n") && Contains("p, bf16, cuda:0\n") &&
                        Contains("% copy") && !Contains("thread") && !Contains("FMA"));
  CHECK_THAT(bench_markdown(r), Contains("| p | bf16 | cuda:0 | CPU_ATTN/amx_bf16 (fastest) |"));
  CHECK_THAT(bench_csv(r), Contains("p,prefill,bf16,,CPU_ATTN/amx_bf16,bf16,nhd,16,10,"));
  CHECK_THAT(bench_svg(r), Contains("p, bf16, cuda:0"));
}

TEST_CASE("Markdown has cells that stay cells") {
  BenchReport r = report();
  r.results[3].refusal = "a | b";
  const std::string page = bench_markdown(r);
  CHECK_THAT(page, Contains("| p | bf16 | 1 | CPU_ATTN/amx_bf16 (fastest) | nhd of 16 |") && Contains("a \\| b |") &&
                       Contains("- CPU_ATTN/odd: head_size not supported, of p, bf16\n"));
  std::istringstream lines(page);
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("|"))
      CHECK(std::count(line.begin(), line.end(), '|') - (line.find("\\|") == std::string::npos ? 0 : 1) == 10);
}

TEST_CASE("no label of the picture is cut") {
  BenchReport r = report();
  r.results[0].shape.id = r.results[1].shape.id = "a_case_whose_name_is_as_long_as_somebody_liked_it_to_be_0123456789";
  r.results[1].variant = "SOMEBODYS_OWN_ATTENTION/with_a_name_that_says_all_of_it";
  const std::string svg = bench_svg(r);
  CHECK_THAT(svg, Contains("% of AMX bf16, ") && Contains("% of baseline, ") && Contains("% of read, "));
  std::smatch size;
  REQUIRE(std::regex_search(svg, size, std::regex("viewBox=\"0 0 ([0-9]+) ([0-9]+)\"")));
  const double width = std::stod(size[1]), height = std::stod(size[2]);
  const std::regex label("<text x=\"([0-9.-]+)\" y=\"([0-9.-]+)\" ([^>]*)>([^<]*)</text>");
  int labels = 0;
  for (std::sregex_iterator at(svg.begin(), svg.end(), label), end; at != end; ++at, ++labels) {
    const std::string style = (*at)[3], words = (*at)[4];
    CAPTURE(words);
    // DejaVu Sans, the usual sans-serif of Linux, has letters of 0.6 em on average, in bold 0.69.
    const double em = style.find("font-size=\"14\"") == std::string::npos ? 11 : 14;
    const double length =
        em * static_cast<double>(words.size()) * (style.find("bold") == std::string::npos ? 0.6 : 0.69);
    const double x = std::stod((*at)[1]);
    const double left = style.find("anchor=\"end\"") != std::string::npos      ? x - length
                        : style.find("anchor=\"middle\"") != std::string::npos ? x - length / 2
                                                                               : x;
    CHECK(left >= 0);
    CHECK(left + length <= width);
    CHECK(std::stod((*at)[2]) <= height);
  }
  CHECK(labels >= 8);
}
