// SPDX-License-Identifier: Apache-2.0
//
// attnrt/say.hpp: sentences of strings and numbers, without a locale. Header-only, C++17. [thread-safe]
#ifndef ATTNRT_SAY_HPP
#define ATTNRT_SAY_HPP
#include <charconv>
#include <string>
#include <type_traits>

namespace attnrt::sdk {

/// A number with at most six decimals and a point, whatever the host's locale writes: -0.5 is "-0.5".
inline std::string decimal(double number) {
  char text[340];  // the largest double has 309 digits before its point
  const auto end = std::to_chars(text, text + sizeof text, number, std::chars_format::fixed, 6).ptr;
  std::string out(text, end);
  if (out.find('.') == std::string::npos) return out;  // inf, nan
  out.erase(out.find_last_not_of('0') + 1);
  if (out.back() == '.') out.pop_back();
  return out;
}

/// Joins strings and numbers: say("q has ", 3, " dimensions").
template <class... Parts>
std::string say(const Parts&... parts) {
  std::string out;
  const auto one = [&out](const auto& part) {
    using T = std::decay_t<decltype(part)>;
    if constexpr (std::is_floating_point_v<T>) {
      out += decimal(static_cast<double>(part));
    } else if constexpr (std::is_arithmetic_v<T>) {
      out += std::to_string(part);
    } else {
      out += part;
    }
  };
  (one(parts), ...);
  return out;
}

}  // namespace attnrt::sdk
#endif
