// SPDX-License-Identifier: Apache-2.0
//
// A choice as text: built when somebody reads it, never while choosing.
#pragma once
#include <boost/json.hpp>
#include <string>

#include "choice.hpp"

namespace attnrt::core {

/// "Using FLASH_ATTN attention backend out of potential backends: ['FLASH_ATTN', 'TRITON_ATTN']."
std::string log_line(const Choice& choice);
/// A report for people: winner, why, the table of the others, the rule and the override that decided. 80 columns.
/// Backends that serve other families or types of device alone are named in one line, with `all` they have rows too.
std::string explain_text(const Choice& choice, bool all = false);
/// The same as JSON.
boost::json::object choice_json(const Choice& choice);

}  // namespace attnrt::core
