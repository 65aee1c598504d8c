// SPDX-License-Identifier: Apache-2.0
//
// What speaks against the candidates of a choice, as sentences. select.hpp puts them into errors, explain.hpp into reports.
#pragma once
#include <string>
#include <vector>

#include "choice.hpp"

namespace attnrt::core {

/// All that speaks against a variant, in the order of the checks.
std::vector<Refusal> refusals_of(const Choice& choice, const Verdict& verdict);
/// The short texts that speak against a variant, in the order of the checks.
std::vector<std::string> short_reasons(const Choice& choice, const Verdict& verdict);
/// What a variant offers in place of the sizes, dtypes and layout for which it refuses: "head_size is 100, wanted 64,
/// 128; ..."; "" where it refuses none of them, or is for another family or other hardware anyway.
std::string offered_instead(const Choice& choice, const Verdict& verdict);
/// The backends with a valid variant, in rank order.
std::vector<std::string> potential_backends(const Choice& choice);
/// Which override could not be honoured, and why; "" where one was, or there is none.
std::string unhonoured_text(const Choice& choice);
/// "No valid attention backend found for ... Reasons: {...}"
std::string no_valid_backend(const Choice& choice);

}  // namespace attnrt::core
