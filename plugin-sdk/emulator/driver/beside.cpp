// SPDX-License-Identifier: Apache-2.0
#include "beside.hpp"

#include <dlfcn.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace attnrt::emulator {

Beside find_beside(const void* image, const char* suffix, const char* variable, const std::string& name) {
  Beside found;
  Dl_info info{};
  if (dladdr(image, &info) && info.dli_fname) {
    std::string library = info.dli_fname;
    if (library.size() > 3 && library.compare(library.size() - 3, 3, ".so") == 0) library.resize(library.size() - 3);
    found.folders = library + suffix;
  }
  if (const char* more = std::getenv(variable)) found.folders += (found.folders.empty() ? "" : ":") + std::string(more);
  std::istringstream list(found.folders);
  for (std::string folder; std::getline(list, folder, ':');) {
    const std::string file = folder + "/" + name;
    std::ifstream in(file, std::ios::binary);
    if (!in) continue;
    std::ostringstream all;
    all << in.rdbuf();
    found.text = all.str();
    found.file = file;
    break;
  }
  return found;
}

}  // namespace attnrt::emulator
