// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <string>

namespace attnrt::core {

/// Why this file must not be loaded: it or its folder is world-writable, or belongs to neither root, the effective user
/// nor the owner of the core library. "" = trusted.
std::string distrust(const std::filesystem::path& file);

}  // namespace attnrt::core
