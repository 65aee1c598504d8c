// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <string>

namespace attnrt::core {

/// The SHA-256 of a file as "sha256:" and 64 hex digits; "" where it cannot be read. By libnettle.
std::string sha256_of(const std::filesystem::path& file);

}  // namespace attnrt::core
