// SPDX-License-Identifier: Apache-2.0
#include "streams.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

namespace attnrt::cli {

void open_missing_streams() noexcept {
  // open() takes the lowest free number. Standard output is opened for reading, so that printing fails as it did.
  constexpr int how[] = {O_RDONLY, O_RDONLY, O_WRONLY};
  for (int fd = 0; fd < 3; ++fd)
    if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", how[fd]) != fd) return;
}

void tell(std::string_view text) noexcept {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

bool flush_output() noexcept { return std::fflush(stdout) == 0 && std::ferror(stdout) == 0; }

}  // namespace attnrt::cli
