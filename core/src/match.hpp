// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "attnrt/match.hpp"
#include "attnrt/plugin.h"

namespace attnrt::core {

/// One reason why a variant cannot serve a problem.
struct Refusal {
  attnrt_why why;
  std::string text;    ///< short, for grep: "head_size not supported"
  std::string detail;  ///< both values: "80: offers 64, 128, 256"
};

/// Everything that speaks against a variant: its sheet first, then its own supports(). Pure and [thread-safe]. Builds
/// no text.
struct Match {
  sdk::WhySet sheet = 0;
  int by_plugin = 0;  ///< how many reasons supports() gave
  bool ok() const noexcept { return sheet == 0 && by_plugin == 0; }
  int count() const noexcept { return __builtin_popcountll(sheet) + by_plugin; }
};
Match match(const attnrt_variant& variant, const attnrt_problem& problem);

/// "HEAD_SIZE"; stable, in the JSON.
const char* why_code(attnrt_why why);
/// The short text of a check for this problem.
std::string why_text(attnrt_why why, const attnrt_problem& problem);
/// The value asked and the values offered.
std::string why_detail(attnrt_why why, const attnrt_caps& caps, const attnrt_problem& problem);

/// The same as a sentence, for the checks of sizes, dtypes and layouts: "head_size is 100, wanted 64, 128"; "" for the
/// others.
std::string why_wanted(attnrt_why why, const attnrt_caps& caps, const attnrt_problem& problem);

/// The refusals behind a Match as text, in the order of the checks; asks supports() again for its sentences.
std::vector<Refusal> refusal_texts(const Match& match, const attnrt_variant& variant, const attnrt_problem& problem);

}  // namespace attnrt::core
