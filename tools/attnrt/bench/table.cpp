// SPDX-License-Identifier: Apache-2.0
#include "bench/table.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <set>
#include <thread>

#include "bench/data.hpp"

namespace attnrt::cli {
namespace {

/// Columns of the CSV that a variant without a result leaves empty: from kv_dtype to fastest.
constexpr std::size_t kNumbers = 13;

/// "nhd of 64", "nhd of 64, fp8_e4m3".
std::string cache_words(const BenchResult& r) {
  return (r.block_size ? fmt::format("{} of {}", r.layout, r.block_size) : r.layout) +
         (r.kv_dtype == r.dtype ? "" : fmt::format(", {}", sdk::dtype_name(r.kv_dtype)));
}

/// "52% AVX2 FMA", or nothing where no limit was measured.
std::string share_words(const BenchReport& report, const BenchResult& r) {
  const double percent = r.percent(report.limits_for(r.threads));
  return percent > 0 ? fmt::format("{:.0f}% {}", percent, r.limit()) : "";
}

std::string rate_words(const BenchResult& r) {
  return r.shape.counts_bytes() ? fmt::format("{:.1f} GB/s", r.gbs()) : fmt::format("{:.1f} GF/s", r.gflops());
}

std::string machine_words(const BenchReport& report) {
  if (!report.device_name.empty()) return report.device_name;
  return report.limits.empty() ? "" : fmt::format("{}, {} CPUs", processor_name(), std::thread::hardware_concurrency());
}

std::string limits_words(const BenchLimits& l) {
  if (!l.device.empty()) return fmt::format("limits of {}: copy {:.1f} GB/s", l.device, l.read_gbs);
  std::string units;
  for (std::size_t i = 0; i < kBenchUnits; ++i)
    if (const auto unit = static_cast<BenchUnit>(i); l.of(unit) > 0)
      units += fmt::format("{} {:.0f} GF/s, ", name_of_unit(unit), l.of(unit));
  return fmt::format("limits of {} thread{}: {}read {:.1f} GB/s", l.threads, l.threads == 1 ? "" : "s", units,
                     l.read_gbs);
}

/// "CPU_ATTN/avx512, CPU_ATTN/onednn: instruction set not supported", and "of prefill_512, bf16" where it is not so of
/// every case and dtype.
std::vector<std::string> left_out_words(const BenchReport& report) {
  using Works = std::set<std::string>;
  const auto work = [](const std::string& shape, uint32_t dtype) {
    return fmt::format("{}, {}", shape, sdk::dtype_name(dtype));
  };
  Works all;
  for (const BenchResult& r : report.results) all.insert(work(r.shape.id, r.dtype));
  struct Group {
    std::string reason;
    Works works;
    std::string variants;
  };
  std::vector<std::pair<std::pair<std::string, std::string>, Works>> each;  // variant, reason
  for (const BenchLeftOut& l : report.left_out) {
    const auto key = std::pair(l.variant, l.reason);
    auto found = std::find_if(each.begin(), each.end(), [&key](const auto& e) { return e.first == key; });
    if (found == each.end()) found = each.insert(each.end(), {key, {}});
    found->second.insert(work(l.shape, l.dtype));
  }
  std::vector<Group> groups;
  for (const auto& [key, works] : each) {
    auto found = std::find_if(groups.begin(), groups.end(), [&, &reason = key.second, &w = works](const Group& g) {
      return g.reason == reason && g.works == w;
    });
    if (found == groups.end()) found = groups.insert(groups.end(), {key.second, works, ""});
    found->variants += (found->variants.empty() ? "" : ", ") + key.first;
  }
  std::vector<std::string> lines;
  for (const Group& g : groups)
    lines.push_back(g.variants + ": " + g.reason +
                    (g.works == all ? "" : fmt::format(", of {}", fmt::join(g.works, "; "))));
  return lines;
}

std::string in_quotes(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + "\"";
}

std::string in_cell(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

/// A number, or nothing where it is not positive.
std::string if_measured(double value) { return value > 0 ? fmt::format("{:.6g}", value) : ""; }

}  // namespace

std::string bench_table(const BenchReport& report) {
  std::string out = machine_words(report).empty() ? "" : machine_words(report) + "\n";
  for (const BenchLimits& l : report.limits) out += limits_words(l) + "\n";
  const BenchResult* last = nullptr;
  for (const BenchResult& r : report.results) {
    if (!last || !same_work(r, *last))
      out += fmt::format("\n{}, {}, {}\n", r.shape.id, sdk::dtype_name(r.dtype), r.workers());
    last = &r;
    if (!r.refusal.empty())
      out += fmt::format("    {:<24} {}\n", r.variant, r.refusal);
    else
      out += fmt::format("  {} {:<24} {:<24} {:10.3f} ms {:>13} {:>16}  err {:.1e}\n", report.is_fastest(r) ? '*' : ' ',
                         r.variant, cache_words(r), r.times.median() * 1e3, rate_words(r), share_words(report, r),
                         r.error);
  }
  const std::vector<std::string> left_out = left_out_words(report);
  if (!left_out.empty()) out += "\nLeft out:\n";
  for (const std::string& line : left_out) out += "  " + line + "\n";
  return out;
}

std::string bench_markdown(const BenchReport& report) {
  std::string out = machine_words(report).empty() ? "" : machine_words(report) + "\n\n";
  for (const BenchLimits& l : report.limits) out += "- " + limits_words(l) + "\n";
  if (!report.limits.empty()) out += "\n";
  out +=
      "| case | dtype | threads | variant | cache | ms | rate | of the limit | err |\n"
      "| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n";
  for (const BenchResult& r : report.results) {
    out += fmt::format("| {} | {} | {} | {}{} |", in_cell(r.shape.id), sdk::dtype_name(r.dtype),
                       r.device.empty() ? std::to_string(r.threads) : r.device, in_cell(r.variant),
                       report.is_fastest(r) ? " (fastest)" : "");
    if (!r.refusal.empty())
      out += fmt::format(" {} | | | | |\n", in_cell(r.refusal));
    else
      out += fmt::format(" {} | {:.3f} | {} | {} | {:.1e} |\n", in_cell(cache_words(r)), r.times.median() * 1e3,
                         rate_words(r), share_words(report, r), r.error);
  }
  const std::vector<std::string> left_out = left_out_words(report);
  if (!left_out.empty()) out += "\nLeft out:\n\n";
  for (const std::string& line : left_out) out += "- " + line + "\n";
  return out;
}

std::string bench_csv(const BenchReport& report) {
  std::string out =
      "case,kind,dtype,threads,variant,kv_dtype,layout,block_size,ms_best,ms_median,reps,gflops,gbs,unit,percent_"
      "compute,"
      "percent_read,err,fastest,reason,device\n";
  for (const BenchResult& r : report.results) {
    const bool on_cpu = r.device.empty();
    const std::string device = on_cpu ? "cpu" : r.device;
    const std::string head =
        fmt::format("{},{},{},{},{},", in_quotes(r.shape.id), r.shape.kind, sdk::dtype_name(r.dtype),
                    on_cpu ? std::to_string(r.threads) : "", in_quotes(r.variant));
    if (!r.refusal.empty()) {
      out += head + std::string(kNumbers, ',') + in_quotes(r.refusal) + "," + device + "\n";
      continue;
    }
    const BenchLimits limits = report.limits_for(r.threads);
    out += head +
           fmt::format("{},{},{},{:.6g},{:.6g},{},{:.6g},{:.6g},{},{},{},{:.3g},{},,{}\n", sdk::dtype_name(r.kv_dtype),
                       in_quotes(r.layout), r.block_size ? std::to_string(r.block_size) : "", r.times.best() * 1e3,
                       r.times.median() * 1e3, r.times.seconds.size(), r.gflops(), r.gbs(),
                       on_cpu ? word_of_unit(r.unit) : "", if_measured(r.percent_compute(limits)),
                       if_measured(r.percent_read(limits)), r.error, report.is_fastest(r) ? "true" : "false", device);
  }
  for (const BenchLeftOut& l : report.left_out)
    out += fmt::format("{},,{},,{},{}{},\n", in_quotes(l.shape), sdk::dtype_name(l.dtype), in_quotes(l.variant),
                       std::string(kNumbers, ','), in_quotes(l.reason));
  return out;
}

}  // namespace attnrt::cli
