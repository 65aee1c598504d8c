// SPDX-License-Identifier: Apache-2.0
//
// A choice as text: built when somebody reads it, never while choosing.
#pragma once
#include <boost/json.hpp>
#include <string>
#include <vector>

#include "select.hpp"

namespace attnrt::core {

/// The short texts that speak against a variant, in the order of the checks.
std::vector<std::string> short_reasons(const Choice& choice, const Verdict& verdict);
/// What a variant offers in place of the sizes, dtypes and layout for which it refuses: "head_size is 100, wanted 64,
/// 128; ..."; "" where it refuses none of them, or is for another family or other hardware anyway.
std::string offered_instead(const Choice& choice, const Verdict& verdict);
/// "Using FLASH_ATTN attention backend out of potential backends: ['FLASH_ATTN', 'TRITON_ATTN']."
std::string log_line(const Choice& choice);
/// Which override could not be honoured, and why; "" where one was, or there is none.
std::string unhonoured_text(const Choice& choice);
/// "No valid attention backend found for ... Reasons: {...}"
std::string no_valid_backend(const Choice& choice);
/// A report for people: winner, why, the table of the others, the rule and the override that decided. 80 columns.
/// Backends that serve other families or types of device alone are named in one line, with `all` they have rows too.
std::string explain_text(const Choice& choice, bool all = false);
/// The same as JSON.
boost::json::object choice_json(const Choice& choice);

}  // namespace attnrt::core
