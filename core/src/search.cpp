// SPDX-License-Identifier: Apache-2.0
#include "search.hpp"

#include <dlfcn.h>

#include <algorithm>

namespace attnrt::core {
namespace fs = std::filesystem;

constexpr std::size_t kMaxFiles = 4096;

/// Taken when the library is loaded, since a name that is relative means something else after a chdir.
static const fs::path own_file = [] {
  Dl_info info{};
  if (!dladdr(reinterpret_cast<const void*>(&core_file), &info) || !info.dli_fname) return fs::path{};
  std::error_code error;
  fs::path file = fs::canonical(info.dli_fname, error);
  return error ? fs::path{} : file;
}();

fs::path core_file() { return own_file; }

fs::path core_folder() { return own_file.parent_path(); }

// A statically linked core (tests) lies in bin/, the shared one in lib/.
static fs::path library_folder() {
  fs::path folder = core_folder();
  std::error_code error;
  if (!fs::exists(folder / "attnrt" / "plugins", error) && fs::exists(folder.parent_path() / "lib" / "attnrt", error))
    folder = folder.parent_path() / "lib";
  return folder;
}

fs::path default_plugin_folder() { return library_folder() / "attnrt" / "plugins"; }

fs::path default_config_folder() {
  // Where the build and where the installation put it, seen from the library; no other folder above it is asked.
  std::error_code error;
  for (const char* place : {ATTNRT_CONFIGS_FROM_LIB, "../share/attnrt/configs"})
    if (const fs::path folder = (library_folder() / place).lexically_normal(); fs::exists(folder, error)) return folder;
  return library_folder() / "attnrt" / "configs";
}

fs::path shipped_ledger() { return default_config_folder().parent_path() / "ledger.json"; }

SearchResult search(const Options& options) {
  std::string list, origin = "default";
  if (options.plugin_path) {
    list = *options.plugin_path;
    origin = "option";
  } else if (auto env = options.trusted_name_in("ATTNRT_PLUGIN_PATH"); env && !env->empty()) {
    list = std::move(*env);
    origin = "ATTNRT_PLUGIN_PATH";
  }

  SearchResult out;
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(':', begin), list.size());
    const std::string element = list.substr(begin, end - begin);
    begin = end + 1;
    Folder folder{element.empty() ? default_plugin_folder() : fs::path(element), element.empty() ? "default" : origin,
                  ""};
    std::error_code error;
    if (!folder.path.is_absolute()) {
      folder.sentence = "the folder '" + element + "' is relative, wanted an absolute path";
    } else {
      if (fs::path real = fs::canonical(folder.path, error); !error) folder.path = std::move(real);
      std::vector<fs::path> files;
      const bool one_file = folder.path.extension() == ".so" && fs::is_regular_file(folder.path, error);
      if (one_file) files.push_back(folder.path);
      fs::directory_iterator it = one_file ? fs::directory_iterator() : fs::directory_iterator(folder.path, error);
      for (; !error && it != fs::directory_iterator(); it.increment(error))
        if (it->path().extension() == ".so") files.push_back(it->path());
      if (error) folder.sentence = "the folder cannot be read: " + error.message();
      std::sort(files.begin(), files.end());
      if (files.size() > kMaxFiles) {
        folder.sentence = "the folder holds " + std::to_string(files.size()) + " files that end in .so, wanted at most " +
                          std::to_string(kMaxFiles) + ": those whose names sort later are not looked at";
        files.resize(kMaxFiles);
      }
      const bool again =
          std::any_of(out.folders.begin(), out.folders.end(), [&](const Folder& f) { return f.path == folder.path; });
      if (!again) out.files.insert(out.files.end(), files.begin(), files.end());
    }
    out.folders.push_back(std::move(folder));
  }
  return out;
}

}  // namespace attnrt::core
