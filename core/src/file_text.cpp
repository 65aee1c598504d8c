// SPDX-License-Identifier: Apache-2.0
#include "file_text.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace attnrt::core {
namespace {

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
};

}  // namespace

bool read_pieces(const std::filesystem::path& file, const std::function<void(std::string_view)>& take) {
  const Descriptor from{open(file.c_str(), O_RDONLY | O_CLOEXEC)};
  if (from.fd < 0) return false;
  for (char buffer[1 << 14];;) {
    const ssize_t got = read(from.fd, buffer, sizeof buffer);
    if (got == 0) return true;
    if (got > 0)
      take({buffer, static_cast<std::size_t>(got)});
    else if (errno != EINTR)
      return false;
  }
}

std::optional<std::string> read_text(const std::filesystem::path& file) {
  std::string out;
  const bool whole = read_pieces(file, [&out](std::string_view piece) { out += piece; });
  return whole ? std::optional(std::move(out)) : std::nullopt;
}

bool write_text(const std::filesystem::path& file, const std::string& text) {
  Descriptor to{open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)};
  if (to.fd < 0) return false;
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t put = write(to.fd, text.data() + done, text.size() - done);
    if (put >= 0)
      done += static_cast<std::size_t>(put);
    else if (errno != EINTR)
      return false;
  }
  const int fd = to.fd;
  to.fd = -1;
  return close(fd) == 0;
}

}  // namespace attnrt::core
