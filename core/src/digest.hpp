// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

namespace attnrt::core {

/// The SHA-256 of an open file's bytes as "sha256:" and 64 hex digits; "" where they cannot be read. By libnettle.
std::string sha256_of(int descriptor);

}  // namespace attnrt::core
