// SPDX-License-Identifier: Apache-2.0
#include "bench_result.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <fstream>
#include <thread>

#include "attnrt/runtime.hpp"
#include "bench_data.hpp"

namespace attnrt::cli {
namespace {

namespace json = boost::json;

bool same_work(const BenchResult& a, const BenchResult& b) {
  return a.shape.id == b.shape.id && a.dtype == b.dtype && a.threads == b.threads;
}

bool is_fastest(const BenchResult& r, const std::vector<BenchResult>& all) {
  return r.refusal.empty() && std::none_of(all.begin(), all.end(), [&](const BenchResult& other) {
           return same_work(r, other) && other.refusal.empty() && other.times.median() < r.times.median();
         });
}

json::value limits_json(const BenchLimits& l) {
  return json::object{
      {"threads", l.threads},
      {"fma_gflops", l.fma_gflops},
      {"bf16_dot_gflops", l.bf16_dot_gflops > 0 ? json::value(l.bf16_dot_gflops) : json::value(nullptr)},
      {"read_gbs", l.read_gbs}};
}

json::value result_json(const BenchResult& r, const BenchLimits& limits, bool fastest) {
  json::object o{
      {"case", r.shape.id}, {"kind", r.shape.kind}, {"dtype", word_of_element(r.dtype)}, {"threads", r.threads}};
  o["variant"] = r.variant;
  if (!r.refusal.empty()) {
    o["unsupported"] = r.refusal;
    return o;
  }
  o["kv_dtype"] = word_of_element(r.kv_dtype);
  o["layout"] = r.layout;
  o["block_size"] = r.block_size ? json::value(r.block_size) : json::value(nullptr);
  o["ms_best"] = r.times.best() * 1e3;
  o["ms_median"] = r.times.median() * 1e3;
  o["reps"] = r.times.seconds.size();
  o["gflops"] = r.gflops();
  o["gbs"] = r.gbs();
  const auto percent = [](double p) { return p > 0 ? json::value(p) : json::value(nullptr); };
  o["percent_compute"] = percent(r.percent_compute(limits));
  o["percent_read"] = percent(r.percent_read(limits));
  o["err"] = r.error;
  o["fastest"] = fastest;
  return o;
}

/// "83 %", or nothing.
std::string percent(double value, const char* of) { return value > 0 ? fmt::format("{:.0f}% {}", value, of) : ""; }

/// "nhd of 64", "nhd of 64, fp8_e4m3".
std::string cache_words(const BenchResult& r) {
  return (r.block_size ? fmt::format("{} of {}", r.layout, r.block_size) : r.layout) +
         (r.kv_dtype == r.dtype ? "" : fmt::format(", {}", word_of_element(r.kv_dtype)));
}

}  // namespace

double BenchResult::gbs() const { return shape.kv_bytes(bytes_of_element(kv_dtype)) / times.median() * 1e-9; }
double BenchResult::percent_compute(const BenchLimits& limits) const {
  const double most = limits.compute_gflops(dtype);
  return most > 0 ? 100 * gflops() / most : 0;
}
double BenchResult::percent_read(const BenchLimits& limits) const {
  return limits.read_gbs > 0 ? 100 * gbs() / limits.read_gbs : 0;
}

BenchLimits limits_for(const std::vector<BenchLimits>& limits, uint32_t threads) {
  for (const BenchLimits& l : limits)
    if (l.threads == threads) return l;
  return {};
}

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) {
      const std::size_t at = line.find_first_not_of(" \t", line.find(':') + 1);
      return at == std::string::npos ? "" : line.substr(at);
    }
  return "";
}

json::value bench_json(const std::vector<BenchResult>& results, const std::vector<BenchLimits>& limits) {
  json::array measured, rows;
  for (const BenchLimits& l : limits) measured.push_back(limits_json(l));
  for (const BenchResult& r : results)
    rows.push_back(result_json(r, limits_for(limits, r.threads), is_fastest(r, results)));
  return json::object{{"version", attnrt_version()},
                      {"processor", processor_name()},
                      {"cpus", std::thread::hardware_concurrency()},
                      {"limits", std::move(measured)},
                      {"results", std::move(rows)}};
}

void print_bench(const std::vector<BenchResult>& results, const std::vector<BenchLimits>& limits) {
  if (!limits.empty()) fmt::print("{}, {} CPUs\n", processor_name(), std::thread::hardware_concurrency());
  for (const BenchLimits& l : limits) {
    const std::string dot = l.bf16_dot_gflops > 0 ? fmt::format(", bf16 dot {:.0f} GF/s", l.bf16_dot_gflops) : "";
    fmt::print("limits of {} thread{}: FMA {:.0f} GF/s{}, read {:.1f} GB/s\n", l.threads, l.threads == 1 ? "" : "s",
               l.fma_gflops, dot, l.read_gbs);
  }
  const BenchResult* last = nullptr;
  for (const BenchResult& r : results) {
    if (!last || !same_work(r, *last))
      fmt::print("\n{}, {}, {} thread{}\n", r.shape.id, word_of_element(r.dtype), r.threads, r.threads == 1 ? "" : "s");
    last = &r;
    if (!r.refusal.empty()) {
      fmt::print("    {:<24} {}\n", r.variant, r.refusal);
      continue;
    }
    const BenchLimits most = limits_for(limits, r.threads);
    const bool decode = r.shape.counts_bytes();
    const std::string rate = decode ? fmt::format("{:8.1f} GB/s", r.gbs()) : fmt::format("{:8.1f} GF/s", r.gflops());
    const std::string share = decode ? percent(r.percent_read(most), "read")
                              : r.dtype == ATTNRT_BF16 && most.bf16_dot_gflops > 0
                                  ? percent(r.percent_compute(most), "dot")
                                  : percent(r.percent_compute(most), "FMA");
    fmt::print("  {} {:<24} {:<24} {:10.3f} ms {} {:>9}  err {:.1e}\n", is_fastest(r, results) ? '*' : ' ', r.variant,
               cache_words(r), r.times.median() * 1e3, rate,
               share, r.error);
  }
}

}  // namespace attnrt::cli
