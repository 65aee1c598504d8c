// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "registry.hpp"

namespace attnrt::core {

/// What to do about a file that is not loaded: what its own fault asks for, else what its state always does. "" for a
/// loaded one.
std::string remedy(const PluginFile& file);

}  // namespace attnrt::core
