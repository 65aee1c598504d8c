// SPDX-License-Identifier: Apache-2.0
#include "locked_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <fstream>

namespace attnrt::core {
namespace fs = std::filesystem;

bool rewrite_locked(const fs::path& file, const std::function<std::string()>& text) {
  std::error_code error;
  fs::create_directories(file.parent_path(), error);
  struct Lock {
    int descriptor;
    ~Lock() {
      if (descriptor >= 0) close(descriptor);
    }
  } const lock{open((file.string() + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
  if (lock.descriptor < 0) return false;
  flock(lock.descriptor, LOCK_EX);
  const fs::path fresh = file.string() + "." + std::to_string(getpid());
  std::ofstream out(fresh, std::ios::binary);
  out << text() << '\n';
  out.close();
  if (out) fs::rename(fresh, file, error);
  if (out && !error) return true;
  fs::remove(fresh, error);
  return false;
}

}  // namespace attnrt::core
