// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <charconv>
#include <string>

namespace attnrt::core {

/// A number with `precision` digits as `format` counts them, in the C locale whatever the host's. Pure.
inline std::string number_text(double n, std::chars_format format, int precision) {
  char text[64];
  const auto end = std::to_chars(text, text + sizeof text, n, format, precision).ptr;
  return {text, end};
}

}  // namespace attnrt::core
