// SPDX-License-Identifier: Apache-2.0
#include "locked_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "file_text.hpp"
#include "fork.hpp"

namespace attnrt::core {
namespace fs = std::filesystem;
namespace {

constinit Turns writers;  ///< the file's lock is the process's: it does not part threads

/// A lock of fcntl's and not of flock's: a child that is forked meanwhile does not hold it, too.
class FileLock {
 public:
  explicit FileLock(const fs::path& file) : fd_(open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
    struct flock whole {};
    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    while (fd_ >= 0 && fcntl(fd_, F_SETLKW, &whole) != 0 && errno == EINTR) {
    }
  }
  ~FileLock() {
    if (fd_ >= 0) close(fd_);
  }
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  bool opened() const noexcept { return fd_ >= 0; }

 private:
  int fd_;
};

}  // namespace

bool rewrite_locked(const fs::path& file, const std::function<std::string()>& text) {
  std::error_code error;
  fs::create_directories(file.parent_path(), error);
  const Turn turn(writers);
  const FileLock lock(file.string() + ".lock");
  if (!lock.opened()) return false;
  const fs::path fresh = file.string() + "." + std::to_string(getpid());
  const bool written = write_text(fresh, text() + '\n');
  if (written) fs::rename(fresh, file, error);
  if (written && !error) return true;
  fs::remove(fresh, error);
  return false;
}

}  // namespace attnrt::core
