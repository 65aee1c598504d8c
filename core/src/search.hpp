// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "options.hpp"

namespace attnrt::core {

/// A folder that was looked at.
struct Folder {
  std::filesystem::path path;
  std::string origin;    ///< "option", "ATTNRT_PLUGIN_PATH", "default"
  std::string sentence;  ///< what was wrong with it, "" = read
};

struct SearchResult {
  std::vector<Folder> folders;
  std::vector<std::filesystem::path> files;  ///< every *.so, absolute; folders in order, names sorted within
};

/// The file this code was loaded from, and its folder, as the loader knew them when it was loaded; empty where that
/// cannot be told.
std::filesystem::path core_file();
std::filesystem::path core_folder();
/// Where the shipped plugins lie: <core folder>/attnrt/plugins.
std::filesystem::path default_plugin_folder();
/// The shipped configs folder, beside the build's lib/ or under share/attnrt once installed.
std::filesystem::path default_config_folder();
/// The ledger that lies beside it: what was verified before the library was shipped. The file may be missing.
std::filesystem::path shipped_ledger();

/// Finds plugin files: the option, else ATTNRT_PLUGIN_PATH (never when AT_SECURE), else the default folder. Relative
/// elements are refused: the working directory is never searched.
SearchResult search(const Options& options);

}  // namespace attnrt::core
