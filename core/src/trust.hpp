// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <sys/stat.h>

#include <filesystem>
#include <string>

#include "descriptor.hpp"

namespace attnrt::core {

/// Who may own what is trusted, beside root: the effective user alone, or also the owner of libattnrt's file.
enum class Owners { user, user_or_core };

/// What stands at the end of a path, and whether only trusted users can have put it there.
struct Walk {
  Descriptor folder;    ///< O_PATH, of the folder that holds the last component; empty where the walk ended before
  std::string name;     ///< of the last component in that folder, after all links
  struct stat info {};  ///< of the last component
  bool found = false;   ///< is there such a component?
  int error = 0;        ///< errno of what kept it from being found
  std::string why;      ///< the first thing that is not trusted, or the reason why nothing was found; "" = trusted
};

/// Walks an absolute path from the root folder, one component after the other and each link's own path too, as OpenSSH's
/// StrictModes does: every folder and link on the way has a trusted owner, no folder can be written by others, and the
/// folders that hold a name to be loaded not even where they are sticky (a sticky folder elsewhere keeps others from
/// exchanging what it holds). Folders that also lead to libattnrt itself are not asked: who may write there
/// may exchange the library. The group of a user's own (its number is the user's) is not "others", but for an access
/// control list. `make`: missing folders are made, mode 0700. [thread-safe]
Walk walk(const std::filesystem::path& path, Owners owners, bool make = false);

/// Why what stands at this absolute path must not be loaded or believed; "" = trusted. [thread-safe]
std::string distrust(const std::filesystem::path& file);

}  // namespace attnrt::core
