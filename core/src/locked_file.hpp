// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <functional>
#include <string>

namespace attnrt::core {

/// Replaces a file by what `text` makes of it, under a lock (fcntl on FILE.lock) that other processes and threads
/// respect, and by rename, so that a reader never sees half of it. Makes the folder. False: it could not be written,
/// and is as before. [thread-safe]
bool rewrite_locked(const std::filesystem::path& file, const std::function<std::string()>& text);

}  // namespace attnrt::core
