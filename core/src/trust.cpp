// SPDX-License-Identifier: Apache-2.0
#include "trust.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "search.hpp"

namespace attnrt::core {
namespace {

std::string distrust_one(const std::filesystem::path& path, const char* what) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return std::string(what) + " cannot be looked at: " + std::strerror(errno);
  if (info.st_mode & S_IWOTH)
    return std::string(what) + " " + path.string() + " is world-writable, wanted no write permission for others";
  struct stat core {};
  const bool core_known = stat(core_folder().c_str(), &core) == 0;
  if (info.st_uid != 0 && info.st_uid != geteuid() && !(core_known && info.st_uid == core.st_uid))
    return std::string(what) + " " + path.string() + " belongs to user " + std::to_string(info.st_uid) +
           ", wanted root, user " + std::to_string(geteuid()) + " or the owner of libattnrt";
  return "";
}

}  // namespace

std::string distrust(const std::filesystem::path& file) {
  std::string why = distrust_one(file, "the file");
  if (why.empty()) why = distrust_one(file.parent_path(), "the folder");
  std::error_code error;  // who may write where a link leads may change what is loaded
  const auto target = std::filesystem::canonical(file, error);
  return why.empty() && !error ? distrust_one(target.parent_path(), "the folder") : why;
}

}  // namespace attnrt::core
