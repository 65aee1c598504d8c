// SPDX-License-Identifier: Apache-2.0
//
// The word that somebody probably meant. Header-only, for the core's names and for the command line's alike; it knows
// no word itself.
#pragma once
#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace attnrt {

/// How many slips lead from one word to another: a letter too many, too few or wrong, or two neighbours exchanged (the
/// optimal string alignment distance). Case and the difference of '-' and '_' count nothing. A wrong digit counts two:
/// fp8 is another thing than fp4, not a slip. Pure.
inline std::size_t slips(std::string_view from, std::string_view to) {
  const auto plain = [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c == '_' ? '-' : c;
  };
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  const std::size_t n = from.size(), m = to.size();
  std::vector<std::size_t> above2(m + 1), above(m + 1), row(m + 1);
  for (std::size_t j = 0; j <= m; ++j) row[j] = j;
  for (std::size_t i = 1; i <= n; ++i) {
    above2.swap(above);
    above.swap(row);
    row[0] = i;
    for (std::size_t j = 1; j <= m; ++j) {
      const char a = plain(from[i - 1]), b = plain(to[j - 1]);
      const std::size_t other = a == b ? 0 : digit(a) || digit(b) ? 2 : 1;
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + other});
      if (i > 1 && j > 1 && a == plain(to[j - 2]) && b == plain(from[i - 2]))
        row[j] = std::min(row[j], above2[j - 2] + 1);
    }
  }
  return row[m];
}

/// The known word with the fewest slips, the first of several. "" where even that one has more of them than a third of
/// the letters said (one for 2 letters, two for 5), and for a text that is longer than any name. Pure.
inline std::string nearest(std::string_view said, const std::vector<std::string>& known) {
  std::string best;
  if (said.size() > 128) return best;
  std::size_t fewest = (said.size() + 1) / 3 + 1;
  for (const std::string& word : known)
    if (const std::size_t n = slips(said, word); n < fewest) {
      fewest = n;
      best = word;
    }
  return best;
}

/// ". Did you mean 'CPU_ATTN'?" as the end of a sentence about a word that is not known; "" where nothing is near.
inline std::string did_you_mean(std::string_view said, const std::vector<std::string>& known) {
  const std::string word = nearest(said, known);
  return word.empty() ? "" : ". Did you mean '" + word + "'?";
}

}  // namespace attnrt
