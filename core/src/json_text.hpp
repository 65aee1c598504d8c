// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <boost/json.hpp>
#include <string>

namespace attnrt::core {

/// A document as JSON text. Paths, variables, summaries and sentences in it come from strangers: each string is made
/// printable here, once for all of them, so that the text is UTF-8 whatever they hold. [thread-safe]
std::string json_text(boost::json::object document);

}  // namespace attnrt::core
