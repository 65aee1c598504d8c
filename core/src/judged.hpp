// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>

#include "file_identity.hpp"
#include "inspect.hpp"

namespace attnrt::core {

/// A file that was judged without being loaded: what its headers tell, and the state on disk that they were read in. What
/// is probed, remembered and loaded is this state and no later one.
struct Judged {
  std::filesystem::path path;
  FileIdentity identity;
  Inspection inspection;
};

}  // namespace attnrt::core
