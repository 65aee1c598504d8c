// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "attnrt/plugin.h"
#include "judged.hpp"

namespace attnrt::core {

/// A library in this process, or why it is not.
struct Loaded {
  State state = State::loaded;
  std::string sentence;
  const attnrt_plugin* plugin = nullptr;
  std::string build_id = {};  ///< of the code in this process, where it is not the file's
  bool started = false;  ///< the probe's helper had come to the plugin
  std::vector<std::string> libraries = {};  ///< what a probe saw the plugin bring in, beside what was there
};

/// Loads an inspected file (absolute path, all symbols bound, nothing shared with other libraries), asks for its tables
/// and checks them. A library stays for the life of the process: the second call for a path answers from memory, and
/// says `replaced`, with the tables of the old code, where the file's build id is no longer the one loaded.
/// [thread-safe]
/// `unprobed`: the file is no longer in the state on disk that was judged.
Loaded load(const Judged& file);

/// Is this build of the file in this process already? [thread-safe]
bool is_resident(const Judged& file);

}  // namespace attnrt::core
