// SPDX-License-Identifier: Apache-2.0
#include "setting.hpp"

#include <spdlog/fmt/fmt.h>

#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>
#include <vector>

#include "attnrt/plugin.h"
#include "failure.hpp"
#include "nearest.hpp"

namespace attnrt::cli {
namespace {

/// The whole text as a number, or nothing.
template <class T>
std::optional<T> parse(const std::string& text) {
  T value{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc{} && stop == end ? std::optional<T>(value) : std::nullopt;
}

}  // namespace

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

int64_t whole(const Setting& setting, int64_t low, int64_t high) {
  const auto value = parse<int64_t>(setting.text);
  if (value && *value >= low && *value <= high) return *value;
  throw Failure(fmt::format("{} is '{}', wanted a whole number from {} to {}", setting.from, setting.text, low, high));
}

double number(const Setting& setting, double low) {
  const auto value = parse<double>(setting.text);
  if (value && std::isfinite(*value) && *value >= low && *value <= std::numeric_limits<float>::max()) return *value;
  throw Failure(fmt::format("{} is '{}', wanted a number{}", setting.from, setting.text,
                            std::isfinite(low) ? fmt::format(" of at least {}", low) : ""));
}

bool truth(const Setting& setting) {
  return word(setting, {{"true", 1}, {"false", 0}}) != 0;
}

[[noreturn]] static void refuse(const Setting& setting, const std::string& said, const std::vector<std::string>& known) {
  throw Failure(fmt::format("{} is '{}', wanted one of {}{}", setting.from, setting.text, fmt::join(known, ", "),
                            did_you_mean(said, known)));
}

uint32_t word(const Setting& setting, std::initializer_list<std::pair<const char*, uint32_t>> words) {
  const std::string said = lower(setting.text);
  std::vector<std::string> known;
  for (const auto& [name, value] : words) {
    if (said == name) return value;
    known.emplace_back(name);
  }
  refuse(setting, said, known);
}

uint32_t word(const Setting& setting, const sdk::Words& words) {
  const std::string said = lower(setting.text);
  std::vector<std::string> known;
  for (const sdk::Word& w : words) {
    if (said == w.name) return static_cast<uint32_t>(w.value);
    known.emplace_back(w.name);
  }
  refuse(setting, said, known);
}

uint32_t element_type(const Setting& setting) {
  return word(setting, {{"fp32", ATTNRT_FP32},
                        {"f32", ATTNRT_FP32},
                        {"float32", ATTNRT_FP32},
                        {"float", ATTNRT_FP32},
                        {"fp16", ATTNRT_FP16},
                        {"f16", ATTNRT_FP16},
                        {"float16", ATTNRT_FP16},
                        {"half", ATTNRT_FP16},
                        {"bf16", ATTNRT_BF16},
                        {"bfloat16", ATTNRT_BF16},
                        {"fp8", ATTNRT_FP8_E4M3},
                        {"fp8_e4m3", ATTNRT_FP8_E4M3},
                        {"fp8_e4m3fnuz", ATTNRT_FP8_E4M3FNUZ},
                        {"fp8_e5m2", ATTNRT_FP8_E5M2},
                        {"int8", ATTNRT_INT8}});
}

}  // namespace attnrt::cli
