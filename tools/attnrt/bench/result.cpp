// SPDX-License-Identifier: Apache-2.0
#include "bench/result.hpp"

#include <algorithm>
#include <fstream>
#include <thread>

#include "attnrt/runtime.hpp"
#include "bench/data.hpp"

namespace attnrt::cli {
namespace {

namespace json = boost::json;

json::value limits_json(const BenchLimits& l) {
  const auto measured = [&l](BenchUnit unit) {
    return l.of(unit) > 0 ? json::value(l.of(unit)) : json::value(nullptr);
  };
  json::object units;
  for (std::size_t i = 0; i < kBenchUnits; ++i) {
    const auto unit = static_cast<BenchUnit>(i);
    units[word_of_unit(unit)] = measured(unit);
  }
  if (!l.device.empty()) return json::object{{"device", l.device}, {"copy_gbs", l.read_gbs}};
  return json::object{{"threads", l.threads},
                      {"fma_gflops", l.widest_fma()},
                      {"bf16_dot_gflops", measured(BenchUnit::bf16_dot)},
                      {"unit_gflops", std::move(units)},
                      {"read_gbs", l.read_gbs}};
}

json::value result_json(const BenchResult& r, const BenchLimits& limits, bool fastest) {
  const bool on_cpu = r.device.empty();
  json::object o{{"case", r.shape.id}, {"kind", r.shape.kind}, {"dtype", sdk::dtype_name(r.dtype)}};
  o["threads"] = on_cpu ? json::value(r.threads) : json::value(nullptr);
  o["device"] = on_cpu ? json::value("cpu") : json::value(r.device);
  o["variant"] = r.variant;
  if (!r.refusal.empty()) {
    o["unsupported"] = r.refusal;
    return o;
  }
  o["kv_dtype"] = sdk::dtype_name(r.kv_dtype);
  o["layout"] = r.layout;
  o["block_size"] = r.block_size ? json::value(r.block_size) : json::value(nullptr);
  o["ms_best"] = r.times.best() * 1e3;
  o["ms_median"] = r.times.median() * 1e3;
  o["reps"] = r.times.seconds.size();
  o["gflops"] = r.gflops();
  o["gbs"] = r.gbs();
  const auto percent = [](double p) { return p > 0 ? json::value(p) : json::value(nullptr); };
  o["unit"] = on_cpu ? json::value(word_of_unit(r.unit)) : json::value(nullptr);
  o["percent_compute"] = percent(r.percent_compute(limits));
  o["percent_read"] = percent(r.percent_read(limits));
  o["err"] = r.error;
  o["fastest"] = fastest;
  return o;
}

}  // namespace

bool same_work(const BenchResult& a, const BenchResult& b) {
  return a.shape.id == b.shape.id && a.dtype == b.dtype && a.threads == b.threads;
}

double BenchResult::gbs() const { return shape.kv_bytes(sdk::dtype_bytes(kv_dtype)) / times.median() * 1e-9; }
double BenchResult::percent_compute(const BenchLimits& limits) const {
  const double most = limits.of(unit);
  return most > 0 ? 100 * gflops() / most : 0;
}
double BenchResult::percent_read(const BenchLimits& limits) const {
  return limits.read_gbs > 0 ? 100 * gbs() / limits.read_gbs : 0;
}
double BenchResult::percent(const BenchLimits& limits) const {
  return shape.counts_bytes() ? percent_read(limits) : percent_compute(limits);
}
std::string BenchResult::workers() const {
  if (!device.empty()) return device;
  return std::to_string(threads) + (threads == 1 ? " thread" : " threads");
}
const char* BenchResult::limit() const noexcept {
  if (!device.empty()) return "copy";
  return shape.counts_bytes() ? "read" : name_of_unit(unit);
}

BenchLimits BenchReport::limits_for(uint32_t threads) const {
  for (const BenchLimits& l : limits)
    if (l.threads == threads) return l;
  return {};
}

bool BenchReport::is_fastest(const BenchResult& r) const {
  return r.refusal.empty() && std::none_of(results.begin(), results.end(), [&r](const BenchResult& other) {
           return same_work(r, other) && other.refusal.empty() && other.times.median() < r.times.median();
         });
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

json::value bench_json(const BenchReport& report) {
  json::array measured, rows, left_out;
  for (const BenchLimits& l : report.limits) measured.push_back(limits_json(l));
  for (const BenchResult& r : report.results)
    rows.push_back(result_json(r, report.limits_for(r.threads), report.is_fastest(r)));
  for (const BenchLeftOut& l : report.left_out)
    left_out.push_back(
        {{"case", l.shape}, {"dtype", sdk::dtype_name(l.dtype)}, {"variant", l.variant}, {"reason", l.reason}});
  return json::object{
      {"version", attnrt_version()},
      {"processor", processor_name()},
      {"cpus", std::thread::hardware_concurrency()},
      {"device_name", report.device_name.empty() ? json::value(nullptr) : json::value(report.device_name)},
      {"limits", std::move(measured)},
      {"results", std::move(rows)},
      {"left_out", std::move(left_out)}};
}

}  // namespace attnrt::cli
