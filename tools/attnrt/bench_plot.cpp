// SPDX-License-Identifier: Apache-2.0
#include "bench_plot.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "bench_data.hpp"

namespace attnrt::cli {
namespace {

constexpr double kLeft = 230, kBars = 520, kRight = 150, kTop = 64, kBar = 16, kStep = 19, kGap = 14;
constexpr const char* kColours[] = {"#2563a8", "#d9822b", "#3c8d5a", "#8a5fb0", "#b8433f", "#6b7280"};

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text)
    out += c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : c == '"' ? "&quot;" : std::string(1, c);
  return out;
}

std::string text(double x, double y, const char* style, const std::string& words) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" {}>{}</text>\n", x, y, style, escaped(words));
}

double rate(const BenchResult& r) { return r.shape.counts_bytes() ? r.gbs() : r.gflops(); }

/// Percent of the limit that bounds this work, or of the group's fastest where nobody measured limits.
double share(const BenchResult& r, const std::vector<BenchResult>& group, const std::vector<BenchLimits>& limits) {
  const BenchLimits most = limits_for(limits, r.threads);
  if (!limits.empty()) return r.shape.counts_bytes() ? r.percent_read(most) : r.percent_compute(most);
  double best = 0;
  for (const BenchResult& other : group)
    if (other.refusal.empty()) best = std::max(best, rate(other));
  return 100 * rate(r) / best;
}

/// Consecutive results of the same work.
std::vector<std::vector<BenchResult>> groups_of(const std::vector<BenchResult>& results) {
  std::vector<std::vector<BenchResult>> groups;
  for (const BenchResult& r : results) {
    const BenchResult* last = groups.empty() ? nullptr : &groups.back().back();
    if (!last || last->shape.id != r.shape.id || last->dtype != r.dtype || last->threads != r.threads)
      groups.emplace_back();
    groups.back().push_back(r);
  }
  return groups;
}

}  // namespace

std::string bench_svg(const std::vector<BenchResult>& results, const std::vector<BenchLimits>& limits) {
  const auto groups = groups_of(results);
  std::vector<std::string> variants;
  double widest = 100, height = kTop;
  for (const auto& group : groups) {
    height += static_cast<double>(group.size()) * kStep + kGap;
    for (const BenchResult& r : group) {
      if (std::find(variants.begin(), variants.end(), r.variant) == variants.end()) variants.push_back(r.variant);
      if (r.refusal.empty()) widest = std::max(widest, share(r, group, limits));
    }
  }
  height += 24;
  const double unit = kBars / widest, width = kLeft + kBars + kRight;
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} {1:.0f}\" "
      "font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
      width, height);
  out += text(12, 20, "font-size=\"14\" font-weight=\"bold\"",
              limits.empty() ? "attnrt bench: percent of the fastest" : "attnrt bench: percent of the measured limit");
  out += text(12, 38, "fill=\"#555\"", processor_name() + "; decode: reading memory, else: arithmetic");
  for (int percent = 0; percent <= static_cast<int>(widest); percent += widest > 250 ? 100 : 25) {
    const double x = kLeft + percent * unit;
    out += fmt::format("<line x1=\"{0:.1f}\" y1=\"{1:.1f}\" x2=\"{0:.1f}\" y2=\"{2:.1f}\" stroke=\"{3}\"/>\n", x,
                       kTop - 6, height - 20, percent == 100 ? "#333" : "#ddd");
    out += text(x, height - 6, "text-anchor=\"middle\" fill=\"#555\"", fmt::format("{}%", percent));
  }
  double y = kTop;
  for (const auto& group : groups) {
    const BenchResult& first = group.front();
    out += text(kLeft - 10, y + kBar - 4, "text-anchor=\"end\" font-weight=\"bold\"",
                fmt::format("{}, {}, {} thread{}", first.shape.id, word_of_element(first.dtype), first.threads,
                            first.threads == 1 ? "" : "s"));
    for (const BenchResult& r : group) {
      const auto index =
          static_cast<std::size_t>(std::find(variants.begin(), variants.end(), r.variant) - variants.begin());
      const double length = r.refusal.empty() ? share(r, group, limits) * unit : 0;
      out += fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.0f}\" fill=\"{}\"/>\n", kLeft, y,
                         length, kBar, kColours[index % std::size(kColours)]);
      out += text(kLeft + length + 5, y + kBar - 4, "",
                  r.refusal.empty() ? fmt::format("{:.0f}% {:.1f} {} {}", share(r, group, limits), rate(r),
                                                  r.shape.counts_bytes() ? "GB/s" : "GF/s", r.variant)
                                    : r.variant + ": not supported");
      y += kStep;
    }
    y += kGap;
  }
  return out + "</svg>\n";
}

}  // namespace attnrt::cli
