// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "attnrt/plugin.h"
#include "inspect.hpp"

namespace attnrt::core {

/// Walks a plugin's tables before anything in them is believed: sizes, NULLs, counts, texts, names that stand twice,
/// unknown bits, and that they agree with the file's note. The sentence says what is wrong, "" = nothing.
std::string check_tables(const attnrt_plugin* plugin, const Inspection& note);

}  // namespace attnrt::core
