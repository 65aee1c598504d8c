// SPDX-License-Identifier: Apache-2.0
#include "bench/plot.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>

#include "bench/data.hpp"

namespace attnrt::cli {
namespace {

constexpr double kBars = 520, kTop = 64, kBar = 16, kStep = 19, kGap = 14, kMargin = 12, kFont = 11, kTitleFont = 14;
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

/// At most so wide: a sans-serif font's letters, bold where `bold` says so. A viewer brings its own font, so the widths
/// are those of DejaVu Sans, which is wider than most.
double width_of(const std::string& words, double font, bool bold = false) {
  double em = 0;
  for (const char c : words)
    em += std::string("iIjl.,:;'|!()[]/ ").find(c) != std::string::npos ? 0.4
          : std::string("mwMW%@").find(c) != std::string::npos          ? 1.0
          : c >= 'A' && c <= 'Z'                                        ? 0.78
                                                                        : 0.65;
  return em * font * (bold ? 1.12 : 1);
}

double rate(const BenchResult& r) { return r.shape.counts_bytes() ? r.gbs() : r.gflops(); }

/// Percent of the limit that bounds this work, or of the group's fastest where nobody measured limits.
double share(const BenchResult& r, const std::vector<BenchResult>& group, const BenchReport& report) {
  if (!report.limits.empty()) return r.percent(report.limits_for(r.threads));
  double best = 0;
  for (const BenchResult& other : group)
    if (other.refusal.empty()) best = std::max(best, rate(other));
  return 100 * rate(r) / best;
}

/// "83% of AVX2 FMA, 25.3 GF/s, CPU_ATTN/avx2"
std::string bar_label(const BenchResult& r, const std::vector<BenchResult>& group, const BenchReport& report) {
  if (!r.refusal.empty()) return r.variant + ": not supported";
  return fmt::format("{:.0f}%{}, {:.1f} {}, {}", share(r, group, report),
                     report.limits.empty() ? "" : fmt::format(" of {}", r.limit()), rate(r),
                     r.shape.counts_bytes() ? "GB/s" : "GF/s", r.variant);
}

std::string group_label(const BenchResult& first) {
  return fmt::format("{}, {}, {}", first.shape.id, sdk::dtype_name(first.dtype), first.workers());
}

/// Consecutive results of the same work.
std::vector<std::vector<BenchResult>> groups_of(const std::vector<BenchResult>& results) {
  std::vector<std::vector<BenchResult>> groups;
  for (const BenchResult& r : results) {
    const BenchResult* last = groups.empty() ? nullptr : &groups.back().back();
    if (!last || !same_work(*last, r)) groups.emplace_back();
    groups.back().push_back(r);
  }
  return groups;
}

}  // namespace

std::string bench_svg(const BenchReport& report) {
  const auto groups = groups_of(report.results);
  const std::string title =
      report.limits.empty() ? "attnrt bench: percent of the fastest" : "attnrt bench: percent of the measured limit";
  const std::string subtitle =
      processor_name() + "; decode: reading memory, else: the unit that the variant multiplies with";
  std::vector<std::string> variants;
  double widest = 100, height = kTop, left = 0;
  for (const auto& group : groups) {
    height += static_cast<double>(group.size()) * kStep + kGap;
    left = std::max(left, kMargin + width_of(group_label(group.front()), kFont, true) + 10);
    for (const BenchResult& r : group) {
      if (std::find(variants.begin(), variants.end(), r.variant) == variants.end()) variants.push_back(r.variant);
      if (r.refusal.empty()) widest = std::max(widest, share(r, group, report));
    }
  }
  height += 24;
  const double unit = kBars / widest;
  const auto length = [&](const BenchResult& r, const std::vector<BenchResult>& group) {
    return r.refusal.empty() ? share(r, group, report) * unit : 0;
  };
  double right = std::max({left + kBars + width_of("100%", kFont) / 2, kMargin + width_of(title, kTitleFont, true),
                           kMargin + width_of(subtitle, kFont)});
  for (const auto& group : groups)
    for (const BenchResult& r : group)
      right = std::max(right, left + length(r, group) + 5 + width_of(bar_label(r, group, report), kFont));
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} {1:.0f}\" "
      "font-family=\"sans-serif\" font-size=\"{2}\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
      std::ceil(right + kMargin), height, kFont);
  out += text(kMargin, 20, fmt::format("font-size=\"{}\" font-weight=\"bold\"", kTitleFont).c_str(), title);
  out += text(kMargin, 38, "fill=\"#555\"", subtitle);
  for (int percent = 0; percent <= static_cast<int>(widest); percent += widest > 250 ? 100 : 25) {
    const double x = left + percent * unit;
    out += fmt::format("<line x1=\"{0:.1f}\" y1=\"{1:.1f}\" x2=\"{0:.1f}\" y2=\"{2:.1f}\" stroke=\"{3}\"/>\n", x,
                       kTop - 6, height - 20, percent == 100 ? "#333" : "#ddd");
    out += text(x, height - 6, "text-anchor=\"middle\" fill=\"#555\"", fmt::format("{}%", percent));
  }
  double y = kTop;
  for (const auto& group : groups) {
    out += text(left - 10, y + kBar - 4, "text-anchor=\"end\" font-weight=\"bold\"", group_label(group.front()));
    for (const BenchResult& r : group) {
      const auto index =
          static_cast<std::size_t>(std::find(variants.begin(), variants.end(), r.variant) - variants.begin());
      out += fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.0f}\" fill=\"{}\"/>\n", left, y,
                         length(r, group), kBar, kColours[index % std::size(kColours)]);
      out += text(left + length(r, group) + 5, y + kBar - 4, "", bar_label(r, group, report));
      y += kStep;
    }
    y += kGap;
  }
  return out + "</svg>\n";
}

}  // namespace attnrt::cli
