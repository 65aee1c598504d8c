// SPDX-License-Identifier: Apache-2.0
#include "regular_file.hpp"

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "failure.hpp"

namespace attnrt::cli {

std::string read_regular_file(const std::string& path, uint64_t limit, const char* wanted) {
  struct Descriptor {
    int fd;
    ~Descriptor() {
      if (fd >= 0) ::close(fd);
    }
  };
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
  struct stat info {};
  if (file.fd < 0 || ::fstat(file.fd, &info) != 0)
    throw Failure(fmt::format("{} cannot be read, wanted {}", path, wanted));
  if (!S_ISREG(info.st_mode)) throw Failure(fmt::format("{} is no regular file, wanted {}", path, wanted));
  std::string text;
  for (char piece[1 << 14];
       ;) {  // to its end, whatever fstat said: it may grow meanwhile, and files of /proc have size 0
    const ssize_t got = ::read(file.fd, piece, sizeof piece);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Failure(fmt::format("{} cannot be read, wanted {}", path, wanted));
    if (got == 0) return text;
    text.append(piece, static_cast<std::size_t>(got));
    if (text.size() > limit) throw Failure(fmt::format("{} is larger than {} bytes, wanted {}", path, limit, wanted));
  }
}

}  // namespace attnrt::cli
