// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_CLI_SETTING_HPP
#define ATTNRT_CLI_SETTING_HPP
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>

#include "attnrt/words.hpp"

namespace attnrt::cli {

/// What a user said: the text, and where, "--block-size" or "layer.safetensors: metadata softcap", for the error.
struct Setting {
  std::string text;
  std::string from;
};
using MaybeSetting = std::optional<Setting>;

/// A whole number within [low, high]. Throws Failure.
int64_t whole(const Setting& setting, int64_t low, int64_t high);
/// A finite number of at least `low`. Throws Failure.
double number(const Setting& setting, double low);
/// "true" or "false". Throws Failure.
bool truth(const Setting& setting);
/// The value that stands beside the word said, without regard to case. Throws Failure, which lists the words.
uint32_t word(const Setting& setting, std::initializer_list<std::pair<const char*, uint32_t>> words);
/// The same for all names of one enumeration of plugin.h.
uint32_t word(const Setting& setting, const sdk::Words& words);
/// An element type of plugin.h: fp32, fp16, bf16, fp8_e4m3, fp8_e5m2, int8 and their other spellings. Throws Failure.
uint32_t element_type(const Setting& setting);

/// "FP32" -> "fp32"
std::string lower(std::string text);

}  // namespace attnrt::cli
#endif
